"""Views from files of the user's own: depth, thermal, events, spectrograms; one array or video for each source video.

`walk/a.mp4` finds `FOLDER/walk/a.npy` or `FOLDER/a.npy` (also .npz or, of one plane, a video), or else `a.thermal.npy`
beside itself. Frame t of the file belongs to frame t of the video.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from coview.config import NonNegativeFloat, Positive, PositiveFloat
from coview.datatypes import Frame
from coview.errors import UserError, VideoError
from coview.video.stored import read_planes, write_planes
from coview.views.arrays import ARRAY_SUFFIXES, find_file, in_step, read_array, read_pictures
from coview.views.base import PixelScale, SourceVideo, StorageSettings, View

_GREY = PixelScale(0.0, 255.0, mean=(0.5,), std=(0.25,), mirror_signs=(1.0,))


@dataclass(frozen=True)
class OwnOptions:
    """Where the files are and which values they hold."""

    folder: Path | None = None
    """Folder with one file a video, <video id> or <name of the video file>: .npy, .npz or a video. Not set: arrays
    beside the videos, <name>.<view>.npy."""
    lowest: float | None = None
    """Value that is stored as 0; what is lower is 0 too. Needed, with `highest`, unless arrays are uint8 or bool."""
    highest: float | None = None
    """Value that is stored as 255; what is higher, or no number, is 255 too."""
    crf: NonNegativeFloat = 14.0
    """Quality of H.264: 0 is lossless."""


@dataclass(frozen=True)
class SpectrogramOptions(OwnOptions):
    """What of a long spectrogram belongs to a frame."""

    columns: Positive = 64
    """Of a spectrogram (F, n) of the whole video: columns that each frame shows, around its own time."""
    columns_per_frame: PositiveFloat = 1.0
    """Of a spectrogram (F, n): columns from one frame of the video to the next."""


class OwnView(View):
    """What the views of the user's files have in common: values to bytes, planes in a small H.264 file."""

    suffix: ClassVar[str] = ".mp4"
    Options: ClassVar[type[Any]] = OwnOptions

    @classmethod
    def example(cls, frames: Sequence[Frame], folder: Path) -> tuple[View, SourceVideo | None]:
        """Write a ramp from left to right, for the contract tests."""
        height, width = frames[0].shape[:2]
        ramp = np.broadcast_to(np.linspace(0, 10, width), (len(frames), height, width))
        np.save(folder / "example.npy", ramp if cls.channels == 1 else np.stack([ramp, ramp[:, ::-1]], axis=-1))
        options = cls.Options(folder=folder, lowest=0.0, highest=10.0)
        return cls(options), SourceVideo("example", Path("example.mp4"))

    def check(self) -> None:
        """Make sure that a folder that was given is there, and that the range is one."""
        own = self.options
        if own.folder is not None and not own.folder.is_dir():
            raise UserError(
                f"{self.name}.folder is {own.folder}, which is no folder; give that of your files: "
                f"--{self.name}.folder DIR"
            )
        if (own.lowest is None) != (own.highest is None) or (own.lowest is not None and own.lowest >= own.highest):
            raise UserError(
                f"{self.name}.lowest is {own.lowest} and {self.name}.highest {own.highest}: give both, the lower first"
            )

    def extract(self, frames: Iterable[Frame], video: SourceVideo | None = None) -> Iterator[NDArray[np.uint8]]:
        """Yield (H, W, C) uint8 for each frame."""
        self.check()
        if video is None:
            raise UserError(f"{self.name} is read from files and cannot be made from frames alone")
        for frame, picture in self._pictures(frames, video):
            stored = self._as_bytes(picture, video).reshape(*picture.shape[:2], self.channels)
            resized = cv2.resize(stored, frame.shape[1::-1], interpolation=cv2.INTER_NEAREST)
            yield np.asarray(resized, np.uint8).reshape(*frame.shape[:2], self.channels)

    def cut(self, video: SourceVideo, out: Path, *, num_frames: int) -> None:
        """Write an array of the stretch, which is in memory as a whole, beside `out`; see `View.cut`."""
        blank = itertools.repeat(np.empty((0, 0, 3), np.uint8), num_frames)
        pictures = np.stack([picture for _, picture in self._pictures(blank, video)])
        np.save(out.with_name(f"{out.stem}.{self.name}.npy"), pictures)

    def _pictures(self, frames: Iterable[Frame], video: SourceVideo) -> Iterator[tuple[Frame, NDArray[Any]]]:
        """Yield each frame with the user's picture of it, (h, w) or (h, w, C)."""
        yield from read_pictures(
            self.options.folder, video, frames, key=self.name, channels=self.channels, beside=self.name
        )

    def _as_bytes(self, values: NDArray[Any], video: SourceVideo) -> NDArray[np.uint8]:
        """Bring values to 0 .. 255.

        Raises:
            VideoError: "unmatched", their range is not known.
        """
        own = self.options
        if own.lowest is not None and own.highest is not None:
            share = (values.astype(np.float32) - own.lowest) / (own.highest - own.lowest)
            return np.asarray(np.rint(np.nan_to_num(share, nan=1.0).clip(0, 1) * 255), np.uint8)
        if values.dtype == np.uint8:
            return np.asarray(values, np.uint8)
        if values.dtype == np.bool_:
            return np.where(values, np.uint8(255), np.uint8(0))
        raise VideoError(
            "unmatched",
            video.path,
            f"{self.name} holds {values.dtype}, whose range is not known: give --{self.name}.lowest and "
            f"--{self.name}.highest",
        )

    def write(self, frames: Iterable[NDArray[Any]], path: Path, *, fps: float, storage: StorageSettings) -> int:
        """Store the frames that `extract` yields; return how many there were."""
        return write_planes(frames, path, fps=fps, gop=storage.gop, crf=self.options.crf, preset=storage.preset)

    def read(self, path: Path, frame_indices: NDArray[Any]) -> NDArray[Any]:
        """Return frames (T, H, W, C) uint8. Raises `VideoError` for a damaged file or frames that it lacks."""
        return read_planes(path, frame_indices, channels=self.channels)

    def picture(self, raw: NDArray[Any], *, height: int, width: int) -> Frame:
        """Draw one frame in colours, low values dark."""
        drawn = cv2.applyColorMap(np.ascontiguousarray(raw[..., 0]), cv2.COLORMAP_INFERNO)[..., ::-1]
        return _resized(drawn, height, width)


