"""The view `rgb`: the pictures themselves."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import av
import cv2
from numpy.typing import NDArray

from coview.config import NonNegativeFloat
from coview.datatypes import RGB_MEAN, RGB_STD, Frame
from coview.video.stored import read_rgb, write_rgb, write_yuv
from coview.views.base import PixelScale, SourceVideo, StorageSettings, View


@dataclass(frozen=True)
class RgbOptions:
    """How rgb is stored."""

    crf: NonNegativeFloat = 18.0
    """Quality of H.264: 0 is lossless, 18 looks it, 23 is a usual small file."""


class RgbView(View):
    """Pictures as a small H.264 file with a key frame every few frames; (H, W, 3) uint8, rendered to [0, 1]."""

    name: ClassVar[str] = "rgb"
    channels: ClassVar[int] = 3
    suffix: ClassVar[str] = ".mp4"
    Options: ClassVar[type[Any]] = RgbOptions
    is_colour: ClassVar[bool] = True
    stores_rgb: ClassVar[bool] = True
    scale: ClassVar[PixelScale] = PixelScale(0.0, 255.0, mean=RGB_MEAN, std=RGB_STD, mirror_signs=(1.0, 1.0, 1.0))

    @property
    def reach(self) -> int:
        """A frame is made of itself."""
        return 0

    def extract(self, frames: Iterable[Frame], video: SourceVideo | None = None) -> Iterator[Frame]:
        """Pass the frames on, (H, W, 3) uint8."""
        yield from frames

    def write(self, frames: Iterable[NDArray[Any]], path: Path, *, fps: float, storage: StorageSettings) -> int:
        """Store frames (H, W, 3) uint8; return how many there were."""
        return write_rgb(frames, path, fps=fps, gop=storage.gop, crf=self.options.crf, preset=storage.preset)

    def write_source(
        self, pictures: Iterable[av.VideoFrame], path: Path, *, fps: float, storage: StorageSettings
    ) -> int:
        """Store yuv420p pictures of BT.601 in limited range; return how many there were."""
        return write_yuv(pictures, path, fps=fps, gop=storage.gop, crf=self.options.crf, preset=storage.preset)

    def read(self, path: Path, frame_indices: NDArray[Any]) -> NDArray[Any]:
        """Return frames (T, H, W, 3) uint8. Raises `VideoError` for a damaged file or frames that it lacks."""
        return read_rgb(path, frame_indices)

    def picture(self, raw: NDArray[Any], *, height: int, width: int) -> Frame:
        """Return the frame at another size."""
        shrinks = raw.shape[0] > height or raw.shape[1] > width
        resized: Frame = cv2.resize(raw, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        return resized
