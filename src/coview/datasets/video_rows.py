"""Rows of a manifest that are made when they are asked for: a million videos at the price of the columns in use.

Small manifests are tuples of `VideoEntry`. The functions here take either, so that nobody else has to tell them apart.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from coview.datasets.manifest import CHECKSUM_PREFIX, COUNT_PREFIX, SPLIT_PREFIX, as_table, entries_of, values_of
from coview.datatypes import VideoEntry
from coview.wording import counted

_AT_ONCE = 4096
"""Rows that are made together where many are asked for in turn."""
_PREFIXES = {"splits": SPLIT_PREFIX, "counts": COUNT_PREFIX, "checksums": CHECKSUM_PREFIX}


class VideoRows(Sequence[VideoEntry]):
    """Some rows of a table of videos, in order.

    Args:
        table: columns as the manifest has them; texts may be dictionary-encoded.
        places: (n,) int64, the rows of the table that these are; not given: all of them.
        source: makes the table again where these rows are sent to another process; not given: it is sent, too.
    """

    def __init__(
        self, table: Any, places: NDArray[np.int64] | None = None, *, source: Callable[[], "VideoRows"] | None = None
    ) -> None:
        self.table = table
        self._places = places
        self._source = source

    @classmethod
    def of(cls, entries: Sequence[VideoEntry], fields: Sequence[str] = ()) -> "VideoRows":
        """Return rows of their own for videos, with the fields named; those that are rows already stay as they are."""
        if isinstance(entries, VideoRows):
            return entries
        table, begins = as_table(entries), tuple(_PREFIXES.get(name, name) for name in fields)
        return cls(table.select([name for name in table.column_names if name.startswith(begins)]) if fields else table)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rows_again, (self.table if self._source is None else None, self._source, self._places)

    def __len__(self) -> int:
        return int(self.table.num_rows if self._places is None else len(self._places))

    @overload
    def __getitem__(self, index: int) -> VideoEntry: ...
    @overload
    def __getitem__(self, index: slice) -> "VideoRows": ...
    def __getitem__(self, index: int | slice) -> "VideoEntry | VideoRows":
        if isinstance(index, slice):
            return self.take(self.places[index])
        place = self._place(index)
        return next(iter(entries_of(self.table.slice(place, 1))))

    def __iter__(self) -> Iterator[VideoEntry]:
        for first in range(0, len(self), _AT_ONCE):
            yield from entries_of(self._part(self.table, first))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(one == two for one, two in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"VideoRows({counted(len(self), 'video')})"

    @cached_property
    def places(self) -> NDArray[np.int64]:
        """(n,) int64, which rows of the table these are."""
        return np.arange(self.table.num_rows) if self._places is None else self._places

    def take(self, places: NDArray[np.int64]) -> "VideoRows":
        """Return other rows of the same table."""
        return VideoRows(self.table, places, source=self._source)

    def value(self, index: int, name: str, key: str = "") -> Any:
        """Return one value of one video, as `column`."""
        column = self._column(name, key)
        return None if column is None else column[self._place(index)].as_py()

    def column(self, name: str, key: str = "") -> Iterator[Any]:
        """Yield a field of every video, such as "label"; with a key what it holds there, such as "splits", "split1"."""
        column = self._column(name, key)
        if column is None or not len(self):
            yield from [None] * len(self)
        elif pa.types.is_dictionary(column.type):
            words = np.array([*column.chunk(0).dictionary.to_pylist(), None], dtype=object)
            codes = np.concatenate([chunk.indices.fill_null(-1).to_numpy() for chunk in column.chunks])
            for first in range(0, len(self), _AT_ONCE):
                yield from words[codes[self.places[first : first + _AT_ONCE]]].tolist()
        else:
            for first in range(0, len(self), _AT_ONCE):
                yield from values_of(self._part(column, first))

    def numbers(self, name: str) -> NDArray[Any]:
        """Return a numeric field of every video, (n,); 0 where it is not known."""
        values: NDArray[Any] = self.table.column(name).fill_null(0).to_numpy()
        return values if self._places is None else values[self._places]

    def equal(self, value: str, name: str, key: str = "") -> NDArray[np.bool_]:
        """Return (n,) whether a field has this value."""
        column = self._column(name, key)
        if column is None:
            return np.zeros(len(self), dtype=bool)
        found: NDArray[np.bool_] = pc.fill_null(pc.equal(column, value), False).to_numpy()
        return found if self._places is None else found[self._places]

    def distinct(self, name: str, key: str = "") -> set[Any]:
        """Return the values that a text field has among these rows, None included."""
        column = self._column(name, key)
        if column is None:
            return {None} if len(self) else set()
        chosen = column if self._places is None else column.take(pa.array(self._places))
        return set(pc.unique(chosen).to_pylist())

    def keys(self, name: str) -> set[str]:
        """Return the keys that "splits", "counts" or "checksums" have in any of these rows."""
        prefix = _PREFIXES[name]
        stored = [one.removeprefix(prefix) for one in self.table.column_names if one.startswith(prefix)]
        return {key for key in stored if self.distinct(name, key) - {None}}

    def find(self, video_id: str) -> int | None:
        """Return where the video with this id stands among these rows."""
        place = pc.index(self.table.column("id"), video_id).as_py()
        if place < 0 or self._places is None:
            return None if place < 0 else place
        found = np.flatnonzero(self._places == place)
        return int(found[0]) if len(found) else None

    def _place(self, index: int) -> int:
        if not -len(self) <= index < len(self):
            raise IndexError(f"row {index} of {len(self)}")
        index = int(index) % len(self)
        return index if self._places is None else int(self._places[index])

    def _column(self, name: str, key: str) -> Any:
        stored = _PREFIXES[name] + key if key else name
        return self.table.column(stored) if not key or stored in self.table.column_names else None

    def _part(self, columns: Any, first: int) -> Any:
        """Return `_AT_ONCE` of these rows from the table or a column of it."""
        if self._places is None:
            return columns.slice(first, _AT_ONCE)
        places = self._places[first : first + _AT_ONCE]
        low, high = int(places.min()), int(places.max())  # neighbours mostly: taking out of few rows is quicker
        return columns.slice(low, high - low + 1).take(pa.array(places - low))


def _rows_again(table: Any, source: Callable[[], VideoRows] | None, places: NDArray[np.int64] | None) -> VideoRows:
    return VideoRows(table if source is None else source().table, places, source=source)


def value_of(entries: Sequence[VideoEntry], index: int, name: str) -> Any:
    """Return one field of one video."""
    return entries.value(index, name) if isinstance(entries, VideoRows) else getattr(entries[index], name)


def column_of(entries: Sequence[VideoEntry], name: str, key: str = "") -> Iterator[Any]:
    """Yield a field of every video; with a key, that of its "splits", "counts" or "checksums", None without one."""
    if isinstance(entries, VideoRows):
        yield from entries.column(name, key)
    else:
        yield from (getattr(entry, name).get(key) if key else getattr(entry, name) for entry in entries)


def distinct_of(entries: Sequence[VideoEntry], name: str, key: str = "") -> set[Any]:
    """Return the values that a text field has among videos, None included."""
    return entries.distinct(name, key) if isinstance(entries, VideoRows) else set(column_of(entries, name, key))


def numbers_of(entries: Sequence[VideoEntry], name: str) -> NDArray[Any]:
    """Return a numeric field of every video, (n,); 0 where it is not known."""
    if isinstance(entries, VideoRows):
        return entries.numbers(name)
    return np.array([getattr(entry, name) or 0 for entry in entries])


def keys_of(entries: Sequence[VideoEntry], name: str) -> set[str]:
    """Return the keys that "splits", "counts" or "checksums" have in any video."""
    return (
        entries.keys(name) if isinstance(entries, VideoRows) else {k for entry in entries for k in getattr(entry, name)}
    )


def select_equal(entries: Sequence[VideoEntry], value: str, name: str, key: str = "") -> Sequence[VideoEntry]:
    """Return the videos in which a field has this value, in their order."""
    if isinstance(entries, VideoRows):
        return entries.take(entries.places[entries.equal(value, name, key)])
    found = zip(entries, column_of(entries, name, key), strict=True)
    return tuple(entry for entry, given in found if given == value)


def select(entries: Sequence[VideoEntry], is_wanted: NDArray[np.bool_]) -> Sequence[VideoEntry]:
    """Return the videos for which (n,) `is_wanted` is true, in their order."""
    if isinstance(entries, VideoRows):
        return entries.take(entries.places[is_wanted])
    return tuple(entry for entry, wanted in zip(entries, is_wanted.tolist(), strict=True) if wanted)
