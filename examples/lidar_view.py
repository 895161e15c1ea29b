"""A view from your own files: depth from a lidar, one .npy array (T, h, w) or one grey video for each source video.

    coview prepare my_videos data/mine --views rgb flow lidar --lidar.folder my_lidar --plugin examples.lidar_view
    coview pretrain small --data data/mine --out runs/lidar --views.lidar.size 64 --plugin examples.lidar_view

`my_videos/walk/a.mp4` finds `my_lidar/walk/a.npy`, or else `my_lidar/a.npy`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

import coview
from coview.config import PositiveFloat
from coview.datatypes import Frame
from coview.video.stored import read_planes, write_planes
from coview.views import View
from coview.views.arrays import read_pictures
from coview.views.base import PixelScale, SourceVideo, StorageSettings


@dataclass(frozen=True)
class LidarOptions:
    """Where depth comes from."""

    folder: Path | None = None
    """Folder with one file a video, <video id> or <name of the video file>: .npy, .npz or a video."""
    farthest: PositiveFloat = 10.0
    """Depth in the arrays' own unit that is stored as 255; whatever is farther, or no number, is 255 too. Arrays of
    uint8 and videos are stored as they are."""


@coview.register("view", "lidar")
class LidarView(View):
    """Depth as one plane in a small H.264 file; (H, W, 1) uint8, 0 is near and 255 is far."""

    name: ClassVar[str] = "lidar"
    channels: ClassVar[int] = 1
    suffix: ClassVar[str] = ".mp4"
    Options: ClassVar[type[Any]] = LidarOptions
    # Bytes are rendered to 0 .. 1, then standardised; a mirror turns no value round.
    scale: ClassVar[PixelScale | None] = PixelScale(0.0, 255.0, mean=(0.5,), std=(0.25,), mirror_signs=(1.0,))

    @classmethod
    def example(cls, frames: Sequence[Frame], folder: Path) -> tuple[View, SourceVideo | None]:
        """Write the depth of a tilted plane, for the contract tests."""
        height, width = frames[0].shape[:2]
        np.save(folder / "example.npy", np.broadcast_to(np.linspace(0, 10, width), (len(frames), height, width)))
        return cls(LidarOptions(folder=folder)), SourceVideo("example", Path("example.mp4"))

    def check(self) -> None:
        """Make sure that the folder is there, before the first video."""
        if self.options.folder is None or not self.options.folder.is_dir():
            raise coview.UserError(
                f"lidar.folder is {self.options.folder}, expected the folder of your depth files: --lidar.folder DIR"
            )

    def extract(self, frames: Iterable[Frame], video: SourceVideo | None = None) -> Iterator[NDArray[np.uint8]]:
        """Yield (H, W, 1) uint8 for each frame."""
        self.check()
        if video is None:
            raise coview.UserError("depth is read from files and cannot be made from frames alone")
        for frame, depth in read_pictures(self.options.folder, video, frames, key="lidar"):
            if depth.dtype != np.uint8:
                share = np.nan_to_num(depth.astype(np.float32) / self.options.farthest, nan=1.0)
                depth = np.rint(share.clip(0, 1) * 255).astype(np.uint8)
            yield _resized(depth, *frame.shape[:2])[..., None]

    def write(self, frames: Iterable[NDArray[Any]], path: Path, *, fps: float, storage: StorageSettings) -> int:
        """Store the frames that `extract` yields."""
        return write_planes(frames, path, fps=fps, gop=storage.gop, crf=14.0)

    def read(self, path: Path, frame_indices: NDArray[Any]) -> NDArray[Any]:
        """Return frames (T, H, W, 1) uint8."""
        return read_planes(path, frame_indices, channels=1)

    def picture(self, raw: NDArray[Any], *, height: int, width: int) -> Frame:
        """Draw one frame in grey, near things bright."""
        return np.repeat(255 - _resized(raw[..., 0], height, width)[..., None], 3, axis=2)


def _resized(depth: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(depth, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)
