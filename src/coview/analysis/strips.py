"""Strips of a video's frames for the figures of analyses; one that cannot be read is grey, and said."""

import logging
from dataclasses import dataclass, field

import numpy as np

from coview.analysis.context import AnalysisContext
from coview.analysis.picture_wall import strip
from coview.datatypes import Frame, VideoEntry
from coview.errors import UserError

logger = logging.getLogger(__name__)

FRAMES, HEIGHT = 3, 48


@dataclass
class Strips:
    """Strips of rgb frames, each video's read once.

    Attributes:
        context: where they come from.
        num_frames: in a strip.
        height: in pixels.
        failures: why some are grey, a line each.
    """

    context: AnalysisContext
    num_frames: int = FRAMES
    height: int = HEIGHT
    failures: list[str] = field(default_factory=list)
    _made: dict[str, Frame] = field(default_factory=dict)

    def of(self, entry: VideoEntry) -> Frame:
        """Return frames from the middles of equal parts of a video, side by side: (height, w, 3)."""
        if entry.id not in self._made:
            self._made[entry.id] = self._read(entry)
        return self._made[entry.id]

    def _read(self, entry: VideoEntry) -> Frame:
        try:
            return strip(self.context.pictures(entry, middles(entry, self.num_frames), height=self.height))
        except UserError as error:
            logger.warning("no picture of %s: %s", entry.id, error)
            self.failures.append(f"No picture of {entry.id}: {error}.")
            return np.full((self.height, self.height * self.num_frames, 3), 150, np.uint8)


def middles(entry: VideoEntry, count: int) -> list[int]:
    """Return the frames in the middle of `count` equal parts of a video."""
    total = entry.num_frames or 1
    return [(2 * i + 1) * total // (2 * count) for i in range(count)]


def spread_places(total: int, count: int) -> list[int]:
    """Return at most `count` places out of `total`, evenly spread."""
    return list(dict.fromkeys((2 * i + 1) * total // (2 * count) for i in range(count))) if total else []
