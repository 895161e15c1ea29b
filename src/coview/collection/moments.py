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
    free = np.isfinite(cosines)
    if not free.any():  # a damaged vector stands at infinity and is to be named, not passed over
        best = int(cosines.argmax())
        return [(best, float(starts[best]), float(ends[best]))] if cosines[best] > 0 else []
    level = float(np.median(cosines[free]))
    found: list[tuple[int, float, float]] = []
    while len(found) < most and free.any():
        best = int(np.where(free, cosines, -np.inf).argmax())
        bound = level + (float(cosines[best]) - level) / 2
        first = last = best
        for place in _outwards(best, -1, cosines, free, bound):
            if ends[place] < starts[first] - _TOUCH_SECONDS:
                break
            first = place
        for place in _outwards(best, 1, cosines, free, bound):
            if starts[place] > ends[last] + _TOUCH_SECONDS:
                break
            last = place
        start, end = float(starts[first]), float(ends[first : last + 1].max())
        found.append((best, start, end))
        free &= (ends <= start + _TOUCH_SECONDS) | (starts >= end - _TOUCH_SECONDS)
        free[best] = False
    return found


def _outwards(
    best: int, step: int, cosines: NDArray[np.float32], free: NDArray[np.bool_], bound: float
) -> Iterator[int]:
    """Yield the windows before or after a peak that belong to it by their height."""
    place = best + step
    while 0 <= place < len(cosines) and free[place] and cosines[place] >= bound:
        yield place
        place += step
