"""One training sample: M clips of one video, the same frames of every view, read as uint8 and not yet augmented."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from coview.clips.frame_cache import VIDEO_SUFFIX, FrameCache
from coview.clips.frame_memory import FrameMemory
from coview.clips.sampling import Indices, clip_indices, random_starts
from coview.config import ClipSettings
from coview.datasets.prepared import PreparedDataset, open_stored, stored_path
from coview.datasets.video_rows import VideoRows, column_of
from coview.datatypes import ClipBatch, VideoEntry, check_shape, random_generator
from coview.errors import UserError, VideoError
from coview.video.device_decoding import read_rgb_on
from coview.video.raw_frames import RAW_SUFFIX, read_frames
from coview.views.base import View

START_DRAWS = 0
"""Last key of the generator that draws where clips start."""

SampleKey = tuple[int, int]
"""(epoch, index of the video): what a sampler hands to a data set."""


@dataclass(frozen=True)
class ClipSample:
    """The clips of one video.

    Attributes:
        views: view name -> (M, T, H, W, C) uint8, a tensor where it was decoded on a device, or (M, T, R, K, 3) float32
            for keypoints.
        entry_index: row of the video in the data set.
        random_key: (seed, epoch, sample).
        frame_indices: (M, T) int64.
        decode_seconds: how long reading took.
    """

    views: Mapping[str, NDArray[Any] | Tensor]
    entry_index: int
    random_key: tuple[int, int, int]
    frame_indices: Indices
    decode_seconds: float = 0.0

    def __post_init__(self) -> None:
        for name, clips in self.views.items():
            check_shape(f"view {name!r}", clips, *self.frame_indices.shape, None, None, None)


class VideoTable:
    """Where some videos of a prepared data set lie and how long they are.

    Columns instead of an object a video: worker processes share or receive a few large things.

    Args:
        data: the prepared data set.
        entries: ready videos of it.
        frame_cache: through which frames are read; None: from the stored files.
        frame_memory: keeps frames, whatever they are read through; None: none are kept.
    """

    def __init__(
        self,
        data: PreparedDataset,
        entries: Sequence[VideoEntry],
        *,
        frame_cache: FrameCache | None = None,
        frame_memory: FrameMemory | None = None,
    ) -> None:
        self.frame_cache, self.frame_memory = frame_cache, frame_memory
        self._rows = VideoRows.of(entries, fields=("id", "num_frames", "checksums"))
        self.num_frames = self._rows.numbers("num_frames").astype(np.int64)
        if not self.num_frames.all():
            lacking = self.video_id(int(np.argmin(self.num_frames)))
            raise UserError(f"video {lacking!r} of {data.root} has no frames recorded; run coview prepare again")
        self.root, self._shards = data.root, data.shards
        self._command = data.prepare_command()
        self.entry_indices = _places_in(data.entries, self._rows)

    def __len__(self) -> int:
        return len(self.num_frames)

    def video_id(self, index: int) -> str:
        """Return the id of one video."""
        return str(self._rows.value(index, "id"))

    def read(self, view: View, index: int, frame_indices: Indices) -> NDArray[Any]:
        """Read frames of one view of one video, as `View.read`.

        Raises:
            UserError: the stored file is gone or damaged; names the video and what to do.
        """
        key = (view.name, self.video_id(index))
        with self._told_as_user_error(view, index):
            if not self._checksum(view, index):  # perhaps a view for the moment
                path = stored_path(self.root, *key, view.suffix)
                raw = path.with_name(path.name.removesuffix(view.suffix) + RAW_SUFFIX)
                if raw.is_file():
                    return read_frames(raw, frame_indices)
            read = partial(self._read_file, view, index)
            if self.frame_memory is not None and view.suffix == VIDEO_SUFFIX:
                return self.frame_memory.read(key, frame_indices, num_frames=int(self.num_frames[index]), read=read)
            return read(frame_indices)

    @contextmanager
    def _told_as_user_error(self, view: View, index: int) -> Iterator[None]:
        try:
            yield
        except (VideoError, OSError) as error:
            video_id = self.video_id(index)
            path = stored_path(self.root, view.name, video_id, view.suffix)
            place, advice = "", f"Delete {path}, and make it anew with: {self._command}"
            if self._shards is not None:
                place = f" in the shards of {self.root}"
                advice = "If it stays so, write the shards again: coview shards"
            raise UserError(
                f"the stored view {view.name!r} of video {video_id!r}{place} cannot be read: {error}. {advice}"
            ) from error

    def _read_file(self, view: View, index: int, frame_indices: Indices) -> NDArray[Any]:
        """Read frames through the cache, if there is one: only of what it lacks is the file opened, or fetched."""
        opened = partial(self._opened, view, index)
        if self.frame_cache is not None:
            num_frames, checksum = int(self.num_frames[index]), self._checksum(view, index)
            return self.frame_cache.read(view, opened, frame_indices, num_frames=num_frames, checksum=checksum)
        with opened() as path:
            return view.read(path, frame_indices)

    def _opened(self, view: View, index: int) -> AbstractContextManager[Path]:
        """Give the stored file, compared with its checksum, for a block."""
        return open_stored(
            self.root,
            self._shards,
            view=view.name,
            video_id=self.video_id(index),
            suffix=view.suffix,
            checksum=self._checksum(view, index),
        )

    def _checksum(self, view: View, index: int) -> str:
        return self._rows.value(index, "checksums", view.name) or ""

    def read_once(self, view: View, index: int, frame_indices: Indices) -> NDArray[Any]:
        """Return (M, T, ...) for frame indices (M, T), decoding each frame once however the M clips overlap."""
        if (frame_indices == frame_indices[0]).all():
            frames = self.read(view, index, frame_indices[0])
            return np.broadcast_to(frames, (len(frame_indices), *frames.shape))
        wanted, places = np.unique(frame_indices, return_inverse=True)
        chosen: NDArray[Any] = self.read(view, index, wanted)[places.reshape(frame_indices.shape)]
        return chosen

    def read_on(self, device: torch.device, view: View, index: int, frame_indices: Indices) -> Tensor:
        """Return (M, T, H, W, 3) uint8 on a device, as `read_once`, of a view that stores rgb; nothing is kept.

        Raises:
            UserError: as `read`; or torchcodec cannot decode there.
        """
        is_shared = (frame_indices == frame_indices[0]).all()
        wanted, places = (frame_indices[0], None) if is_shared else np.unique(frame_indices, return_inverse=True)
        with self._told_as_user_error(view, index), self._opened(view, index) as path:
            frames = read_rgb_on(device, path, wanted)
        if places is None:
            return frames.expand(len(frame_indices), *frames.shape)  # (M, T, H, W, 3)
        return frames[torch.from_numpy(places.reshape(frame_indices.shape))]  # (M, T, H, W, 3)


def _places_in(everyone: Sequence[VideoEntry], rows: VideoRows) -> NDArray[np.int64]:
    """Return where videos of a data set stand among all of its videos."""
    if isinstance(everyone, VideoRows) and everyone.table is rows.table and len(everyone) == rows.table.num_rows:
        return rows.places
    places = {video_id: place for place, video_id in enumerate(column_of(everyone, "id"))}
    return np.array([places[video_id] for video_id in rows.column("id")], dtype=np.int64)


class ClipSamples(Dataset[ClipSample]):
    """Random clips for the training loop: item (epoch, index) depends on nothing but the seed and these two.

    Args:
        data: the prepared data set.
        entries: the ready videos to draw from, in a fixed order; `index` counts them.
        views: view name -> view.
        clip: which frames make a clip, and M.
        seed: of the run.
        frame_cache: folder for decoded frames; None: decode every time.
        frame_memory: keeps frames that were decoded; None: none are kept.
        decode_on: device on which torchcodec decodes the views that store rgb; None: every view is decoded by PyAV.
    """

    def __init__(
        self,
        data: PreparedDataset,
        entries: Sequence[VideoEntry],
        views: Mapping[str, View],
        clip: ClipSettings,
        *,
        seed: int,
        frame_cache: Path | None = None,
        frame_memory: FrameMemory | None = None,
        decode_on: torch.device | None = None,
    ) -> None:
        cache = None if frame_cache is None else FrameCache(frame_cache)
        self.videos = VideoTable(data, entries, frame_cache=cache, frame_memory=frame_memory)
        self.views = dict(views)
        self.clip = clip
        self.seed = seed
        self.decode_on = decode_on

    def __len__(self) -> int:
        return len(self.videos)

    def __getitem__(self, key: SampleKey) -> ClipSample:
        """Read the clips of video `index` in an epoch.

        Raises:
            UserError: a stored view cannot be read.
        """
        epoch, index = key
        began = time.perf_counter()
        num_frames = int(self.videos.num_frames[index])
        starts = random_starts(num_frames, self.clip, random_generator(self.seed, epoch, index, START_DRAWS))
        frame_indices = np.stack([clip_indices(num_frames, self.clip, int(start)) for start in starts])  # (M, T)
        clips = {name: self._read(view, index, frame_indices) for name, view in self.views.items()}
        return ClipSample(
            views=clips,
            entry_index=int(self.videos.entry_indices[index]),
            random_key=(self.seed, epoch, index),
            frame_indices=frame_indices,
            decode_seconds=time.perf_counter() - began,
        )

    def _read(self, view: View, index: int, frame_indices: Indices) -> NDArray[Any] | Tensor:
        if self.decode_on is not None and view.stores_rgb:
            return self.videos.read_on(self.decode_on, view, index, frame_indices)
        return self.videos.read_once(view, index, frame_indices)


def collate(samples: Sequence[ClipSample]) -> ClipBatch:
    """Stack samples; pictures of unequal size are padded with 0 at the right and bottom, persons likewise.

    Args:
        samples: B samples with the same views, M and T.
    """
    names = samples[0].views
    stacked = {name: _stack([sample.views[name] for sample in samples]) for name in names}
    sizes = {name: [sample.views[name].shape[2:4] for sample in samples] for name in names}
    return ClipBatch(
        views=stacked,
        frame_sizes={name: torch.tensor(sizes[name]) for name in names if stacked[name].dtype == torch.uint8},
        entry_indices=torch.tensor([sample.entry_index for sample in samples]),
        random_keys=torch.tensor([sample.random_key for sample in samples]),
        frame_indices=torch.from_numpy(np.stack([sample.frame_indices for sample in samples])),
        decode_seconds=sum(sample.decode_seconds for sample in samples),
    )


def merge(batches: Sequence[ClipBatch]) -> ClipBatch:
    """Return one batch of the videos of several, in order."""
    if len(batches) == 1:
        return batches[0]
    first = batches[0]
    return ClipBatch(
        views={
            name: _stack([clips for batch in batches for clips in batch.views[name].numpy()]) for name in first.views
        },
        frame_sizes={name: torch.cat([batch.frame_sizes[name] for batch in batches]) for name in first.frame_sizes},
        entry_indices=torch.cat([batch.entry_indices for batch in batches]),
        random_keys=torch.cat([batch.random_keys for batch in batches]),
        frame_indices=torch.cat([batch.frame_indices for batch in batches]),
        decode_seconds=sum(batch.decode_seconds for batch in batches),
    )


def _stack(clips: Sequence[NDArray[Any] | Tensor]) -> Tensor:
    """Stack B clips (M, T, H, W, C) of any H and W to (B, M, T, max H, max W, C), where they lie."""
    height, width = (max(clip.shape[axis] for clip in clips) for axis in (2, 3))
    shape = (len(clips), *clips[0].shape[:2], height, width, clips[0].shape[4])
    is_padded = any(clip.shape[2:4] != (height, width) for clip in clips)
    out: Any
    if isinstance(clips[0], Tensor):
        out = clips[0].new_zeros(shape) if is_padded else clips[0].new_empty(shape)
    else:
        out = np.zeros(shape, clips[0].dtype) if is_padded else np.empty(shape, clips[0].dtype)
    for place, clip in zip(out, clips, strict=True):
        place[:, :, : clip.shape[2], : clip.shape[3]] = clip
    return torch.as_tensor(out)
