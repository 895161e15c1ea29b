"""Searches of the page: by a video of the index, some seconds of one, or a file that was dropped; answers are kept."""

import asyncio
import contextlib
import dataclasses
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from coview.collection.hits import IndexHit, IndexHits
from coview.collection.index import Index
from coview.collection.queries import Query, check_segment, stored_vectors
from coview.collection.store import Candidate, Floats
from coview.errors import UserError
from coview.serving.shelf import Shelf
from coview.serving.uploads import Uploads

_KEPT_ANSWERS = 512
_AT_ONCE = 8
"""Searches worked on at a time, whose products are done together; more of them would stand in each other's way."""


def _marked(hit: IndexHit, number: int | None, query: Query) -> IndexHit:
    """Say of a hit whether it is the query itself."""
    if number is None:
        return hit
    found = Candidate(number, hit.cosine, {}, hit.start_seconds, hit.end_seconds)
    return dataclasses.replace(hit, is_query=query.is_in(found))


@dataclass(frozen=True)
class Example:
    """What is searched for: a video of the index, by number, or a dropped file, by its token; or some seconds of it."""

    video: int | None = None
    upload: str | None = None
    start: float | None = None
    end: float | None = None


class Searches:
    """Searches in a few threads of their own, so that what else the page asks for does not wait behind them."""

    def __init__(self, index: Index, shelf: Shelf, uploads: Uploads) -> None:
        self._index, self._shelf, self._uploads = index, shelf, uploads
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="searches")
        self._answers: OrderedDict[str, IndexHits] = OrderedDict()

    async def search(
        self,
        example: Example,
        *,
        views: Sequence[str],
        top: int,
        moments: bool,
        per_video: int,
        where: Mapping[str, Any],
    ) -> IndexHits:
        """Return hits; the same question of the same index is answered from memory.

        Raises:
            UserError: no such video or upload, or conditions that do not fit.
        """
        key = repr((self._shelf.state, example, tuple(views), top, moments, per_video, sorted(where.items())))
        if key in self._answers:
            self._answers.move_to_end(key)
            return self._answers[key]
        wanted = {"top": top, "view": tuple(views) or None, "where": where, "moments": moments, "per_video": per_video}
        dropped = await self._embed_dropped(example)
        loop = asyncio.get_running_loop()
        answer = await loop.run_in_executor(self._threads, self._search, example, dropped, wanted)
        self._answers[key] = answer
        if len(self._answers) > _KEPT_ANSWERS:
            self._answers.popitem(last=False)
        return answer

    async def heat(self, example: Example, number: int, *, views: Sequence[str]) -> dict[str, list[float]]:
        """Return how like the query each window of a video is.

        Returns:
            "start", "end" (seconds) and "cosine" of every window, in order of time.

        Raises:
            UserError: no such video, upload or view, or a video without vectors.
        """
        row = self._shelf.video(number)
        chosen = tuple(views) or self._index.views
        if unknown := [view for view in chosen if view not in self._index.views]:
            raise UserError(f"the index has no view {unknown[0]!r}; it has: {', '.join(self._index.views)}")
        if row.facts.status != "ready":
            raise UserError(f"{row.facts.id} is in the index without vectors: {row.facts.reason}")
        dropped = await self._embed_dropped(example)
        return await asyncio.to_thread(self._compare, example, dropped, number, chosen)

    def warm_up(self) -> None:
        """Search once behind the scenes, so that nobody waits for files to be read and code to be compiled."""
        self._threads.submit(self._search_for_anything)

    def close(self) -> None:
        """Give up searches that wait."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _embed_dropped(self, example: Example) -> Mapping[str, Floats] | None:
        """Return the vectors of an upload of which the index has no copy; None where there is none.

        Raises:
            UserError: neither or both of a video and an upload, one that is gone, or one that cannot be read.
        """
        check_segment(example.start, example.end)
        if (example.video is None) == (example.upload is None):
            raise UserError("name what to search for: the number of a video, or the token of an upload")
        if example.upload is None:
            return None
        upload = self._uploads.find(example.upload)
        if self._shelf.copies(upload.size, upload.content):
            return None
        return await self._uploads.embed(upload, example.start, example.end)

    def _search_for_anything(self) -> None:
        wanted: dict[str, Any] = {"top": 1, "view": None, "where": {}, "moments": True, "per_video": 1}
        with contextlib.suppress(UserError, OSError):  # whoever searches is told
            for row in self._shelf.rows(status="ready")[:1]:
                self._search(Example(video=row.number), None, wanted)

    def _search(self, example: Example, dropped: Mapping[str, Floats] | None, wanted: Mapping[str, Any]) -> IndexHits:
        query = self._resolve(example, dropped)
        found = self._index.search(query.vectors, **wanted)
        numbers = self._shelf.numbers([hit.id for hit in found])
        hits = [_marked(hit, number, query) for hit, number in zip(found, numbers, strict=True)]
        return IndexHits(hits, title=query.words)

    def _compare(
        self, example: Example, dropped: Mapping[str, Floats] | None, number: int, views: Sequence[str]
    ) -> dict[str, list[float]]:
        query = self._resolve(example, dropped)
        vectors = self._index.store.get(number)
        cosines = np.mean([vectors.windows[view] @ query.vectors[view] for view in views], axis=0)
        return {"start": vectors.starts.tolist(), "end": vectors.ends.tolist(), "cosine": cosines.tolist()}

    def _resolve(self, example: Example, dropped: Mapping[str, Floats] | None) -> Query:
        """Return the vectors of what is searched for, and which videos are the same file.

        Raises:
            UserError: a video that is not there or has no vectors.
        """
        between = f" [{example.start or 0:g} s to {'the end' if example.end is None else f'{example.end:g} s'}]"
        words = "" if example.start is None and example.end is None else between
        if example.upload is not None:
            upload = self._uploads.find(example.upload)
            name, same = upload.name, self._shelf.copies(upload.size, upload.content)
            if dropped is None and not same:
                raise UserError("the index has changed meanwhile; search again")
        else:
            assert example.video is not None
            row = self._shelf.video(example.video)
            if row.facts.status != "ready":
                raise UserError(f"{row.facts.id} is in the index without vectors: {row.facts.reason}")
            name, same = row.facts.id, [row, *self._shelf.copies(row.facts.size, row.facts.content)]
        vectors = dropped or stored_vectors(same[0], example.start, example.end, self._index.store)
        own = frozenset(one.number for one in same)
        return Query(f"{name}{words}", vectors, own, example.start, example.end)
