"""A store whose vectors lie in Milvus, where one machine is outgrown; the only file that imports pymilvus.

The table of videos, windows and labels stays SQLite in the folder of the index. Where Milvus is, the environment says:
COVIEW_MILVUS (such as http://host:19530) and COVIEW_MILVUS_TOKEN; where it says nothing, milvus-lite keeps files in
the folder. The folder itself never names a server: a stranger's index would choose whom this machine talks to.
"""

import contextlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from coview.collection.catalogue_store import CatalogueStore, Part
from coview.collection.filters import Filter
from coview.collection.moments import find_moments
from coview.collection.ranking import mean_of_views
from coview.collection.store import Candidate, Floats, VideoTable, VideoVectors
from coview.errors import MissingExtraError, UserError

ADDRESS, TOKEN = "COVIEW_MILVUS", "COVIEW_MILVUS_TOKEN"
LITE = "milvus.db"
_AT_ONCE = 1000
"""Rows in one message."""
_PATIENCE_SECONDS = 60.0
_MOST_FOUND = 1000
_LOOKED_AT_MORE = 4
"""So many times as many videos as were asked for are taken from each view, before views are put together."""


class MilvusStore(CatalogueStore):
    """See `coview.collection.store.Store`.

    A search asks Milvus for the videos with the nearest windows by each view, and ranks them by all their windows and
    the mean over views; by one view it is as exact as the index that Milvus keeps.

    Raises:
        UserError: Milvus does not answer, or the table is damaged.
        MissingExtraError: pymilvus is not installed.
    """

    def __init__(
        self, folder: Path, views: Mapping[str, int], *, identity: Mapping[str, str], create: bool = False
    ) -> None:
        super().__init__(folder, views, identity=identity, create=create)
        self._name = "coview_" + re.sub(r"\W", "_", identity["index"])
        self._milvus = _connect(folder)
        for view, size in views.items() if create else ():
            for part in ("windows", "videos"):
                self._create(self._collection(view, part), size)

    def close(self) -> None:
        """Close the table and the connection."""
        super().close()
        self._milvus.close()

    def _collection(self, view: str, part: str) -> str:
        return "_".join((self._name, re.sub(r"\W", "_", view), part))

    def _create(self, name: str, size: int) -> None:
        from pymilvus import DataType

        if self._milvus.has_collection(name):
            self._milvus.drop_collection(name)
        schema = self._milvus.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("row", DataType.INT64, is_primary=True)
        schema.add_field("video", DataType.INT64)
        schema.add_field("start_seconds", DataType.DOUBLE)
        schema.add_field("end_seconds", DataType.DOUBLE)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=size)  # milvus-lite knows no 16-bit numbers
        index = self._milvus.prepare_index_params()
        index.add_index("vector", index_type="AUTOINDEX", metric_type="IP")
        self._milvus.create_collection(name, schema=schema, index_params=index, consistency_level="Strong")

    def place(self, view: str, part: Part) -> str:
        """Return the collection's name."""
        return f"the collection {self._collection(view, part)} of Milvus"

    def fit(self, view: str, part: Part, count: int, *, mend: bool) -> None:
        """Drop rows that a process left which died before they were confirmed; lost ones are found by checksum."""
        with _told():
            self._milvus.delete(self._collection(view, part), filter=f"row >= {count}")

    def append(self, view: str, videos: Sequence[VideoVectors], *, windows: int, rows: int) -> None:
        """Insert vectors; they are there when Milvus says so."""
        of_windows: list[dict[str, Any]] = []
        of_videos: list[dict[str, Any]] = []
        for row, video in enumerate(videos, start=rows):
            of_videos.append(_entity(row, row, video.whole[view], float(video.starts[0]), float(video.ends.max())))
            for vector, start, end in zip(video.windows[view], video.starts, video.ends, strict=True):
                of_windows.append(_entity(windows + len(of_windows), row, vector, float(start), float(end)))
        with _told():
            for part, entities in (("windows", of_windows), ("videos", of_videos)):
                name = self._collection(view, part)
                for first in range(0, len(entities), _AT_ONCE):
                    self._milvus.upsert(name, entities[first : first + _AT_ONCE])
                self._milvus.flush(name)

    def read(self, view: str, part: Part, first: int, count: int) -> NDArray[np.float16]:
        """Return rows from `first` on; zeros stand for lost ones, for the checksums to find."""
        return self._rows_at(view, part, np.arange(first, first + count))

    def _rows_at(self, view: str, part: Part, places: NDArray[np.int64]) -> NDArray[np.float16]:
        """Return rows (n, D) at ascending places."""
        found = np.zeros((len(places), self.views[view]), np.float16)
        with _told():
            for at in range(0, len(places), _AT_ONCE):
                some = places[at : at + _AT_ONCE]
                is_run = int(some[-1]) - int(some[0]) == len(some) - 1
                condition = f"row >= {some[0]} and row <= {some[-1]}" if is_run else f"row in {some.tolist()}"
                given = {"filter": condition, "output_fields": ["row", "vector"], "limit": len(some)}
                for one in self._milvus.query(self._collection(view, part), **given):
                    found[at + int(np.searchsorted(some, one["row"]))] = one["vector"]
        return found

    def sort(self) -> None:
        """Do nothing: Milvus keeps an index of its own."""

    def table(self, part: Part, where: Filter) -> VideoTable:
        """Return the vectors of many videos; see `Store.table`."""
        places = self.catalogue.places()
        places = places[np.isin(places[:, 0], self.catalogue.select(where))]  # (V, 4)
        if part == "videos":
            wanted, counts = places[:, 0], np.ones(len(places), np.int64)
        else:
            counts = places[:, 3]
            wanted = np.concatenate([np.arange(first, first + count) for _, _, first, count in places] or [counts])
        return VideoTable(places[:, 1], counts, {view: self._rows_at(view, part, wanted) for view in self.views})

    def search(
        self,
        query: Mapping[str, Floats],
        *,
        top: int,
        kind: Literal["moments", "videos"],
        where: Filter,
        per_video: int,
    ) -> list[Candidate]:
        """Find what is most like a query; see `Store.search`."""
        if kind == "videos" and where.time is not None:
            raise UserError("a filter by time is about moments; leave it out, or search for moments")
        places = self.catalogue.places()
        selected = self.catalogue.select(where)
        if not len(selected):
            return []
        part: Part = "windows" if kind == "moments" else "videos"
        condition = _condition(selected, len(places), where)
        most = min(_MOST_FOUND, top if len(query) == 1 else _LOOKED_AT_MORE * top)
        rows = {row for view, vector in query.items() for row in self._nearest(view, part, vector, most, condition)}
        found: list[Candidate] = []
        for place in places[sorted(rows & set(selected.tolist()))]:
            found += self._candidates(place, query, part, where, per_video)
        return sorted(found, key=lambda one: (-one.cosine, one.number))[:top]

    def _nearest(self, view: str, part: Part, vector: Floats, most: int, condition: str) -> set[int]:
        """Return the rows of the videos whose windows, or which as a whole, are nearest to a vector."""
        name, grouped = self._collection(view, part), {"group_by_field": "video"} if part == "windows" else {}
        with _told():
            given = {"anns_field": "vector", "limit": most, "filter": condition, "output_fields": ["video"], **grouped}
            (hits,) = self._milvus.search(name, [vector.astype(np.float32)], **given)
        return {int(hit["entity"]["video"]) for hit in hits}

    def _candidates(
        self, place: NDArray[np.int64], query: Mapping[str, Floats], part: Part, where: Filter, per_video: int
    ) -> Iterator[Candidate]:
        """Yield a video, or its moments, ranked by the vectors themselves, which are checked."""
        number = int(place[1])
        rows = self.check([number])[number]
        by_view = {view: rows[view, part].astype(np.float32) @ vector for view, vector in query.items()}
        total = mean_of_views(by_view)
        if part == "videos":
            yield Candidate(number, float(total[0]), {view: float(values[0]) for view, values in by_view.items()})
            return
        (times,) = self.catalogue.times_of([number])
        if where.time is not None:
            total[(times[:, 1] <= where.time.low) | (times[:, 0] >= where.time.high)] = -np.inf
        for window, start, end in find_moments(total, times[:, 0], times[:, 1], most=per_video):
            cosines = {view: float(values[window]) for view, values in by_view.items()}
            yield Candidate(number, float(total[window]), cosines, start, end)


