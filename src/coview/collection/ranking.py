"""Numbers of a search: cosines of several views in one, the best of each video, the best of all."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from coview.collection.store import Floats


def mean_of_views(by_view: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return the mean over views (n,)."""
    parts = list(by_view.values())
    total = parts[0].copy()
    for part in parts[1:]:
        total += part
    return np.asarray(total / np.float32(len(parts)), dtype=np.float32)


def best_of_each(
    values: NDArray[np.float32], firsts: NDArray[np.int64], places: NDArray[np.int64] | None
) -> NDArray[np.float32]:
    """Return the largest value among the windows of each video (V,), -inf where none was looked at.

    Args:
        values: of every window, or of those at `places`, ascending.
        firsts: (V,) first window of each video.
        places: windows that were looked at; None: all.
    """
    if places is None:
        return np.asarray(np.maximum.reduceat(values, firsts), dtype=np.float32)
    best = np.full(len(firsts), -np.inf, np.float32)
    owners, begins = np.unique(np.searchsorted(firsts, places, side="right") - 1, return_index=True)
    if len(owners):
        best[owners] = np.maximum.reduceat(values, begins)
    return best


def join_parts(parts: Sequence[Floats]) -> Floats:
    """Put unit vectors side by side, along the last axis, as one unit vector: its cosine is the mean of theirs."""
    return np.asarray(np.concatenate(parts, axis=-1) / np.float32(np.sqrt(len(parts))), dtype=np.float32)


def join_rows(files: Sequence[NDArray[np.float16]], places: NDArray[np.int64]) -> Floats:
    """Return some windows of several views, the views side by side."""
    return join_parts([np.asarray(rows[places], dtype=np.float32) for rows in files])


def best_places(values: NDArray[np.float32], top: int) -> list[int]:
    """Return the places of the `top` largest values, best first, equal ones by place; none that is -inf."""
    candidates = np.flatnonzero(values > -np.inf)
    if len(candidates) > top:
        bound = np.partition(values[candidates], -top)[-top]
        candidates = candidates[values[candidates] >= bound]
    order = np.lexsort((candidates, -values[candidates]))[:top]
    return [int(place) for place in candidates[order]]
