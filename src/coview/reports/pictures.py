"""Thumbnails from a prepared data set: strips of frames and short loops, as small JPEGs inside the page."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from coview.analysis.thumbnails import jpeg_uri
from coview.datasets.prepared import PreparedDataset
from coview.datatypes import VideoEntry
from coview.errors import UserError
from coview.views.base import View

logger = logging.getLogger(__name__)

STRIP_FRAMES, LOOP_FRAMES, LOOP_STEP = 3, 10, 3
HEIGHTS = {"strip": 72, "loop": 120}
QUALITY = 68


@dataclass(frozen=True)
class Picture:
    """Equal frames side by side in one JPEG.

    Attributes:
        uri: "data:image/jpeg;base64,...".
        num_frames: frames in it.
        width: of one frame in pixels.
        height: in pixels.
    """

    uri: str
    num_frames: int
    width: int
    height: int


@dataclass
class Album:
    """Pictures of a data set's videos, each made once; a picture that cannot be made is counted, not fatal.

    Attributes:
        data: the data set.
        views: view name -> view, to read and draw with.
        failures: why pictures are missing, a line each.
    """

    data: PreparedDataset
    views: dict[str, View]
    failures: list[str] = field(default_factory=list)
    _made: dict[tuple[str, str, str], Picture | None] = field(default_factory=dict)

    def strip(self, video_id: str) -> Picture | None:
        """Return a few rgb frames spread over a video."""
        return self._picture("strip", "rgb", video_id)

    def loop(self, view: str, video_id: str) -> Picture | None:
        """Return frames of the middle of a video, close together, to be shown one after the other."""
        return self._picture("loop", view, video_id)

    def _picture(self, kind: str, view: str, video_id: str) -> Picture | None:
        key = (kind, view, video_id)
        if key not in self._made:
            try:
                self._made[key] = self._make(kind, view, self.data.entry(video_id))
            except UserError as error:
                logger.warning("no picture of %s: %s", video_id, error)
                self.failures.append(str(error))
                self._made[key] = None
        return self._made[key]

    def _make(self, kind: str, view: str, entry: VideoEntry) -> Picture:
        count = entry.num_frames or 1
        indices = middle(count, LOOP_FRAMES, step=LOOP_STEP) if kind == "loop" else spread(count, STRIP_FRAMES)
        height = HEIGHTS[kind]
        width = shown_width(entry, height)
        reader = self.views[view]
        with self.data.stored_file(view, entry, reader.suffix) as path:
            raw = reader.read(path, indices)
        frames = [reader.picture(frame, height=height, width=width) for frame in raw]
        joined = np.concatenate(frames, axis=1)
        return Picture(jpeg_uri(joined, quality=QUALITY), len(frames), width, height)


def shown_width(entry: VideoEntry, height: int) -> int:
    """Return the width of a thumbnail: the video's shape, within 1:2 and 2:1."""
    ratio = (entry.width or 4) / (entry.height or 3)
    return round(height * min(2.0, max(0.5, ratio)))


def spread(num_frames: int, wanted: int) -> NDArray[np.int64]:
    """Return frame indices in the middle of `wanted` equal parts of a video."""
    return np.array([(2 * i + 1) * num_frames // (2 * wanted) for i in range(wanted)], dtype=np.int64)


def middle(num_frames: int, wanted: int, *, step: int) -> NDArray[np.int64]:
    """Return every `step`-th frame around the middle; closer together, then fewer, in a short video."""
    step = max(1, min(step, (num_frames - 1) // max(1, wanted - 1)))
    wanted = min(wanted, num_frames)
    start = (num_frames - 1 - (wanted - 1) * step) // 2
    return start + step * np.arange(wanted, dtype=np.int64)


def choose_examples(entries: Sequence[VideoEntry], count: int) -> list[VideoEntry]:
    """Return videos spread evenly over the classes, or over the data set where nothing is labelled."""
    ordered = sorted(entries, key=lambda entry: entry.label or "")
    places = spread(len(ordered), count).tolist() if ordered else []
    return [ordered[place] for place in dict.fromkeys(places)]