def _connect(folder: Path) -> Any:
    try:
        from pymilvus import MilvusClient
    except ImportError:
        raise MissingExtraError("an index in Milvus", package="pymilvus", extra="milvus") from None
    address, token = os.environ.get(ADDRESS) or str(folder / LITE), os.environ.get(TOKEN, "")
    with _told():
        return MilvusClient(address, token=token, timeout=_PATIENCE_SECONDS)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Say what Milvus complains of in words for the user."""
    from pymilvus import MilvusException

    try:
        yield
    except MilvusException as error:
        where = os.environ.get(ADDRESS) or "milvus-lite"
        raise UserError(f"Milvus ({where}) refuses: {error.message or error}; see to it, or to {ADDRESS}") from error


def _entity(row: int, video: int, vector: Floats, start: float, end: float) -> dict[str, Any]:
    stored = vector.astype(np.float16).astype(np.float32)
    return {"row": row, "video": video, "start_seconds": start, "end_seconds": end, "vector": stored}


def _condition(selected: NDArray[np.int64], videos: int, where: Filter) -> str:
    """Return the filter in words for Milvus: never rows that are not confirmed."""
    parts = [f"video < {videos}"]
    if len(selected) < videos:
        others = np.setdiff1d(np.arange(videos), selected)
        parts.append(
            f"video in {selected.tolist()}" if len(selected) <= len(others) else f"video not in {others.tolist()}"
        )
    if where.time is not None:
        parts += [f"end_seconds > {where.time.low}"] if np.isfinite(where.time.low) else []
        parts += [f"start_seconds < {where.time.high}"] if np.isfinite(where.time.high) else []
    return " and ".join(parts)
