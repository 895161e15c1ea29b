"""Clips as a plain torch data set, for anybody's loop: an integer in, tensors out."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset, default_collate

from coview.clips.samples import ClipSamples
from coview.config import ClipSettings
from coview.datasets.prepared import PreparedDataset
from coview.datatypes import VideoEntry
from coview.errors import UserError
from coview.views.base import View
from coview.views.opened import open_views
from coview.wording import counted

Item = dict[str, Any]


class ClipDataset(Dataset[Item]):
    """Random clips of the videos of a prepared data set; item i is of video i.

    Which frames an item holds depends on nothing but the seed, the epoch and i. An item is a dict:

    - "views": view name -> (C, T, H, W) uint8, or (M, C, T, H, W) with M > 1 clips a video; all views show the same
      frames. Keypoints are (T, R, K, 3) float32 or (M, T, R, K, 3): R persons, K points, x, y (fractions) and score.
    - "frame_indices": (T,) or (M, T) int64, frames of the stored video.
    - "index": i, and "label": the class name, "" where there is none.

    Example:
        clips = ClipDataset("data/mine", views=["rgb", "flow"], frames=16, stride=2)
        for epoch in range(10):
            clips.set_epoch(epoch)
            for batch in DataLoader(clips, batch_size=8, shuffle=True, num_workers=2):
                rgb = batch["views"]["rgb"]  # (8, 3, 16, H, W) uint8

    Args:
        data: the prepared data set, or its folder.
        views: names of stored views; not given: all of them.
        frames: T, frames in a clip.
        stride: distance between neighbouring frames, in frames of the stored video; shrinks in short videos.
        clips_per_video: M.
        different_times_probability: with M > 1, how often the clips of a video start at different frames.
        split: a split column, such as "split1"; not given: every video that is ready.
        part: which part of that split.
        seed: of the draws.
        size: cut the centred square out of every picture and resize it to this side, in pixels; not given: pictures
            as stored, whose sizes may differ between videos.
        frame_cache: folder for decoded frames; not given: decode every time.

    Raises:
        UserError: no such data set, view or split, or no video in it.
    """

    def __init__(
        self,
        data: PreparedDataset | Path | str,
        views: Sequence[str] | None = None,
        *,
        frames: int = 16,
        stride: int = 2,
        clips_per_video: int = 1,
        different_times_probability: float = 0.5,
        split: str | None = None,
        part: Literal["train", "test", "validation"] = "train",
        seed: int = 0,
        size: int | None = None,
        frame_cache: Path | str | None = None,
    ) -> None:
        if isinstance(views, str):
            raise UserError(f"views is the text {views!r}, expected a list of names such as [{views!r}]")
        for name, value in {"frames": frames, "stride": stride, "clips_per_video": clips_per_video}.items():
            if not isinstance(value, int) or value < 1:
                raise UserError(f"ClipDataset: {name} is {value!r}, expected a whole number of at least 1")
        self.data = data if isinstance(data, PreparedDataset) else PreparedDataset.open(Path(data))
        names = tuple(self.data.view_options) if views is None else tuple(views)
        self.data.require_files(names)
        known = self.data.splits
        if split is not None and split not in known:
            raise UserError(f"{self.data.root} has no split {split!r}; it has: {', '.join(known) or 'none'}")
        self.entries: Sequence[VideoEntry] = self.data.ready if split is None else self.data.part(split, part)
        if not self.entries:
            where = "" if split is None else f" in the {part} part of {split}"
            raise UserError(f"{self.data.root} has no video that is ready{where}; see videos.parquet there")
        self.size = size
        self._samples = ClipSamples(
            self.data,
            self.entries,
            open_views(self.data.view_options, names),
            ClipSettings(
                num_blocks=1,
                block_length=frames,
                frame_stride=stride,
                clips_per_video=clips_per_video,
                different_times_probability=different_times_probability,
            ),
            seed=seed,
            frame_cache=None if frame_cache is None else Path(frame_cache),
        )
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()  # workers that live on see it change

    @property
    def views(self) -> Mapping[str, View]:
        """View name -> view."""
        return self._samples.views

    def __len__(self) -> int:
        return len(self.entries)

    def __repr__(self) -> str:
        clip = self._samples.clip
        return (
            f"ClipDataset({str(self.data.root)!r}, {counted(len(self), 'video')}, views={list(self.views)}, "
            f"frames={clip.num_frames}, stride={clip.frame_stride})"
        )

    def set_epoch(self, epoch: int) -> None:
        """Draw other clips: those of this epoch. Takes effect in workers that are already running, too."""
        self._epoch.fill_(epoch)

    def __getitem__(self, index: int) -> Item:
        """Read the clips of one video.

        Raises:
            IndexError: no such video.
            UserError: a stored view cannot be read.
        """
        if not -len(self) <= index < len(self):
            raise IndexError(f"video {index} of a data set of {len(self)}")
        index = int(index) % len(self)
        sample = self._samples[int(self._epoch), index]
        is_single = len(sample.frame_indices) == 1
        views = {name: self._tensor(np.asarray(clips)) for name, clips in sample.views.items()}
        return {
            "views": {name: clips[0] if is_single else clips for name, clips in views.items()},
            "frame_indices": torch.from_numpy(sample.frame_indices[0] if is_single else sample.frame_indices),
            "index": index,
            "label": self.entries[index].label or "",
        }

    def _tensor(self, clips: NDArray[Any]) -> Tensor:
        """Turn (M, T, H, W, C) uint8 into (M, C, T, H, W); keypoints stay as they are."""
        if clips.dtype != np.uint8:
            return torch.from_numpy(np.array(clips))
        if self.size is not None:
            clips = _centre_squares(clips, self.size)
        return torch.from_numpy(np.array(np.moveaxis(clips, -1, 1), order="C"))  # a copy that may be written to


def collate_clips(items: Sequence[Item]) -> Item:
    """Stack items of a `ClipDataset` whose pictures differ in size: a `collate_fn` for DataLoader.

    Smaller pictures are padded with 0 at the right and bottom, persons likewise. "sizes" is added: view name -> (B, 2)
    int64, height and width without the padding, for `ClipAugmentation`.
    """
    names = [name for name, clips in items[0]["views"].items() if clips.dtype == torch.uint8]
    padded = [{**item, "views": dict(item["views"])} for item in items]
    for name, first in items[0]["views"].items():
        axes = (-2, -1) if name in names else (-3,)
        most = {axis: max(item["views"][name].shape[axis] for item in items) for axis in axes}
        for item in padded:
            clips = item["views"][name]
            amounts = [0, 0] * first.ndim
            for axis, length in most.items():
                amounts[-2 * axis - 1] = length - clips.shape[axis]
            item["views"][name] = functional.pad(clips, amounts)
    batch: Item = default_collate(padded)
    sizes = {name: [item["views"][name].shape[-2:] for item in items] for name in names}
    return {**batch, "sizes": {name: torch.tensor(shapes) for name, shapes in sizes.items()}}


def _centre_squares(clips: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Cut the centred square out of pictures (M, T, H, W, C) and resize it to (M, T, size, size, C)."""
    height, width, channels = clips.shape[2:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    how = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    frames = clips[:, :, top : top + side, left : left + side].reshape(-1, side, side, channels)
    resized = [cv2.resize(np.ascontiguousarray(frame), (size, size), interpolation=how) for frame in frames]
    squares: NDArray[np.uint8] = np.stack(resized).reshape(*clips.shape[:2], size, size, channels)
    return squares
