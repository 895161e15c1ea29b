"""Resampling in time: which source frame is seen at each tick of another frame rate. Integers out of time stamps."""

import itertools
import math
from collections import deque
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

TOLERANCE_SECONDS = 0.001
"""A frame counts as there this much before its time stamp: many containers round stamps to milliseconds."""
MAX_GAP_SECONDS = 600.0
"""A longer pause between two frames is none: recordings were joined there, or the frames are a time-lapse's."""
LONGEST_PAUSE_SECONDS = 10.0
"""The same within formats whose recordings are joined by writing one after the other."""
_MOST_COPIES = 100
"""Of one frame, over a gap longer than `MAX_GAP_SECONDS`."""
_STEPS_BACK = 5
"""Stamps that run backwards by more than this many usual gaps start again; by fewer, pictures are in disorder."""
_STEPS_AHEAD = 20
"""A pause is taken for a joint only if it is this many times as long as the usual gap."""


class TimeStampError(ValueError):
    """Two frames lie so far apart that one would be shown again and again."""


class JoinedStamps(Iterator[tuple[T, float]]):
    """Time stamps that go on where recordings were joined, though those of the file start again or jump ahead there.

    Args:
        items: (item, time stamp in seconds).
        usual_gap: seconds between two stamps, as long as none have been seen.
        longest_pause: seconds; a longer gap is a joint, if the gaps before and after it are much shorter.
    """

    def __init__(self, items: Iterable[tuple[T, float]], *, usual_gap: float, longest_pause: float) -> None:
        self._num_joints = 0
        self._joined = self._join(items, usual_gap, longest_pause)

    def __next__(self) -> tuple[T, float]:
        return next(self._joined)

    def remark(self) -> str:
        """Say how many joints were met so far; empty for none."""
        if not self._num_joints:
            return ""
        places = "at one place" if self._num_joints == 1 else f"at {self._num_joints} places"
        return f"joined recordings: the time stamps start again or jump {places}; the frames follow on from there"

    def _join(
        self, items: Iterable[tuple[T, float]], usual_gap: float, longest_pause: float
    ) -> Iterator[tuple[T, float]]:
        remaining = iter(items)
        current = next(remaining, None)
        start = latest = current[1] if current is not None else 0.0
        shift, count = 0.0, 0
        while current is not None:
            item, stamp = current
            following = next(remaining, None)
            usual = (latest - start) / (count - 1) if count > 1 and latest > start else usual_gap
            gap = stamp + shift - latest
            is_sparse = count == 1 and following is not None and abs(following[1] - stamp) > gap / _STEPS_AHEAD
            if gap < -_STEPS_BACK * usual or (gap > max(longest_pause, _STEPS_AHEAD * usual) and not is_sparse):
                shift += usual - gap
                self._num_joints += 1
            latest = max(latest, stamp + shift)
            yield item, stamp + shift
            count += 1
            current = following


def resampled(items: Iterable[tuple[T, float]], *, fps: float) -> Iterator[T]:
    """Yield the item to show at 0, 1 / fps, 2 / fps, ... seconds after the first, holding few of them.

    Each moment shows the nearest item that is not later. The last one lasts as long as an item does on average, and
    the number of moments is duration * fps rounded, a half up, at least 1.

    Args:
        items: (item, time stamp in seconds) in presentation order; only differences of stamps matter.
        fps: items a second to yield; an item may come several times or never.

    Raises:
        TimeStampError: a pause of more than ten minutes, and 100 frames to make of one.
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
        gap = stamp - start - latest
        if gap > MAX_GAP_SECONDS and gap * fps > _MOST_COPIES:
            raise TimeStampError(f"its frames lie {gap:.0f} s apart, too far to fill at {fps:g} a second")
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
