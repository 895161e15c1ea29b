"""The trainer's feed from a prepared data set: decoded by threads or processes, augmented on the model's device."""

import logging
import os
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from coview.augmentation.batch import augment
from coview.clips.frame_memory import FrameMemory, decoded_bytes, room_for_frames
from coview.clips.loader import PIECE, TrainingLoader, WorkerKind, steps_per_epoch, validation_loader
from coview.clips.samples import ClipSamples, VideoTable
from coview.clips.workers import PREFETCH
from coview.config import RunConfig
from coview.datasets.prepared import PreparedDataset
from coview.datasets.video_rows import numbers_of, value_of
from coview.datatypes import ClipBatch, VideoEntry, ViewBatch
from coview.errors import UserError
from coview.locks import why_no_processes
from coview.training.distributed import Processes
from coview.training.transfer import sent_ahead
from coview.views import View
from coview.wording import counted

logger = logging.getLogger(__name__)

MOST_WORKERS = 8
MOST_CORES_FOR_THREADS = 4
"""Of a process's share: Python's lock lets about this many decode at a time."""


class VideoFeed:
    """Batches of augmented clips; see `coview.training.feed.Feed`.

    Args:
        data: the prepared data set.
        train: ready videos to train on.
        validation: ready videos held out, possibly none.
        views: view name -> view, those of the run.
        config: the run's settings.
        processes: this process and how many there are.

    Raises:
        UserError: no video to train on, a batch that processes cannot share equally, or a decoder that is not there or
            does not go with other settings.
    """

    def __init__(
        self,
        data: PreparedDataset,
        train: Sequence[VideoEntry],
        validation: Sequence[VideoEntry],
        views: Mapping[str, View],
        *,
        config: RunConfig,
        processes: Processes,
    ) -> None:
        if not train:
            raise UserError(
                f"no video of {data.root} is ready to train on; see 'status' and 'reason' in videos.parquet"
            )
        self.data, self.train, self.held_out = data, train, validation
        self.views, self.config, self.processes = dict(views), config, processes
        self.workers, self.kind = choose_workers(config)
        self.decode_on = self._decoding_device()
        if self.decode_on is not None:
            self.kind = "threads"
        self.frame_memory = self._frame_memory()
        self._loader: TrainingLoader | None = None
        self._loader_views: tuple[str, ...] = ()

    @property
    def steps_per_epoch(self) -> int:
        """Global batches in an epoch."""
        return steps_per_epoch(len(self.train), batch_size=self.config.training.batch_size)

    def training(self, views: Sequence[str], *, epoch: int, first_step: int) -> Generator[ViewBatch]:
        """Yield the batches of an epoch from `first_step` on."""
        yield from self._ready(self._training_loader(tuple(views)).epoch(epoch, first_step=first_step))

    def validation(self, views: Sequence[str]) -> Generator[ViewBatch]:
        """Yield the held-out batches, augmented by the same draws every time."""
        if len(self.held_out) < self.processes.world_size:
            return
        dataset = self._dataset(self.held_out, views)
        size = self.config.training.batch_size
        yield from self._ready(validation_loader(dataset, batch_size=size, **self._loading()))

    def close(self) -> None:
        """End the workers."""
        if self._loader is not None:
            self._loader.close()
            self._loader = None

    def describe(self) -> str:
        """Return one line for the start of a run."""
        clip, asked = self.config.clip, self.config.training.batch_size
        size = min(asked, len(self.train))
        fewer = f" (training.batch_size is {asked}, more than there are videos)" if size < asked else ""
        return (
            f"{counted(len(self.train), 'video')} to train on, {len(self.held_out)} held out; "
            f"{counted(self.steps_per_epoch, 'batch')} of {size}{fewer} an epoch; clips of "
            f"{clip.num_blocks} x {clip.block_length} frames, every {clip.frame_stride}; {self._describe_workers()}"
        )

    def _describe_workers(self) -> str:
        worker = "thread" if self.kind == "threads" else "process"
        who = f"{counted(self.workers, worker)} for decoding" if self.workers else "decoding as needed"
        if self.decode_on is not None:
            who += f", rgb by torchcodec on {self.decode_on}"
        return who if self.frame_memory is None else f"{who}, frames once decoded are kept"

    def held_bytes(self) -> int:
        """Return about how much shared memory the decoding processes of this machine hold: stored frames are uint8."""
        clip, local = self.config.clip, int(os.environ.get("LOCAL_WORLD_SIZE", 1))
        widest = int((numbers_of(self.train, "width") * numbers_of(self.train, "height")).max())
        channels = sum(view.channels for view in self.views.values())
        a_video = widest * channels * clip.clips_per_video * clip.num_blocks * clip.block_length
        batch = min(self.config.training.batch_size, len(self.train)) // self.processes.world_size
        through_memory = self.workers and self.kind == "processes"
        return a_video * (PIECE * PREFETCH * self.workers + batch) * local if through_memory else 0

    def _training_loader(self, views: tuple[str, ...]) -> TrainingLoader:
        """Return the loader of these views; its workers live as long as the views stay the same."""
        if self._loader is None or self._loader_views != views:
            self.close()
            self._loader = TrainingLoader(
                self._dataset(self.train, views),
                batch_size=self.config.training.batch_size,
                **self._loading(),
            )
            self._loader_views = views
        return self._loader

    def _dataset(self, entries: Sequence[VideoEntry], views: Sequence[str]) -> ClipSamples:
        chosen = {name: self.views[name] for name in views}
        folder = self.config.training.frame_cache
        cache = None if folder is None else Path(folder)
        return ClipSamples(
            self.data,
            entries,
            chosen,
            self.config.clip,
            seed=self.config.seed,
            frame_cache=cache,
            frame_memory=self.frame_memory,
            decode_on=self.decode_on,
        )

    def _loading(self) -> dict[str, Any]:
        """Return how loaders load: by whom, for which process, and whether they augment."""
        return {
            "workers": self.workers,
            "kind": self.kind,
            "finish": self._augmented if self._loaders_augment else None,
            "rank": self.processes.rank,
            "world_size": self.processes.world_size,
        }

    @property
    def _loaders_augment(self) -> bool:
        return self.processes.device.type == "cpu"  # a GPU's work is begun by one thread, in its order

    def _ready(self, batches: Iterator[Any]) -> Generator[ViewBatch]:
        if self._loaders_augment:
            yield from batches
        else:
            yield from map(self._augmented, sent_ahead(batches, self.processes.device))

    def _augmented(self, batch: ClipBatch) -> ViewBatch:
        began = time.perf_counter()
        made = augment(batch, self.views, self.config.views, self.config.augment, device=self.processes.device)
        return replace(
            made,
            labels=tuple(value_of(self.data.entries, row, "label") for row in batch.entry_indices.tolist()),
            decode_seconds=batch.decode_seconds,
            augment_seconds=time.perf_counter() - began,
        )

    def _decoding_device(self) -> torch.device | None:
        """Return where torchcodec is to decode, once it has decoded a frame there; None where PyAV is to.

        Raises:
            UserError: it cannot, or settings that do not go with it.
        """
        training, device = self.config.training, self.processes.device
        if training.decoder == "pyav":
            return None
        if training.worker_kind == "processes":
            raise UserError(
                "training.decoder is torchcodec and training.worker_kind processes, which cannot hand over frames on a "
                "device. Leave worker_kind at auto, which takes threads then, or decoder at pyav"
            )
        if training.frame_cache or training.frame_memory:
            name = "frame_cache" if training.frame_cache else "frame_memory"
            raise UserError(
                f"training.decoder is torchcodec and training.{name} is set: it keeps frames that pyav decoded, and "
                "torchcodec decodes them each time anew. Leave one of the two as it is by default"
            )
        rgb = next((view for view in self.views.values() if view.stores_rgb), None)
        if rgb is None:
            raise UserError(
                f"training.decoder is torchcodec, which decodes rgb, and the run has {', '.join(self.views)} alone; "
                "leave it at pyav"
            )
        VideoTable(self.data, [self.train[0]]).read_on(device, rgb, 0, np.zeros((1, 1), np.int64))
        return device

    def _frame_memory(self) -> FrameMemory | None:
        """Return where decoded frames are kept; None where they do not fit, or would be kept once a process."""
        if self.decode_on is not None or (self.workers and self.kind == "processes"):
            return None
        asked = self.config.training.frame_memory
        room = room_for_frames() if asked is None else asked * 2**20
        needed = decoded_bytes([*self.train, *self.held_out], list(self.views.values()))
        if needed is None or needed > room:
            if asked:
                logger.info("decoded frames do not fit into training.frame_memory: they are decoded every time")
            return None
        return FrameMemory()


def choose_workers(config: RunConfig) -> tuple[int, WorkerKind]:
    """Return how many workers a run has and what they are: as set, else as suits this process's share of the cores."""
    workers = default_workers() if config.training.workers is None else config.training.workers
    kind = default_worker_kind() if config.training.worker_kind == "auto" else config.training.worker_kind
    if workers and kind == "processes" and (why := why_no_processes()):
        logger.warning("%s; threads decode, which gives the same batches", why)
        kind = "threads"
    return workers, kind


def default_worker_kind() -> WorkerKind:
    """Return threads where this process has few cores, or processes cannot work together."""
    return "threads" if _cores() <= MOST_CORES_FOR_THREADS or why_no_processes() else "processes"


def default_workers() -> int:
    """Return a worker for each core of this process's share beyond the first, at least 1 and at most 8."""
    return max(1, min(MOST_WORKERS, _cores() - 1))


def _cores() -> int:
    """Return this process's share of the cores."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores // int(os.environ.get("LOCAL_WORLD_SIZE", 1))
