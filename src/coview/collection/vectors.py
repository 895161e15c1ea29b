"""Vectors in a file: float16 rows, appended and never changed, read by mapping the file into memory."""

import functools
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
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
        self._rows: NDArray[np.float16] | None = None  # a plain array: parts of a memmap are slow to take

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
        rows = self._rows  # another thread may map another number of them meanwhile
        if rows is None or len(rows) != count:
            if count == 0:
                return np.empty((0, self.size), np.float16)
            found = self.path.stat().st_size if self.path.is_file() else 0
            if found < self._bytes(count):
                raise self._too_short(found, count)
            rows = self._rows = np.asarray(np.memmap(self.path, dtype="<f2", mode="r", shape=(count, self.size)))
        return rows

    def some(self, first: int, count: int) -> NDArray[np.float16]:
        """Return rows (count, D) from `first` on, mapped.

        Raises:
            UserError: the file is gone or too short.
        """
        held = self._rows
        if held is None or len(held) < first + count:
            held = self.rows(first + count)
        return held[first : first + count]

    def _bytes(self, count: int) -> int:
        return 2 * self.size * count

    def _too_short(self, found: int, count: int) -> UserError:
        return UserError(
            f"{self.path} is {'cut off' if found else 'gone'}: {found:,} bytes, but {count:,} vectors of {self.size} "
            f"numbers take {self._bytes(count):,}. Bring it back from a copy, or embed again what was lost: "
            "coview index RUN SOURCE INDEX --verify"
        )


@dataclass(frozen=True)
class Product:
    """What one search asks of many rows: the dot product of the chosen ones with its query.

    Attributes:
        rows: (n, D).
        query: (D,).
        chosen: (n,).
    """

    rows: NDArray[np.float16]
    query: NDArray[np.float32]
    chosen: NDArray[np.bool_]


def cosines(products: Sequence[Product]) -> list[NDArray[np.float32]]:
    """Return each product (n,) float32, -inf for rows that are not chosen.

    Those over the same rows are done together, for rows come from memory once; what comes of each is the same, to the
    bit, as if it had been alone.
    """
    together: dict[int, list[int]] = {}
    for place, one in enumerate(products):
        together.setdefault(id(one.rows), []).append(place)
    found: dict[int, NDArray[np.float32]] = {}
    for places in together.values():
        found.update(zip(places, _over_same_rows([products[place] for place in places]), strict=True))
    return [found[place] for place in range(len(products))]


def _over_same_rows(products: Sequence[Product]) -> NDArray[np.float32]:
    """Return (Q, n)."""
    rows = products[0].rows
    found = np.full((len(products), len(rows)), -np.inf, dtype=np.float32)
    if rows.size > _FEW_NUMBERS:
        from coview.collection.half_product import half_products, is_fast_here

        if is_fast_here():
            bits = np.asarray(rows).view(np.uint16)
            chosen = np.stack([one.chosen for one in products])  # (Q, n)
            queries = np.stack([one.query for one in products])  # (Q, D)

            def multiply(start: int) -> None:
                part = slice(start, start + _BLOCK_ROWS)
                half_products(bits[part], chosen[:, part], queries, found[:, part])

            _each(multiply, range(0, len(rows), _BLOCK_ROWS))
            return _without_nan(found)
    for one, values in zip(products, found, strict=True):
        for start in range(0, len(rows), _BLOCK_ROWS):
            places = start + np.flatnonzero(one.chosen[start : start + _BLOCK_ROWS])
            if len(places):
                values[places] = np.asarray(rows[places]).astype(np.float32) @ one.query
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
    list(_threads().map(multiply, starts))


@functools.cache
def _threads() -> ThreadPoolExecutor:
    """Return threads that wait for the next search: to start some takes longer than many a product."""
    return ThreadPoolExecutor(min(4, _usable_cores()), thread_name_prefix="products")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_threads.cache_clear)  # threads stay behind in the parent


def _without_nan(found: NDArray[np.float32]) -> NDArray[np.float32]:
    """Put rows that are no numbers (damaged ones) first, so that the check of what was found names them."""
    found[np.isnan(found)] = np.inf
    return found


def _usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