class ThermalView(OwnView):
    """Temperature, one plane of your own; (H, W, 1) uint8, warm is high."""

    name: ClassVar[str] = "thermal"
    channels: ClassVar[int] = 1
    scale: ClassVar[PixelScale | None] = _GREY


class DepthView(OwnView):
    """Depth, one plane of your own; (H, W, 1) uint8, far is high."""

    name: ClassVar[str] = "depth"
    channels: ClassVar[int] = 1
    scale: ClassVar[PixelScale | None] = _GREY

    def picture(self, raw: NDArray[Any], *, height: int, width: int) -> Frame:
        """Draw one frame in grey, near things bright."""
        return _resized(np.repeat(255 - np.asarray(raw[..., :1]), 3, axis=2), height, width)


class SpectrogramView(OwnView):
    """Sound as a picture, one plane of your own; (T, F, columns) for each frame, or (F, n) of the whole video.

    Time runs to the right, so a mirror turns it round: train with augment.flip_probability 0.
    """

    name: ClassVar[str] = "spectrogram"
    channels: ClassVar[int] = 1
    scale: ClassVar[PixelScale | None] = _GREY
    Options: ClassVar[type[Any]] = SpectrogramOptions

    def _pictures(self, frames: Iterable[Frame], video: SourceVideo) -> Iterator[tuple[Frame, NDArray[Any]]]:
        """Yield each frame with the columns around its time."""
        path = find_file(self.options.folder, video, with_videos=True, beside=self.name)
        whole = read_array(path, video, key=self.name) if path.suffix in ARRAY_SUFFIXES else None
        if whole is None or whole.ndim != 2:
            yield from super()._pictures(frames, video)
            return
        columns, step = self.options.columns, self.options.columns_per_frame
        half = columns // 2
        padded = np.pad(whole, ((0, 0), (half, columns)), mode="edge")
        count = max(1, round(whole.shape[1] / step))
        for index, frame in in_step(frames, count, source=path, video=video):
            first = min(round((index + 0.5) * step), whole.shape[1])
            yield frame, padded[::-1, first : first + columns]  # low tones at the bottom


class EventsView(OwnView):
    """Events of an event camera, two planes of your own: brighter, darker; (H, W, 2) uint8 counts or shares."""

    name: ClassVar[str] = "events"
    channels: ClassVar[int] = 2
    scale: ClassVar[PixelScale | None] = PixelScale(
        0.0, 255.0, mean=(0.0, 0.0), std=(0.25, 0.25), mirror_signs=(1.0, 1.0)
    )

    def picture(self, raw: NDArray[Any], *, height: int, width: int) -> Frame:
        """Draw one frame: brighter red, darker blue, on black."""
        return _resized(np.stack([raw[..., 0], np.zeros_like(raw[..., 0]), raw[..., 1]], axis=-1), height, width)


def _resized(picture: NDArray[Any], height: int, width: int) -> Frame:
    resized = cv2.resize(np.ascontiguousarray(picture), (width, height), interpolation=cv2.INTER_NEAREST)
    return np.asarray(resized, np.uint8)
