"""Whole videos as windows, for evaluation: every frame is decoded once though windows overlap, memory stays bounded."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch.utils.data import Dataset

from coview.clips.frame_memory import FrameMemory
from coview.clips.loader import Finish, WorkerKind, keep_batch
from coview.clips.samples import ClipSample, VideoTable, collate
from coview.clips.sampling import Indices, clip_indices, start_range, window_indices
from coview.clips.threads import threaded_batches
from coview.clips.workers import worker_loader
from coview.config import ClipSettings
from coview.datasets.prepared import PreparedDataset
from coview.datatypes import ClipBatch, VideoEntry, random_generator
from coview.views.base import View

WindowKey = tuple[int, int, int]
"""(index of the video, first window, the one after the last)."""


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
        """Read windows of one video, in order, one sample (M = 1) a window.

        Args:
            key: a video, or some of its windows: a long video does not fit in memory as a whole.

        Raises:
            UserError: a stored view cannot be read.
        """
        index, first, stop = (key, 0, None) if isinstance(key, int) else key
        frame_indices = self.indices(index)[first:stop]  # (W, T)
        if not 0 <= index < len(self) or len(frame_indices) == 0:
            raise IndexError(key)
        raw = {name: self.videos.read_once(view, index, frame_indices) for name, view in self.views.items()}
        row = int(self.videos.entry_indices[index])
        return [
            ClipSample(
                views={name: windows[place : place + 1] for name, windows in raw.items()},
                entry_index=row,
                random_key=(0, 0, 0),
                frame_indices=frame_indices[place : place + 1],
            )
            for place in range(len(frame_indices))
        ]


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
    dataset: WindowDataset,
    *,
    batch_size: int,
    workers: int = 0,
    kind: WorkerKind = "threads",
    finish: Finish | None = None,
) -> Iterator[Any]:
    """Yield all windows of all videos in order, at most `batch_size` at a time; B counts windows here and M is 1.

    A video with more windows than that spans several batches, and the half window where two of them meet is
    decoded for both: that keeps memory bounded however long a video is.

    Args:
        dataset: windows of videos.
        batch_size: most windows in a batch.
        workers: who decode ahead; 0: decode when a batch is asked for.
        kind: what the workers are.
        finish: what is made of each batch, by the threads where there are some; not given: batches stay as they are.

    Raises:
        UserError: a stored view cannot be read, or a worker died.
    """
    finish = finish or keep_batch
    counts = [len(dataset.indices(index)) for index in range(len(dataset))]
    plan = plan_windows(counts, batch_size=batch_size)
    if workers == 0:
        return (finish(_collate_windows([dataset[key] for key in keys])) for keys in plan)
    if kind == "threads":
        return threaded_batches(
            plan,
            read=dataset.__getitem__,
            finish=lambda videos: finish(_collate_windows(videos)),
            threads=workers,
        )
    return map(finish, worker_loader(dataset, plan, collate=_collate_windows, workers=workers, prefetch=1))


def _collate_windows(videos: Sequence[Sequence[ClipSample]]) -> ClipBatch:
    return collate([window for windows in videos for window in windows])
