"""What the routes of the page share: the index, its videos, searches, uploads, and the processes that make films."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coview.collection.index import Index
from coview.errors import UserError
from coview.serving.cache import Cache
from coview.serving.jobs import Lane
from coview.serving.labelling import Workbench
from coview.serving.making import Maker
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
    films_known: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def lay(cls, index: Index, *, run: Path | None) -> "Desk":
        """Make all that an index needs to be shown."""
        shelf = Shelf(index)
        names = ("pictures", "films", "dropped files", "findings")
        pictures, films, dropped, over = (Lane(index.path, run=run, name=name) for name in names)
        cache, uploads = Cache(index.path), Uploads(dropped)
        searches = Searches(index, shelf, uploads)
        return cls(
            index, shelf, searches, uploads, cache, Maker(cache), pictures, films, dropped, over, Workbench(index)
        )

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
        self.bench.close()
        self.uploads.close()
        self.cache.close()
