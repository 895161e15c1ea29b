"""Vectors in a file: float16 rows, appended and never changed, read by mapping the file into memory."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coview.errors import UserError

_BLOCK_ROWS = 16_384
_FEW_NUMBERS = 2**23
"""Up to this many numbers NumPy is done before the compiler is imported."""
_FIRST_NUMBERS = 2**26
"""A process that looks into cells for the first time has its answer sooner without the compiler, too."""
_first_numbers_left = [_FIRST_NUMBERS]
_FEW_GATHERED = 2**25
"""The same of gathered rows, as long as nothing else has asked for the compiler: a single search in cells."""


class VectorFile:
    """Unit rows (n, D) float16, little-endian, one after the other without a header.

    How many of them count is known elsewhere (in the catalogue): bytes beyond that were left by a process that died
    while it was appending.
    """

    def __init__(self, path: Path, size: int) -> None:
        self.path, self.size = path, size
        self._rows: NDArray[np.float16] | None = None

    def append(self, rows: Sequence[NDArray[np.float32]], *, count: int) -> None:
        """Write rows behind the first `count` and wait until they are on the disk; whatever stood there is dropped."""
        joined = np.concatenate(rows).astype("<f2")  # (n, D)
        with self.path.open("r+b" if self.path.exists() else "w+b") as file:
            file.truncate(self._bytes(count))
            file.seek(0, os.SEEK_END)
            file.write(joined.tobytes())
            file.flush()
            os.fsync(file.fileno())

    def fit(self, count: int, *, mend: bool) -> None:
        """Cut off what lies behind `count` rows.

        Args:
            count: how many rows there must be.
            mend: put zeros where rows are lost, for the checksums to find them, in place of an error.

        Raises:
            UserError: rows are lost.
        """
        found = self.path.stat().st_size if self.path.is_file() else 0
        if found < self._bytes(count):
            if not mend:
                raise self._too_short(found, count)
            self.path.touch()
        if found != self._bytes(count):
            os.truncate(self.path, self._bytes(count))

    def rows(self, count: int) -> NDArray[np.float16]:
        """Return the first `count` rows (count, D), mapped.

        Raises:
            UserError: the file is gone or too short.
        """
        if self._rows is None or len(self._rows) != count:
            if count == 0:
                return np.empty((0, self.size), np.float16)
            found = self.path.stat().st_size if self.path.is_file() else 0
            if found < self._bytes(count):
                raise self._too_short(found, count)
            self._rows = np.memmap(self.path, dtype="<f2", mode="r", shape=(count, self.size))
        return self._rows

    def some(self, first: int, count: int) -> NDArray[np.float16]:
        """Return rows (count, D) from `first` on, mapped.

        Raises:
            UserError: the file is gone or too short.
        """
        held = self._rows if self._rows is not None and len(self._rows) >= first + count else self.rows(first + count)
        return held[first : first + count]

    def _bytes(self, count: int) -> int:
        return 2 * self.size * count

    def _too_short(self, found: int, count: int) -> UserError:
        return UserError(
            f"{self.path} is {'cut off' if found else 'gone'}: {found:,} bytes, but {count:,} vectors of {self.size} "
            f"numbers take {self._bytes(count):,}. Bring it back from a copy, or embed again what was lost: "
            "coview index RUN SOURCE INDEX --verify"
        )


def cosines(rows: NDArray[np.float16], query: NDArray[np.float32], chosen: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the dot product of chosen rows with a query, -inf for the others, block by block.

    Args:
        rows: (n, D).
        query: (D,).
        chosen: (n,).

    Returns:
        (n,) float32.
    """
    found = np.full(len(rows), -np.inf, dtype=np.float32)
    starts = range(0, len(rows), _BLOCK_ROWS)
    if rows.size > _FEW_NUMBERS:
        from coview.collection.half_product import half_product, is_fast_here

        if is_fast_here():
            bits = np.asarray(rows).view(np.uint16)

            def multiply(start: int) -> None:
                stop = start + _BLOCK_ROWS
                half_product(bits[start:stop], chosen[start:stop], query, found[start:stop])

            _each(multiply, starts)
            return _without_nan(found)
    for start in starts:
        places = start + np.flatnonzero(chosen[start : start + _BLOCK_ROWS])
        if len(places):
            found[places] = np.asarray(rows[places]).astype(np.float32) @ query
    return _without_nan(found)


def cosines_at(rows: NDArray[np.float16], query: NDArray[np.float32], places: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the dot product of some rows with a query.

    Args:
        rows: (n, D).
        query: (D,).
        places: (m,) of the rows, each from 0 to n - 1.

    Returns:
        (m,) float32.
    """
    found = np.empty(len(places), dtype=np.float32)
    count = len(places) * rows.shape[1]
    _first_numbers_left[0] -= count
    if count > _FEW_NUMBERS and _first_numbers_left[0] < 0:
        from coview.collection.half_product import gathered_half_product, is_fast_here

        if is_fast_here():
            bits = np.asarray(rows).view(np.uint16)

            def multiply(start: int) -> None:
                stop = start + _BLOCK_ROWS
                gathered_half_product(bits, places[start:stop], query, found[start:stop])

            _each(multiply, range(0, len(places), _BLOCK_ROWS))
            return _without_nan(found)
    for start in range(0, len(places), _BLOCK_ROWS):
        stop = start + _BLOCK_ROWS
        found[start:stop] = np.asarray(rows[places[start:stop]]).astype(np.float32) @ query
    return _without_nan(found)


def _each(multiply: Callable[[int], None], starts: range) -> None:
    """Do the blocks that begin at `starts` on the cores of this machine."""
    with ThreadPoolExecutor(min(4, _usable_cores())) as threads:
        list(threads.map(multiply, starts))


def _without_nan(found: NDArray[np.float32]) -> NDArray[np.float32]:
    """Put rows that are no numbers (damaged ones) first, so that the check of what was found names them."""
    found[np.isnan(found)] = np.inf
    return found


def _usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
