"""The contract of a view: how it is made from frames, stored, read, drawn for an encoder and shown to a person."""

import abc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Protocol, runtime_checkable

import av
from numpy.typing import NDArray
from pydantic import Field

from coview.config import as_plain, parse
from coview.datatypes import Frame
from coview.video.encode import PRESET, Preset
from coview.video.source_settings import SourceSettings
from coview.views.crop import Geometry, crop_resize

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class StorageSettings:
    """How stored views are encoded; the same for every view of a data set."""

    short_side: Annotated[int, Field(ge=2, le=4320)] = 144
    """Height or width of the stored pictures, whichever is smaller, in pixels."""
    fps: Annotated[float, Field(gt=0, le=1000)] | None = None
    """Resample in time to this rate; not set: every frame of the source, in order."""
    gop: Annotated[int, Field(ge=1, le=10_000)] = 8
    """Frames from one key frame to the next; short, so that a clip is read by decoding a few frames."""
    preset: Preset = PRESET
    """Of x264. medium takes twice the time for as many bytes and the same error; data sets begun before there was a
    choice have it, and go on with it."""
    source: SourceSettings = field(default_factory=SourceSettings)
    """How source files are read: which stream, interlaced, oblong, HDR and damaged pictures."""


def with_preset(storage: Mapping[str, Any]) -> dict[str, Any]:
    """Return storage settings as a data set remembers them; where it was begun before there was a preset, with that."""
    return {"preset": "medium", **storage}


def read_storage(remembered: Mapping[str, Any]) -> StorageSettings:
    """Return the storage settings that a run remembers of its data.

    Raises:
        UserError: a setting that this version does not know.
    """
    return parse(StorageSettings, with_preset(remembered), source="resolved.yaml", prefix="data.storage.")


