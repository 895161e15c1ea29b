"""Windows sorted into cells of near ones, so that a search among very many opens only the cells nearest to its query.

An inverted file (Sivic and Zisserman 2003; IVF in the words of Faiss, which finds the cells). Its codes are the float16
rows of the index themselves, scalars of 16 bits: what is looked at is ranked exactly, and a million windows take
6 MB more on disk instead of the half gigabyte of codes of 8 bits beside them.

The letters here: N windows in the index, n of them in cells, C cells, D numbers a vector.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from coview.collection.store import Floats
from coview.errors import MissingExtraError

log = logging.getLogger(__name__)

_PASSES = 8
_SAMPLED_A_CELL = 64
_ROWS_AT_ONCE = 16_384
_TOLD_SECONDS = 10.0
WANTED_SHARE, FEWEST_WANTED = 0.03, 20_000
"""How much of what a filter lets through is looked at, by share and at least."""

ReadRows = Callable[[NDArray[np.int64]], Floats]
"""Numbers of windows (n,), ascending -> their vectors (n, D)."""


@dataclass(frozen=True)
class Cells:
    """Windows by cell.

    Attributes:
        centroids: (C, D) float32, the middle of each cell.
        rows: (n,) numbers of windows, cell after cell, ascending in each.
        ends: (C,) where in `rows` each cell ends.
    """

    centroids: Floats
    rows: NDArray[np.uint32]
    ends: NDArray[np.int64]

    def are_whole(self, size: int) -> bool:
        """Say whether every window below n is in one cell, and vectors have `size` numbers."""
        kinds = tuple(part.dtype.name for part in (self.centroids, self.rows, self.ends))
        if kinds != ("float32", "uint32", "int64") or self.rows.ndim != 1 or self.ends.ndim != 1:
            return False
        if self.centroids.shape != (len(self.ends), size) or not len(self.rows) or self.rows.max() >= len(self.rows):
            return False
        counts = np.diff(self.ends, prepend=0)
        is_split = bool((counts >= 0).all()) and self.ends[-1] == len(self.rows)
        return is_split and bool((np.bincount(self.rows, minlength=len(self.rows)) == 1).all())

    def choose(self, query: Floats, chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return windows worth a look, ascending: those that may be looked at in the cells nearest to a query.

        So many cells are opened that enough windows come together: a filter costs no recall, it opens more cells.

        Args:
            query: (D,).
            chosen: (N,) which windows may be looked at; those from n on are in no cell and all returned.
        """
        inside, later = chosen[: len(self.rows)], len(self.rows) + np.flatnonzero(chosen[len(self.rows) :])
        is_all = bool(inside.all())
        allowed = np.flatnonzero(inside[:0] if is_all else inside).astype(np.int64)
        cells_of_allowed = self.cell_of[allowed]
        sizes = np.diff(self.ends, prepend=0)
        counts = sizes if is_all else np.bincount(cells_of_allowed, minlength=len(sizes))
        wanted = max(FEWEST_WANTED, int(WANTED_SHARE * counts.sum()))
        order = np.argsort(-(self.centroids @ query), kind="stable")
        opened = order[: int(np.searchsorted(np.cumsum(counts[order]), wanted)) + 1]
        if is_all:
            found = np.sort(
                np.concatenate([self.rows[self.ends[cell] - sizes[cell] : self.ends[cell]] for cell in opened])
            )
        else:
            is_opened = np.zeros(len(sizes), dtype=bool)
            is_opened[opened] = True
            found = allowed[is_opened[cells_of_allowed]]
        return np.concatenate([found, later])

    @cached_property
    def cell_of(self) -> NDArray[np.uint32]:
        """(n,) the cell of each window."""
        found = np.empty(len(self.rows), np.uint32)
        found[self.rows] = np.repeat(np.arange(len(self.ends), dtype=np.uint32), np.diff(self.ends, prepend=0))
        return found


def build_cells(read: ReadRows, count: int) -> Cells:
    """Sort windows into cells with spherical k-means, from a sample of them.

    Args:
        read: gives vectors of windows.
        count: n.

    Raises:
        MissingExtraError: Faiss is not installed.
    """
    try:
        import faiss
    except ImportError:
        raise MissingExtraError("an approximate index", package="faiss-cpu", extra="ann") from None
    num_cells = max(1, 2 ** round(np.log2(max(count, 1)) / 2))  # about as many as windows in each
    pace = _Pace(_PASSES + 4, what=f"sorting {count:,} windows into {num_cells:,} cells")
    generator = np.random.default_rng(0)
    sample = read(np.sort(generator.choice(count, min(count, _SAMPLED_A_CELL * num_cells), replace=False)))
    size = sample.shape[1]
    centroids = None
    for number in range(_PASSES):  # one by one, so that an interrupt is heard
        means = faiss.Kmeans(size, num_cells, niter=1, seed=1 + number, spherical=True, min_points_per_centroid=1)
        means.train(sample, init_centroids=centroids)
        centroids = np.array(means.centroids, dtype=np.float32)  # (C, D)
        pace.tell(number + 1)
    assert centroids is not None
    nearest = faiss.IndexFlatIP(size)
    nearest.add(centroids)
    cell_of = np.empty(count, np.int64)
    for first in range(0, count, _ROWS_AT_ONCE):
        stop = min(first + _ROWS_AT_ONCE, count)
        cell_of[first:stop] = np.maximum(nearest.search(read(np.arange(first, stop)), 1)[1][:, 0], 0)  # -1: no numbers
        pace.tell(_PASSES + 4 * stop / count)
    rows = np.argsort(cell_of, kind="stable").astype(np.uint32)
    return Cells(centroids, rows, np.cumsum(np.bincount(cell_of, minlength=num_cells)))


class _Pace:
    """Says in the log now and then how far long work is."""

    def __init__(self, total: float, *, what: str) -> None:
        self._total, self._what = total, what
        self._started = self._told = time.monotonic()

    def tell(self, done: float) -> None:
        now = time.monotonic()
        if now - self._told >= _TOLD_SECONDS:
            self._told = now
            left = (now - self._started) / done * (self._total - done)
            log.info("%s: %.0f%%, %.0f s left", self._what, 100 * done / self._total, left)
