"""Whole videos as windows, for evaluation: every frame is decoded once though windows overlap, memory stays bounded."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from coview.clips.frame_memory import FrameMemory
from coview.clips.loader import WorkerKind
from coview.clips.samples import ClipSample, VideoTable, collate
from coview.clips.sampling import Indices, clip_indices, start_range, window_indices
from coview.clips.threads import threaded_batches
from coview.clips.workers import worker_loader
from coview.config import ClipSettings
from coview.datasets.prepared import PreparedDataset
from coview.datatypes import ClipBatch, VideoEntry, random_generator
from coview.views.base import View

T = TypeVar("T")
WindowKey = tuple[int, int, int]
"""(index of the video, first window, the one after the last)."""


@dataclass(frozen=True)
class VideoWindows:
    """Some windows of one video, each frame once, however they overlap.

    Attributes:
        frames: view name -> (U, H, W, C) uint8, or (U, R, K, 3) float32 for keypoints.
        places: (W, T) int64, which of these frames each window shows.
        frame_indices: (W, T) int64, which frames of the video these are.
        entry_index: row of the video in the data set.
    """

    frames: Mapping[str, Tensor]
    places: Tensor
    frame_indices: Tensor
    entry_index: int

    def __len__(self) -> int:
        """Return W."""
        return len(self.places)

    def each_frame_once(self) -> ClipSample:
        """Return one sample (M = 1) of all frames, in the order in which they are in the video."""
        numbers = torch.empty(int(self.places.max()) + 1, dtype=self.frame_indices.dtype)
        numbers[self.places] = self.frame_indices
        return ClipSample(
            views={name: frames.numpy()[None] for name, frames in self.frames.items()},
            entry_index=self.entry_index,
            random_key=(0, 0, 0),
            frame_indices=numbers[None].numpy(),
        )

    def distinct_blocks(self, length: int) -> tuple["VideoWindows", Tensor]:
        """Return every block of `length` frames that windows show, once, and (W, N) which of them each window holds."""
        blocks = self.frame_indices.numpy().reshape(-1, length)
        _, first, held = np.unique(blocks, axis=0, return_index=True, return_inverse=True)
        distinct = replace(
            self,
            places=torch.from_numpy(self.places.numpy().reshape(-1, length)[first]),
            frame_indices=torch.from_numpy(blocks[first]),
        )
        return distinct, torch.from_numpy(held.reshape(len(self), -1))

    def samples(self) -> list[ClipSample]:
        """Return one sample (M = 1) a window, each with frames of its own."""
        raw = {name: frames.numpy()[self.places.numpy()] for name, frames in self.frames.items()}  # (W, T, ...)
        return [
            ClipSample(
                views={name: windows[place : place + 1] for name, windows in raw.items()},
                entry_index=self.entry_index,
                random_key=(0, 0, 0),
                frame_indices=self.frame_indices[place : place + 1].numpy(),
            )
            for place in range(len(self))
        ]


class WindowDataset(Dataset[list[ClipSample]]):
    """The uniform half-overlapping windows of videos, the same every time.

    Args:
        data: the prepared data set.
        entries: its ready videos to evaluate, in a fixed order; `index` counts them.
        views: view name -> view.
        clip: which frames make a window.
        max_windows: at most this many a video, evenly spread; None: all.
        clip_seed: instead of all that, one clip of each video at a place drawn by this seed and the video's id.
        frame_memory: keeps frames that were decoded; None: none are kept.
    """

    def __init__(
        self,
        data: PreparedDataset,
        entries: Sequence[VideoEntry],
        views: Mapping[str, View],
        clip: ClipSettings,
        *,
        max_windows: int | None = None,
        clip_seed: int | None = None,
        frame_memory: FrameMemory | None = None,
    ) -> None:
        self.videos = VideoTable(data, entries, frame_memory=frame_memory)
        self.views = dict(views)
        self.clip = clip
        self.max_windows = max_windows
        self.clip_seed = clip_seed

    def __len__(self) -> int:
        return len(self.videos)

    def indices(self, index: int) -> Indices:
        """Return the frames of every window of one video: (W, T)."""
        num_frames = int(self.videos.num_frames[index])
        if self.clip_seed is None:
            return window_indices(num_frames, self.clip, max_windows=self.max_windows)
        name = hashlib.sha256(self.videos.video_id(index).encode()).digest()
        generator = random_generator(self.clip_seed, int.from_bytes(name[:8]))
        return clip_indices(num_frames, self.clip, int(generator.integers(start_range(num_frames, self.clip))))[None]

    def __getitem__(self, key: int | WindowKey) -> list[ClipSample]:
        """Read windows of one video, in order, one sample (M = 1) a window; see `read`."""
        return self.read(key).samples()

    def read(self, key: int | WindowKey) -> VideoWindows:
        """Read windows of one video, in order.

        Args:
            key: a video, or some of its windows: a long video does not fit in memory as a whole.

        Raises:
            UserError: a stored view cannot be read.
        """
        index, first, stop = (key, 0, None) if isinstance(key, int) else key
        frame_indices = self.indices(index)[first:stop]  # (W, T)
        if not 0 <= index < len(self) or len(frame_indices) == 0:
            raise IndexError(key)
        wanted, places = np.unique(frame_indices, return_inverse=True)
        read = {name: self.videos.read(view, index, wanted) for name, view in self.views.items()}
        return VideoWindows(
            frames={name: torch.from_numpy(np.require(frames, requirements="W")) for name, frames in read.items()},
            places=torch.from_numpy(places.reshape(frame_indices.shape)),
            frame_indices=torch.from_numpy(frame_indices),
            entry_index=int(self.videos.entry_indices[index]),
        )


def plan_windows(counts: Sequence[int], *, batch_size: int) -> Iterator[list[WindowKey]]:
    """Yield what each batch reads: whole videos together while they fit, a longer video in several batches.

    Args:
        counts: windows of each video.
        batch_size: most windows in a batch.
    """
    batch: list[WindowKey] = []
    size = 0
    for index, count in enumerate(counts):
        if batch and size + count > batch_size:
            yield batch
            batch, size = [], 0
        for first in range(0, count, batch_size):
            stop = min(first + batch_size, count)
            batch.append((index, first, stop))
            size += stop - first
            if size >= batch_size:
                yield batch
                batch, size = [], 0
    if batch:
        yield batch


def evaluation_batches(
    dataset: WindowDataset, *, batch_size: int, workers: int = 0, kind: WorkerKind = "threads"
) -> Iterator[ClipBatch]:
    """Yield all windows of all videos in order as clips, B of them and M = 1; see `window_batches`."""
    return window_batches(dataset, batch_size=batch_size, workers=workers, kind=kind, finish=_collate_windows)


def window_batches(
    dataset: WindowDataset,
    *,
    batch_size: int,
    workers: int,
    kind: WorkerKind,
    finish: Callable[[Sequence[VideoWindows]], T],
) -> Iterator[T]:
    """Yield what is made of all windows of all videos, in order, at most `batch_size` windows at a time.

    A video with more windows than that spans several batches, and the half window where two of them meet is
    decoded for both: that keeps memory bounded however long a video is.

    Args:
        dataset: windows of videos.
        batch_size: most windows in a batch.
        workers: who decode ahead; 0: decode when a batch is asked for.
        kind: what the workers are.
        finish: what is made of the windows of a batch, by the workers where there are some.

    Raises:
        UserError: a stored view cannot be read, or a worker died.
    """
    counts = [len(dataset.indices(index)) for index in range(len(dataset))]
    plan = plan_windows(counts, batch_size=batch_size)
    if workers == 0:
        return (finish([dataset.read(key) for key in keys]) for keys in plan)
    if kind == "threads":
        return threaded_batches(plan, read=dataset.read, finish=finish, threads=workers)
    return worker_loader(_WindowReader(dataset), plan, collate=finish, workers=workers, prefetch=1)


class _WindowReader(Dataset[VideoWindows]):
    """Windows of videos as worker processes ask for them."""

    def __init__(self, dataset: WindowDataset) -> None:
        self.dataset = dataset

    def __getitem__(self, key: WindowKey) -> VideoWindows:
        return self.dataset.read(key)


def _collate_windows(videos: Sequence[VideoWindows]) -> ClipBatch:
    return collate([window for windows in videos for window in windows.samples()])