@dataclass(frozen=True)
class SourceVideo:
    """What a view may know, while it is extracted, of a video beside its frames.

    Attributes:
        id: of the video.
        path: the source file.
        width: of its pictures, upright, in pixels; None where it is not known.
        height: likewise.
        views: the views that are being made of it, this one among them.
        first_frame: which frame of the video the frames begin with, where they are a stretch of it; None: all of them.
        found: what one view has found out and another can use, under a key they agree on.
    """

    id: str
    path: Path
    width: int | None = None
    height: int | None = None
    views: tuple["View", ...] = ()
    first_frame: int | None = None
    found: dict[Any, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PixelScale:
    """What the bytes of a view of pictures become: (sign * (byte - zero) / unit - mean) / std.

    The sign is 1, and where a clip is mirrored that of the channel. It says in numbers what `View.render` and
    `View.standardise` do beside cropping, so that a CPU can do everything in one pass.

    Attributes:
        zero: the byte that is rendered as 0.
        unit: bytes from there to 1.
        mean: (C,), taken off each channel.
        std: (C,), each channel is divided by it.
        mirror_signs: (C,), -1 for a channel whose values turn round in a mirror.
    """

    zero: float
    unit: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    mirror_signs: tuple[float, ...]

    def line(self, *, is_mirrored: bool) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return (gains, shifts), (C,) each: (byte / unit) * gain + shift is what an encoder gets."""
        signs = self.mirror_signs if is_mirrored else (1.0,) * len(self.mean)
        gains = tuple(sign / std for sign, std in zip(signs, self.std, strict=True))
        shifts = zip(gains, self.mean, self.std, strict=True)
        return gains, tuple(-gain * self.zero / self.unit - mean / std for gain, mean, std in shifts)


class View(abc.ABC):
    """One view of a video. Final classes are rows of `coview.views.VIEWS`.

    Args:
        options: an instance of the class's `Options`, as recorded in dataset.yaml.
    """

    name: ClassVar[str]
    """Key in configs, folders and batches."""
    channels: ClassVar[int]
    """C, channels an encoder receives unless `ViewInput.pad_channels` asks for more."""
    suffix: ClassVar[str]
    """Extension of the stored file, with its dot."""
    Options: ClassVar[type[Any]]
    """Frozen dataclass of this view's settings when it is extracted; every field has a default."""
    scale: ClassVar[PixelScale | None] = None
    """For views of pictures: what `render` and `standardise` make of bytes, in numbers. A view without it says so in
    methods of its own."""
    is_colour: ClassVar[bool] = False
    """Whether colour operations (jitter, grey) concern it."""
    stores_rgb: ClassVar[bool] = False
    """Whether its files are those of `write_rgb` and `read` is `read_rgb`, so that any decoder may read them."""
    unrecorded: ClassVar[tuple[str, ...]] = ()
    """Settings that say where the work is done and not what comes of it: a data set does not remember them."""

    def __init__(self, options: Any) -> None:
        self.options = options

    @classmethod
    def example(cls, frames: Sequence[Frame], folder: Path) -> tuple["View", SourceVideo | None]:
        """Return a view and the video that some frames are to stand for, for the contract tests.

        By default the view with default options, and no video: what can be made from frames alone. A view that needs
        more (files of the user's, say) writes it into `folder` first.

        Args:
            frames: (H, W, 3) uint8 RGB each, of one even size.
            folder: an empty folder.
        """
        return cls(cls.Options()), None

    @property
    def reach(self) -> int | None:
        """How many frames beyond frame t of the video its own frame t is made of, the last ones of as many before them.

        Given (0, say, for the picture itself) where a stretch of the video gives the same frames as all of it, and
        where `read` returns what `extract` yields but for the coding: then a few frames can be made without the
        others. None: any frame may depend on any other.
        """
        return None

    def recorded_options(self) -> dict[str, Any]:
        """Return the settings that a data set remembers, as plain values."""
        plain: dict[str, Any] = as_plain(self.options)
        return {name: value for name, value in plain.items() if name not in self.unrecorded}

    def resolve_for(self, layout: str) -> "View":
        """Return this view with every option decided that depends on the layout of the source."""
        return self

    def check(self) -> None:  # noqa: B027  (most views need nothing that could be missing)
        """Make sure that this view can be extracted here: called once, before the work on the first video.

        Raises:
            UserError: a package, file or device that its options ask for is not there.
        """

    def cut(self, video: SourceVideo, out: Path, *, num_frames: int) -> None:  # noqa: B027  (most read no files)
        """Write what the user's files say of a stretch of a video beside the file that was cut out, for `extract`.

        Args:
            video: the whole, whose `first_frame` is that of the stretch.
            out: the file with the stretch alone.
            num_frames: its length.

        Raises:
            VideoError: there is no such file, or it does not fit the video.
        """

    @abc.abstractmethod
    def extract(self, frames: Iterable[Frame], video: SourceVideo | None = None) -> Iterator[NDArray[Any]]:
        """Turn the rgb frames of one video into this view's frames: one out for each one in, lazily.

        Args:
            frames: (H, W, 3) uint8 RGB at the stored size.
            video: where the frames come from; None where they come from no file.

        Yields:
            This view's frame t, in the form that `write` takes.
        """

    def counts(self, frame: NDArray[Any]) -> Mapping[str, int]:
        """Return what is counted of a frame that `extract` has yielded, such as {"frames_with_person": 1}.

        The sums of a video go into the manifest, their shares of all frames into dataset.yaml.
        """
        return {}

    @abc.abstractmethod
    def write(self, frames: Iterable[NDArray[Any]], path: Path, *, fps: float, storage: StorageSettings) -> int:
        """Store the frames that `extract` yields under `path`; return how many there were.

        Writes straight to `path`; the caller passes a temporary name and renames.
        """

    @abc.abstractmethod
    def read(self, path: Path, frame_indices: NDArray[Any]) -> NDArray[Any]:
        """Read some frames of a stored file.

        Args:
            path: the stored file.
            frame_indices: (T,) integers, ascending, repeats allowed.

        Returns:
            (T, H, W, C) uint8, or for keypoints (T, R, K, 3) float32 with x and y as fractions of width and height.

        Raises:
            VideoError: the stored file is damaged or lacks these frames.
        """

    def render(self, raw: "Tensor", frame_sizes: "Tensor | None", geometry: Geometry, size: int) -> "Tensor":
        """Crop, resize and flip a batch of raw clips, on whatever device it lies; by default as `scale` says.

        Args:
            raw: (B*M, T, H, W, C) uint8 as read (padded at the right and bottom), or (B*M, T, R, K, 3) keypoints.
            frame_sizes: (B*M, 2), height and width without padding; None for keypoints.
            geometry: one box and flip a clip.
            size: side of the result in pixels.

        Returns:
            (B*M, C, T, size, size) float32, not yet standardised (colour operations come first). rgb in [0, 1];
            flow in [-1, 1] with 0 for no motion, u negated where a clip is mirrored.

        Raises:
            ValueError: pictures without their frame_sizes.
        """
        if self.scale is None:
            raise NotImplementedError(f"the view {self.name} has no scale, so it needs a render of its own")
        if frame_sizes is None:
            raise ValueError(f"{self.name} clips need their frame_sizes")
        clips = crop_resize(raw, frame_sizes, geometry, size).sub_(self.scale.zero).div_(self.scale.unit)
        for channel, sign in enumerate(self.scale.mirror_signs):
            if sign != 1:
                clips[geometry.flips.to(clips.device), channel] *= sign
        return clips

    def standardise(self, clips: "Tensor") -> "Tensor":
        """Bring rendered clips (B*M, C, T, size, size) to about zero mean and unit variance: the last step."""
        if self.scale is None:
            return clips
        import torch

        width = clips.shape[-1]
        # Whole lines of pixels: where channels lie last in memory, broadcasting a few numbers is several times slower.
        lines = clips.movedim(1, -1).flatten(-2)  # (B, T, H, W * C)
        mean, std = (torch.tensor(values).to(clips) for values in (self.scale.mean, self.scale.std))
        scaled = torch.addcmul((-mean / std).repeat(width), lines, (1 / std).repeat(width))
        return scaled.view(*lines.shape[:-1], width, len(mean)).movedim(-1, 1)  # (B, C, T, H, W)

    @abc.abstractmethod
    def picture(self, raw: NDArray[Any], *, height: int, width: int) -> Frame:
        """Draw one raw frame (as `read` returns it, without the T axis) for a person: (height, width, 3) uint8 RGB."""


@runtime_checkable
class StoresSource(Protocol):
    """A view whose file is the video itself, smaller: it is encoded from pictures that made no detour through RGB."""

    def write_source(
        self, pictures: Iterable[av.VideoFrame], path: Path, *, fps: float, storage: StorageSettings
    ) -> int:
        """Store yuv420p pictures of BT.601 in limited range, as `View.write` would store their frames."""
