"""What the routes of the page share: the index, its videos, searches, uploads, and the processes that make films."""

import asyncio
import concurrent.futures
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from coview.collection.index import Index
from coview.collection.store import VideoRow
from coview.errors import UserError
from coview.remote import is_remote
from coview.serving.cache import Cache
from coview.serving.fetching import LARGEST_BYTES, Fetcher, fetched_name
from coview.serving.jobs import Lane
from coview.serving.labelling import Workbench
from coview.serving.making import Maker, content_key
from coview.serving.searching import Searches
from coview.serving.shelf import Shelf
from coview.serving.uploads import Uploads


@dataclass
class Desk:
    """One of each.

    Attributes:
        index: the index.
        shelf: its videos.
        searches: searches in it.
        uploads: dropped files.
        cache: files that were made.
        maker: makes them.
        pictures: the process for what takes a moment.
        films: the process for what takes longer.
        dropped: the process that reads dropped files, which nobody has vouched for.
        over: the process that looks over the whole collection.
        bench: labels, and the head that follows them.
        fetcher: brings videos that lie elsewhere; None: nobody is asked for any.
        films_known: what is known of video files, by content.
    """

    index: Index
    shelf: Shelf
    searches: Searches
    uploads: Uploads
    cache: Cache
    maker: Maker
    pictures: Lane
    films: Lane
    dropped: Lane
    over: Lane
    bench: Workbench
    fetcher: Fetcher | None
    films_known: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def lay(cls, index: Index, *, run: Path | None, fetch: bool) -> "Desk":
        """Make all that an index needs to be shown."""
        shelf = Shelf(index)
        names = ("pictures", "films", "dropped files", "findings")
        pictures, films, dropped, over = (Lane(index.path, run=run, name=name) for name in names)
        cache, uploads = Cache(index.path), Uploads(dropped)
        searches = Searches(index, shelf, uploads)
        lanes, bench = (pictures, films, dropped, over), Workbench(index)
        return cls(index, shelf, searches, uploads, cache, Maker(cache), *lanes, bench, Fetcher() if fetch else None)

    def fetched(self, row: VideoRow) -> str | None:
        """Return the name in the cache of a video that lies elsewhere, None for a file of this machine."""
        return fetched_name(content_key(row), row.facts.path) if is_remote(row.facts.path) else None

    def begin_fetching(
        self, row: VideoRow, *, largest_bytes: int = LARGEST_BYTES
    ) -> "concurrent.futures.Future[Any] | None":
        """Begin to fetch what lies elsewhere; None where the file is here.

        Raises:
            UserError: nothing may be fetched; it is larger, or could not be fetched a moment ago.
        """
        name = self.fetched(row)
        if name is None or self.cache.find(name) is not None:
            return None
        if self.fetcher is None:
            raise UserError(f"it lies at {row.facts.path}; to fetch and show it: coview serve INDEX --fetch")
        if row.facts.size > largest_bytes:
            raise UserError(
                f"it lies elsewhere and has {row.facts.size:,} bytes; {largest_bytes:,} are fetched at most"
            )
        return self.maker.begin(name, partial(self.fetcher.submit, row.facts.path))

    async def file(self, row: VideoRow, *, largest_bytes: int = LARGEST_BYTES) -> Path:
        """Return the file to show of a video, fetched first where it lies elsewhere.

        Raises:
            UserError: it is not where it was, is larger, or cannot be fetched.
        """
        future = self.begin_fetching(row, largest_bytes=largest_bytes)
        if future is not None:
            await asyncio.shield(asyncio.wrap_future(future))
        name = self.fetched(row)
        return self.shelf.file(row) if name is None else self.cache.path(name)

    @property
    def views_to_show(self) -> tuple[str, ...]:
        """The pictures, and every view of the index."""
        return tuple(dict.fromkeys(["rgb", *self.index.views]))

    @property
    def run_key(self) -> str:
        """A text that differs where views are made otherwise."""
        return self.index.run_identity[:8]

    def explain(self, error: UserError) -> str:
        """Return an error's words without the folders of this machine."""
        return str(error).replace(f"{self.index.path.resolve()}/", "").replace(f"{self.cache.folder}/", "")

    def close(self) -> None:
        """End the processes and remove what was dropped."""
        for lane in (self.pictures, self.films, self.dropped, self.over):
            lane.close()
        if self.fetcher is not None:
            self.fetcher.close()
        self.searches.close()
        self.bench.close()
        self.uploads.close()
        self.cache.close()
