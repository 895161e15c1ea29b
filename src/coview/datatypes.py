"""What crosses from one folder to the next: frozen, and checked for shape.

The legend of letters, the same everywhere in the code:

    B   videos in a batch (of this process, or "global": of all processes)
    M   clips drawn from one video for one training step (1 for CPC and CoCon, 2 for ViCC)
    V   views of a clip
    N   blocks in a clip             L   frames in a block            T   frames in a clip, N * L
    P   blocks that are predicted    C   channels of a view           H, W  height and width in pixels
    S   side of the feature map      D   size of a feature            K   prototypes, or keypoints of a pose
    Q   length of a queue            R   persons in a frame
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from coview.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

Frame = NDArray[np.uint8]
"""One picture of an image-like view: (H, W, C) uint8. RGB order, rows from the top."""


RGB_MEAN = (0.485, 0.456, 0.406)
"""Mean of red, green, blue, values 0 to 1, over natural pictures (ImageNet's, the usual ones)."""
RGB_STD = (0.229, 0.224, 0.225)
"""Their standard deviations; clips of rgb are normalised by these."""

ProgressSink = Callable[[int, int, Mapping[str, float]], None]
"""Long work calls it with (items done, items in all, amounts so far such as {"frames": 1200}) and never prints."""


def check_shape(name: str, tensor: "Tensor | NDArray[Any]", *shape: int | None) -> None:
    """Raise ValueError unless `tensor` has this shape; None matches any length of that axis."""
    actual = tuple(tensor.shape)
    matches = len(actual) == len(shape) and all(
        want is None or want == got for want, got in zip(shape, actual, strict=True)
    )
    if not matches:
        wanted = ", ".join("any" if side is None else str(side) for side in shape)
        raise ValueError(f"{name} has shape {actual}, expected ({wanted})")


VideoStatus = Literal["listed", "ready", "failed", "missing"]


@dataclass(frozen=True)
class VideoEntry:
    """One video: a row of the manifest."""

    id: str
    """Unique in its data set, readable, fit to be a relative path without extension (no "..", no leading "/")."""
    path: str
    """The source file, absolute."""
    label: str | None = None
    """Class name; None where the video has no label."""
    group: str | None = None
    """Videos cut from one source share a group and are never split between training and test; None: its own group."""
    splits: Mapping[str, str] = field(default_factory=dict)
    """Split column -> "train", "test" or "validation". A split this video is not part of has no key."""
    status: VideoStatus = "listed"
    """listed: not yet prepared; ready: all asked-for views are stored; failed: see reason; missing: no such file."""
    reason: str = ""
    """Why the video failed or is missing, or a remark about a ready one ("truncated: ..."); empty otherwise."""
    num_frames: int | None = None
    """Frames stored in every view of this video."""
    fps: float | None = None
    """Frames a second of the stored views."""
    width: int | None = None
    """Of the stored rgb view, in pixels."""
    height: int | None = None
    """Of the stored rgb view, in pixels."""
    duration_seconds: float | None = None
    """num_frames / fps."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """What was counted while views were made, such as "pose.frames_with_person"; without a key: not counted."""
    checksums: Mapping[str, str] = field(default_factory=dict)
    """View -> "<bytes>-<beginning of the SHA-256>" of its stored file; the size is compared when a run starts, the rest
    when the file is first read. Views stored by an older coview have none."""


@dataclass(frozen=True)
class ClipBatch:
    """Raw clips as the loader's workers decode them: no augmentation yet, uint8 for image-like views.

    Attributes:
        views: view name -> (B, M, T, H, W, C) uint8 for image-like views, or (B, M, T, R, K, 3) float32 for keypoints
            (x and y as fractions of width and height, score). Pictures of unequal size in a batch are padded at the
            right and bottom; frames missing in short videos repeat the last one.
        frame_sizes: image-like view name -> (B, 2) int64, the height and width of the picture without its padding.
        entry_indices: (B,) int64, row of each video in the data set.
        random_keys: (B, 3) int64, (seed, epoch, sample): all that augmentation may draw from.
        frame_indices: (B, M, T) int64, which frames were read.
        decode_seconds: how long reading took, summed over those who read.
    """

    views: "Mapping[str, Tensor]"
    frame_sizes: "Mapping[str, Tensor]"
    entry_indices: "Tensor"
    random_keys: "Tensor"
    frame_indices: "Tensor"
    decode_seconds: float = 0.0

    def __post_init__(self) -> None:
        batch, clips, frames = self.frame_indices.shape
        for name, clip in self.views.items():
            check_shape(f"view {name!r}", clip, batch, clips, frames, None, None, None)
        for name, sizes in self.frame_sizes.items():
            check_shape(f"frame_sizes[{name!r}]", sizes, batch, 2)
        check_shape("entry_indices", self.entry_indices, batch)
        check_shape("random_keys", self.random_keys, batch, 3)

    @property
    def num_videos(self) -> int:
        """B."""
        return int(self.frame_indices.shape[0])


@dataclass(frozen=True)
class ViewBatch:
    """Augmented clips as a method takes them, on the model's device.

    Attributes:
        clips: view name -> (B, M, C, T, size, size) float32 (or the autocast type), normalised around 0.
        entry_indices: (B,) int64, row of each video in the data set.
        labels: B class names, None for a video without; empty where nobody asked.
        decode_seconds: how long reading took, summed over those who read.
        augment_seconds: how long augmentation took.
    """

    clips: "Mapping[str, Tensor]"
    entry_indices: "Tensor"
    labels: tuple[str | None, ...] = ()
    decode_seconds: float = 0.0
    augment_seconds: float = 0.0

    def __post_init__(self) -> None:
        (batch,) = self.entry_indices.shape
        if self.labels and len(self.labels) != batch:
            raise ValueError(f"{batch} videos with {len(self.labels)} labels")
        for name, clip in self.clips.items():
            check_shape(f"view {name!r}", clip, batch, None, None, None, None, None)

    @classmethod
    def of(cls, clips: "Mapping[str, Tensor]") -> "ViewBatch":
        """Return a batch of clips (B, C, T, size, size), one a video, or (B, M, C, T, size, size).

        Raises:
            UserError: clips of another shape or of integers, or views of different numbers of videos.
        """
        import torch

        for view, one in clips.items():
            if not isinstance(one, torch.Tensor) or one.ndim not in (5, 6) or not one.is_floating_point():
                got = f"{tuple(one.shape)} {one.dtype}" if isinstance(one, torch.Tensor) else type(one).__name__
                raise UserError(
                    f"clips of {view} are {got}, expected a float tensor (B, C, T, size, size) or (B, M, C, T, size, "
                    "size), normalised around 0; ClipAugmentation makes it of uint8 clips"
                )
        counts = {view: len(one) for view, one in clips.items()}
        if len(set(counts.values())) > 1:
            raise UserError(f"views of one batch have different numbers of videos: {counts}")
        whole = {view: one.unsqueeze(1) if one.ndim == 5 else one for view, one in clips.items()}
        return cls(whole, torch.arange(next(iter(counts.values()), 0)))

    @property
    def num_videos(self) -> int:
        """B."""
        return int(self.entry_indices.shape[0])


def random_generator(*keys: int) -> np.random.Generator:
    """Return a generator that depends on nothing but the keys, such as (seed, epoch, sample, purpose)."""
    return np.random.default_rng(np.random.SeedSequence([key & 0xFFFFFFFFFFFFFFFF for key in keys]))


def unit(features: "Tensor", dim: int = -1) -> "Tensor":
    """Return `features` scaled to length 1 along `dim`; a zero vector stays zero."""
    import torch

    return torch.nn.functional.normalize(features, dim=dim)
