"""A head on a million windows: 16-bit rows from the disk, block by block, never all of them in memory."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coview.collection.heads.head import Head
from coview.collection.heads.training_set import join_views
from coview.collection.store import Floats

_BLOCK_ROWS = 16_384
_FEW_NUMBERS = 2**23
"""Up to this many numbers NumPy is done before the compiler is imported."""


def score_blocks(head: Head, rows: Mapping[str, NDArray[np.float16]]) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield (first row, probabilities (n, C)) of blocks of rows.

    Args:
        head: the head.
        rows: view name -> (N, D) float16, mapped or not.
    """
    count = len(rows[head.views[0]])
    for start in range(0, count, _BLOCK_ROWS):
        wide = {
            view: widen(rows[view][start : start + _BLOCK_ROWS], is_large=count > 2 * _BLOCK_ROWS)
            for view in head.views
        }
        yield start, head.of_features(join_views(wide, head.views, combine=head.combine))


def widen(rows: NDArray[np.float16], *, is_large: bool) -> Floats:
    """Return rows as 32-bit numbers; compiled where there are many."""
    if is_large:
        from coview.collection.half_product import is_fast_here, widen_rows

        if is_fast_here():
            out = np.empty(rows.shape, dtype=np.float32)
            widen_rows(np.ascontiguousarray(rows).view(np.uint16), out)
            return out
    return np.asarray(rows, dtype=np.float32)


def gather_rows(
    rows: Mapping[str, NDArray[Any]], places: Sequence[int] | NDArray[np.int64], *, views: Sequence[str], combine: str
) -> Floats:
    """Return the joined features (n, D) of some rows."""
    return join_views(
        {view: np.asarray(rows[view][places], dtype=np.float32) for view in views}, views, combine=combine
    )
