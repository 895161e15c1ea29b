"""Resampling in time: which source frame is seen at each tick of another frame rate. Integers out of time stamps."""

import itertools
import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")

TOLERANCE_SECONDS = 0.001
"""A frame counts as there this much before its time stamp: many containers round stamps to milliseconds."""
MAX_GAP_SECONDS = 600.0
"""A longer pause between two frames is a damaged time stamp: to fill it would not end."""


class TimeStampError(ValueError):
    """Two frames lie further apart than `MAX_GAP_SECONDS`."""


def resample_indices(timestamps_seconds: Sequence[float], fps: float) -> NDArray[np.int64]:
    """Return which source frame to show at 0, 1 / fps, 2 / fps, ... seconds after the first frame.

    Each moment shows the nearest frame that is not later. The last frame lasts as long as a frame does on average,
    and the number of moments is duration * fps rounded, a half up, at least 1.

    Args:
        timestamps_seconds: of the source frames in presentation order; only differences matter.
        fps: frames a second to make.

    Returns:
        (number of moments,) ascending indices; a frame may come several times or never.

    Raises:
        TimeStampError: a pause of more than ten minutes.
    """
    return np.fromiter(resampled(enumerate(timestamps_seconds), fps=fps), np.int64)


def resampled(items: Iterable[tuple[T, float]], *, fps: float) -> Iterator[T]:
    """Show (item, time stamp in seconds) pairs at a constant rate, as `resample_indices` does, holding few of them.

    Raises:
        TimeStampError: a pause of more than ten minutes.
    """
    remaining = iter(items)
    beginning = next(remaining, None)
    if beginning is None:
        return
    shown, start = beginning
    tolerance = min(TOLERANCE_SECONDS, 0.25 / fps)
    num_items, num_moments, latest = 1, 0, 0.0
    waiting: deque[T] = deque()  # for the latest moments, until it is sure that the video lasts so long
    for item, stamp in remaining:
        if abs(stamp - start - latest) > MAX_GAP_SECONDS:
            raise TimeStampError(f"the time stamps jump from {latest:.1f} s to {stamp - start:.1f} s")
        latest = max(latest, stamp - start)  # an item whose stamp runs backwards is shown as soon as possible
        while num_moments / fps < latest - tolerance:
            waiting.append(shown)
            num_moments += 1
        while waiting and (num_moments - len(waiting) + 0.5) / fps <= latest:
            yield waiting.popleft()
        shown = item
        num_items += 1
    duration = latest + (latest / (num_items - 1) if latest > 0 else 1 / fps)
    total = max(math.floor(duration * fps + 0.5 + 1e-6), 1)
    num_shown = num_moments - len(waiting)
    waiting.extend([shown] * (total - num_moments))
    yield from itertools.islice(waiting, total - num_shown)
