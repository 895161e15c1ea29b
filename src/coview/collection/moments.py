"""Windows of one video -> moments: the stretches in which a query is found."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

_TOUCH_SECONDS = 1e-6


def find_moments(
    cosines: NDArray[np.float32], starts: NDArray[np.float64], ends: NDArray[np.float64], *, most: int
) -> list[tuple[int, float, float]]:
    """Merge windows that show one event, best first.

    A moment grows from its best window over the windows before and after it that touch or overlap, as long as they
    stay above half the height at which the best one stands over the video's usual level (the median): the full width
    at half maximum of a peak. Windows that overlap a moment belong to its event, and no other moment begins in them.

    Args:
        cosines: (W,) similarity of each window; -inf for one that is not to be looked at.
        starts: (W,) seconds, ascending.
        ends: (W,) seconds.
        most: at most this many moments.

    Returns:
        (index of the best window, start, end in seconds) of each moment.
    """
    is_finite = np.isfinite(cosines)
    if not is_finite.any():  # a damaged vector stands at infinity and is to be named, not passed over
        best = int(cosines.argmax())
        return [(best, float(starts[best]), float(ends[best]))] if cosines[best] > 0 else []
    level = _median(cosines[is_finite])
    left = np.where(is_finite, cosines, np.float32(-np.inf))  # (W,) what is in no moment yet
    found: list[tuple[int, float, float]] = []
    while len(found) < most:
        best = int(left.argmax())
        height = float(left[best])
        if height == -np.inf:
            break
        bound = level + (height - level) / 2
        first = last = best
        for place in _outwards(best, -1, left, bound):
            if ends[place] < starts[first] - _TOUCH_SECONDS:
                break
            first = place
        for place in _outwards(best, 1, left, bound):
            if starts[place] > ends[last] + _TOUCH_SECONDS:
                break
            last = place
        start, end = float(starts[first]), float(ends[first : last + 1].max())
        found.append((best, start, end))
        left[(ends > start + _TOUCH_SECONDS) & (starts < end - _TOUCH_SECONDS)] = -np.inf
        left[best] = -np.inf
    return found


def _median(values: NDArray[np.float32]) -> float:
    """Return what `np.median` does, without what it takes for a few numbers."""
    ordered, middle = np.sort(values), len(values) // 2
    return float(ordered[middle] if len(values) % 2 else (ordered[middle - 1] + ordered[middle]) / np.float32(2))


def _outwards(best: int, step: int, left: NDArray[np.float32], bound: float) -> Iterator[int]:
    """Yield the windows before or after a peak that belong to it by their height."""
    place = best + step
    while 0 <= place < len(left) and left[place] >= bound:
        yield place
        place += step
