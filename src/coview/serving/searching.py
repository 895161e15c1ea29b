"""Searches of the page: by a video of the index, some seconds of one, or a file that was dropped; answers are kept."""

import dataclasses
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from coview.collection.hits import IndexHit, IndexHits
from coview.collection.index import Index
from coview.collection.queries import Query, check_segment, copies, stored_vectors
from coview.collection.store import Candidate
from coview.errors import UserError
from coview.serving.shelf import Shelf
from coview.serving.uploads import Uploads

_KEPT_ANSWERS = 512


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
    """Searches one after the other: each uses all that the machine has."""

    def __init__(self, index: Index, shelf: Shelf, uploads: Uploads) -> None:
        self._index, self._shelf, self._uploads = index, shelf, uploads
        self._lock = threading.Lock()
        self._answers: OrderedDict[str, IndexHits] = OrderedDict()

    def search(
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
        with self._lock:
            if key in self._answers:
                self._answers.move_to_end(key)
                return self._answers[key]
        query = self._resolve(example)  # may wait for a file to be embedded
        with self._lock:
            found = self._index.search(
                query.vectors,
                top=top,
                view=tuple(views) or None,
                where=where,
                moments=moments,
                per_video=per_video,
            )
            numbers = self._shelf.numbers([hit.id for hit in found])
            hits = [_marked(hit, number, query) for hit, number in zip(found, numbers, strict=True)]
            self._answers[key] = answer = IndexHits(hits, title=query.words)
            if len(self._answers) > _KEPT_ANSWERS:
                self._answers.popitem(last=False)
        return answer

    def _resolve(self, example: Example) -> Query:
        """Return the vectors of what is searched for, and which videos are the same file.

        Raises:
            UserError: neither or both of a video and an upload, or one that is not there or has no vectors.
        """
        check_segment(example.start, example.end)
        if (example.video is None) == (example.upload is None):
            raise UserError("name what to search for: the number of a video, or the token of an upload")
        between = f" [{example.start or 0:g} s to {'the end' if example.end is None else f'{example.end:g} s'}]"
        words = "" if example.start is None and example.end is None else between
        store = self._index.store
        if example.upload is not None:
            upload = self._uploads.find(example.upload)
            same = copies(store, upload.size, upload.content)
            if same:
                vectors = stored_vectors(same[0], example.start, example.end, store)
            else:
                vectors = self._uploads.embed(upload, example.start, example.end)
            own = frozenset(row.number for row in same)
            return Query(f"{upload.name}{words}", vectors, own, example.start, example.end)
        assert example.video is not None
        row = self._shelf.video(example.video)
        if row.facts.status != "ready":
            raise UserError(f"{row.facts.id} is in the index without vectors: {row.facts.reason}")
        vectors = stored_vectors(row, example.start, example.end, store)
        own = frozenset([row.number, *(one.number for one in copies(store, row.facts.size, row.facts.content))])
        return Query(f"{row.facts.id}{words}", vectors, own, example.start, example.end)

    def heat(self, example: Example, number: int, *, views: Sequence[str]) -> dict[str, list[float]]:
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
        query = self._resolve(example)
        vectors = self._index.store.get(row.number)
        cosines = np.mean([vectors.windows[view] @ query.vectors[view] for view in chosen], axis=0)
        return {"start": vectors.starts.tolist(), "end": vectors.ends.tolist(), "cosine": cosines.tolist()}
