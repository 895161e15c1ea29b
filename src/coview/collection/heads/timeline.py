"""Probabilities of windows -> a timeline -> segments: smoothed, from a threshold on, none shorter than asked."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coview.errors import UserError

_TOUCH_SECONDS = 1e-3


@dataclass(frozen=True)
class Segment:
    """A stretch of a video that shows a class.

    Attributes:
        start_seconds: where it begins.
        end_seconds: where it ends.
        label: the class.
        probability: mean over its time.
    """

    start_seconds: float
    end_seconds: float
    label: str
    probability: float


@dataclass(frozen=True)
class TimelineSettings:
    """How segments are made.

    Attributes:
        smooth_seconds: probabilities are averaged over so long a stretch around each window; 0: not at all.
        min_seconds: shorter segments are left out.
    """

    smooth_seconds: float = 1.0
    min_seconds: float = 0.5

    def __post_init__(self) -> None:
        for name, seconds in vars(self).items():
            if not 0 <= seconds < math.inf:
                raise UserError(f"{name} is {seconds:g}, expected seconds from 0 on")


def window_cells(starts: NDArray[np.float64], ends: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (W, 2) the seconds that each window stands for: half-way to the middles of its neighbours.

    Windows that do not touch, such as those around a stretch that nobody looked at, keep their own bounds there.

    Args:
        starts: (W,) ascending.
        ends: (W,).
    """
    cells = np.stack([starts, ends], axis=1).astype(np.float64)
    middles = cells.mean(axis=1)
    touches = starts[1:] <= ends[:-1] + _TOUCH_SECONDS
    between = (middles[1:] + middles[:-1]) / 2
    cells[1:, 0] = np.where(touches, between, cells[1:, 0])
    cells[:-1, 1] = np.where(touches, between, cells[:-1, 1])
    return cells


def smooth(probabilities: NDArray[np.float32], cells: NDArray[np.float64], *, seconds: float) -> NDArray[np.float64]:
    """Return (W, C): the mean over all that lies within half of `seconds` of each window's middle, by time.

    Args:
        probabilities: (W, C).
        cells: (W, 2), see `window_cells`; one after the other.
        seconds: length of the stretch.
    """
    values = probabilities.astype(np.float64)
    if seconds <= 0 or len(values) == 0:
        return values
    lengths = (cells[:, 1] - cells[:, 0])[:, None]
    edges = np.append(cells[:, 0], cells[-1, 1])
    sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values * lengths, axis=0)])
    covered = np.append(0.0, np.cumsum(lengths[:, 0]))
    middles = cells.mean(axis=1)
    own = np.stack([cells[:, 0], cells[:, 1]], axis=1)
    low = np.minimum(np.maximum(middles - seconds / 2, edges[0]), own[:, 0])
    high = np.maximum(np.minimum(middles + seconds / 2, edges[-1]), own[:, 1])
    totals = _at(high, edges, sums) - _at(low, edges, sums)
    time = np.interp(high, edges, covered) - np.interp(low, edges, covered)
    return np.asarray(totals / np.maximum(time, 1e-12)[:, None])


def _at(places: NDArray[np.float64], edges: NDArray[np.float64], sums: NDArray[np.float64]) -> NDArray[np.float64]:
    columns = [np.interp(places, edges, sums[:, column]) for column in range(sums.shape[1])]
    return np.stack(columns, axis=1)


def find_segments(
    probabilities: NDArray[np.float32],
    starts: NDArray[np.float64],
    ends: NDArray[np.float64],
    *,
    classes: Sequence[str],
    thresholds: NDArray[np.float64],
    is_exclusive: bool,
    settings: TimelineSettings,
) -> list[Segment]:
    """Return the segments of one video, by start.

    A class is there where its smoothed probability reaches its threshold; of exclusive ones, where it is also the
    likeliest.

    Args:
        probabilities: (W, C).
        starts: (W,) seconds, ascending.
        ends: (W,).
        classes: C names.
        thresholds: (C,).
        is_exclusive: at most one class at a time.
        settings: smoothing and least length.
    """
    if len(starts) == 0:
        return []
    cells = window_cells(starts, ends)
    smoothed = smooth(probabilities, cells, seconds=settings.smooth_seconds)
    is_there = smoothed >= thresholds
    if is_exclusive:
        is_there &= smoothed == smoothed.max(axis=1, keepdims=True)
    breaks = cells[1:, 0] > cells[:-1, 1] + _TOUCH_SECONDS
    found = []
    for place, name in enumerate(classes):
        for first, last in _stretches(is_there[:, place], breaks):
            start, end = float(cells[first, 0]), float(cells[last, 1])
            if end - start >= settings.min_seconds - _TOUCH_SECONDS:
                lengths = cells[first : last + 1, 1] - cells[first : last + 1, 0]
                weight = lengths if lengths.sum() > 0 else None
                mean = float(np.average(smoothed[first : last + 1, place], weights=weight))
                found.append(Segment(start, end, name, mean))
    return sorted(found, key=lambda one: (one.start_seconds, one.label))


def _stretches(is_there: NDArray[np.bool_], breaks: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return (first, last) of each run of windows that touch each other."""
    found: list[tuple[int, int]] = []
    first: int | None = None
    for place, is_on in enumerate(is_there.tolist()):
        if first is not None and (not is_on or breaks[place - 1]):
            found.append((first, place - 1))
            first = None
        if is_on and first is None:
            first = place
    if first is not None:
        found.append((first, len(is_there) - 1))
    return found
