"""What a user searches for -> vectors: a file, some seconds of one, a video or moment of the index, or numbers."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from coview.collection.file_identity import file_stamp, stored_path
from coview.collection.hits import IndexHit
from coview.collection.store import Candidate, Floats, Store, VideoRow, VideoVectors, mean_vector
from coview.errors import UserError
from coview.files import as_path
from coview.registry import did_you_mean
from coview.wording import counted

Embed = Callable[[Path, float | None, float | None], Mapping[str, Floats]]
"""(video file, start, end in seconds) -> view name -> (D,) unit vector."""


@dataclass(frozen=True)
class Query:
    """What is searched for.

    Attributes:
        words: for messages.
        vectors: view name -> (D,) unit vector.
        own: numbers of the videos that are the query's own file, or copies of it.
        start: the segment's, in seconds; None: from the beginning.
        end: None: to the end.
    """

    words: str
    vectors: Mapping[str, Floats]
    own: frozenset[int] = frozenset()
    start: float | None = None
    end: float | None = None

    def is_in(self, found: Candidate) -> bool:
        """Say whether a hit is the query itself, or reaches into its segment."""
        if found.number not in self.own or found.start_seconds is None or found.end_seconds is None:
            return found.number in self.own
        begins_before = self.end is None or found.start_seconds < self.end
        return begins_before and (self.start is None or found.end_seconds > self.start)


def resolve_query(
    query: object,
    start: float | None,
    end: float | None,
    *,
    views: Sequence[str],
    store: Store,
    folder: Path,
    embed: Embed,
) -> Query:
    """Find the vectors of a query; only a file that the index does not hold is embedded.

    Args:
        query: see `Index.search`.
        start: the segment's, in seconds.
        end: of the segment.
        views: those that are searched by.
        store: of the index.
        folder: of the index.
        embed: embeds a file.

    Raises:
        TypeError: the query is nothing of what is expected.
        UserError: no such file or video, or a segment or vectors that do not fit.
    """
    if isinstance(query, IndexHit):
        if start is None and end is None:
            start, end = query.start_seconds, query.end_seconds
        query = query.id
    check_segment(start, end)
    if isinstance(query, Mapping):
        if start is not None or end is not None:
            raise UserError("start and end are about a video; leave them out where the query is vectors")
        return Query("given vectors", _given_vectors(query, views, store))
    path = as_path(query, name="query", what="a video file, the id of a video, a hit, or vectors by view")
    until = "the end" if end is None else f"{end:g} s"
    segment = "" if start is None and end is None else f" [{start or 0:g} s to {until}]"
    if path.is_file():
        try:
            size, _, content = file_stamp(path)
        except OSError as error:
            raise UserError(f"cannot read {path}: {error.strerror}") from error
        own = copies(store, size, content)
        here = store.rows(path=stored_path(path, folder))
        vectors = stored_vectors(own[0], start, end, store) if own else embed(path, start, end)
        return Query(f"{path}{segment}", vectors, _numbers([*own, *here]), start, end)
    rows = store.rows(id=str(query)) or store.rows(path=stored_path(path, folder))
    if not rows:
        raise unknown_video(str(query), store, folder)
    facts = rows[0].facts
    if facts.status != "ready":
        raise UserError(f"{facts.id} is in the index without vectors: {facts.reason}")
    vectors = stored_vectors(rows[0], start, end, store)
    own = copies(store, facts.size, facts.content)
    return Query(f"{facts.id}{segment}", vectors, _numbers([rows[0], *own]), start, end)


def find_videos(names: Sequence[str], store: Store, folder: Path) -> set[int]:
    """Return the numbers of videos that are named by id or path.

    Raises:
        UserError: one of them is not in the index.
    """
    by_id = {row.facts.id: row.number for row in store.rows(id=names)}
    others = {stored_path(name, folder): name for name in names if name not in by_id}
    by_path = {others[row.facts.path]: row.number for row in store.rows(path=list(others))}
    unknown = [name for name in others.values() if name not in by_path]
    if unknown:
        raise unknown_video(unknown[0], store, folder)
    return {*by_id.values(), *by_path.values()}


def choose_views(view: str | Sequence[str] | None, views: Sequence[str], folder: Path) -> tuple[str, ...]:
    """Return the views that a user asked for, all where none is named.

    Raises:
        UserError: the index of that folder does not have one of them, or an empty list was given.
    """
    chosen = tuple(views) if view is None else (view,) if isinstance(view, str) else tuple(view)
    for one in chosen:
        if one not in views:
            raise UserError(f"{folder} has no view {one!r}{did_you_mean(one, views) or '.'} It has: {', '.join(views)}")
    if not chosen:
        raise UserError(f"no view given to search by; {folder} has: {', '.join(views)}")
    return chosen


def unknown_video(name: str, store: Store, folder: Path) -> UserError:
    """Return the error that names what an index does not hold."""
    ids = [row.facts.id for row in store.rows(status="ready")]
    hint = did_you_mean(name, ids) or "."
    return UserError(f"{name!r} is neither a file nor one of the {counted(len(ids), 'video')} of {folder}{hint}")


def check_segment(start: float | None, end: float | None) -> None:
    """Raise `UserError` for seconds between which nothing can lie."""
    for name, seconds in (("start", start), ("end", end)):
        if seconds is not None and not (math.isfinite(seconds) and seconds >= 0):
            raise UserError(f"{name} is {seconds:g}, expected seconds from the beginning of the video, 0 or more")
    if end is not None and end <= (start or 0.0):
        raise UserError(f"end is {end:g} s and start {start or 0.0:g} s; the end must come after the start")


def copies(store: Store, size: int, content: str) -> list[VideoRow]:
    """Return the ready videos whose file holds the same."""
    rows = store.rows(status="ready", content=content) if content else []
    return [row for row in rows if row.facts.size == size]


def _numbers(rows: Sequence[VideoRow]) -> frozenset[int]:
    return frozenset(row.number for row in rows)


def stored_vectors(row: VideoRow, start: float | None, end: float | None, store: Store) -> Mapping[str, Floats]:
    """Return view name -> (D,) unit vector of a ready video, or of some seconds of it.

    Raises:
        UserError: the segment begins after the end, or vectors are damaged.
    """
    vectors = store.get(row.number)
    if start is None and end is None:
        return vectors.whole
    last = float(vectors.ends.max())
    if start is not None and start >= last:
        raise UserError(f"{row.facts.id} ends at {last:.2f} s, and start is {start:g} s; choose an earlier one")
    chosen = _windows_of(vectors, start or 0.0, last if end is None else end)
    return {view: mean_vector(rows[chosen]) for view, rows in vectors.windows.items()}


def _windows_of(vectors: VideoVectors, start: float, end: float) -> Any:
    """Return which windows (W,) stand for a segment: those with their middle in it, else the one nearest to its own."""
    middles = (vectors.starts + vectors.ends) / 2
    inside = (middles >= start) & (middles <= end)
    if not inside.any():
        inside[np.abs(middles - (start + end) / 2).argmin()] = True
    return inside


def _given_vectors(query: Mapping[Any, Any], views: Sequence[str], store: Store) -> Mapping[str, Floats]:
    found = {}
    for view in views:
        if view not in query:
            have = ", ".join(map(str, query)) or "none"
            raise UserError(f"the query has no vector of {view}, only of: {have}; choose what to search by with view=")
        try:
            vector = np.asarray(query[view], dtype=np.float32).reshape(-1)
        except (TypeError, ValueError) as error:
            raise UserError(f"the query's {view} is no vector: {error}") from error
        if len(vector) != store.views[view]:
            raise UserError(f"the query has {len(vector)} numbers of {view}, expected {store.views[view]}")
        length = float(np.linalg.norm(vector))
        if not math.isfinite(length) or length == 0:
            raise UserError(f"the query's vector of {view} has length {length}; expected finite numbers, not all 0")
        found[view] = vector / np.float32(length)
    return found
