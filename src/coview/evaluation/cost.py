"""What a part of the work took: minutes, clips a second, memory."""

import math
import resource
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from coview.datatypes import ProgressSink

_MEBI = 2**20
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class Cost:
    """What one part of the work took.

    Attributes:
        what: "adapted: training" and the like.
        minutes: by the clock, in this call.
        clips_per_second: nan where nothing was left to do.
        peak_mebibytes: the most memory that this process has held until its end.
    """

    what: str
    minutes: float
    clips_per_second: float
    peak_mebibytes: float

    def describe(self) -> str:
        """Return "frozen: 30 videos: 0.2 minutes, 14.1 clips/s, 812 MiB at most so far"."""
        speed = "" if math.isnan(self.clips_per_second) else f", {self.clips_per_second:.1f} clips/s"
        return f"{self.what}: {self.minutes:.1f} minutes{speed}, {self.peak_mebibytes:.0f} MiB at most so far"


class Meter:
    """Counts clips while they pass.

    Attributes:
        clips_per_second: as the work itself says; nan where it says nothing.
        clips: how many have passed.
    """

    def __init__(self) -> None:
        self.clips_per_second = math.nan
        self.clips = 0

    def watch(self, progress: ProgressSink | None) -> ProgressSink:
        """Return a sink that notes what it is told of clips or windows, and passes it on."""

        def tell(done: int, total: int, found: Mapping[str, float]) -> None:
            self.clips_per_second = found.get("clips_per_second", self.clips_per_second)
            self.clips = max(self.clips, int(found.get("windows", 0)))
            if progress is not None:
                progress(done, total, found)

        return tell


@contextmanager
def measured(what: str, costs: list[Cost]) -> Iterator[Meter]:
    """Add the cost of a block to a list; the meter it gives is to be shown the block's progress."""
    started, meter = time.monotonic(), Meter()
    yield meter
    seconds = time.monotonic() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT / _MEBI
    speed = meter.clips / seconds if meter.clips and seconds else meter.clips_per_second
    costs.append(Cost(what, seconds / 60, speed, peak))
