"""The trainer's feed from a prepared data set: decoded by workers, augmented on the model's device."""

import os
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from coview.augmentation.batch import augment
from coview.clips.loader import PIECE, TrainingLoader, steps_per_epoch, validation_loader
from coview.clips.samples import ClipSamples
from coview.clips.workers import PREFETCH
from coview.config import RunConfig
from coview.datasets.prepared import PreparedDataset
from coview.datatypes import ClipBatch, VideoEntry, ViewBatch
from coview.errors import UserError
from coview.training.distributed import Processes
from coview.views import View

MOST_WORKERS = 8


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
        UserError: no video to train on, or a batch that processes cannot share equally.
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
        self.workers = default_workers() if config.training.workers is None else config.training.workers
        self._loader: TrainingLoader | None = None
        self._loader_views: tuple[str, ...] = ()

    @property
    def steps_per_epoch(self) -> int:
        """Global batches in an epoch."""
        return steps_per_epoch(len(self.train), batch_size=self.config.training.batch_size)

    def training(self, views: Sequence[str], *, epoch: int, first_step: int) -> Generator[ViewBatch]:
        """Yield the batches of an epoch from `first_step` on."""
        for batch in self._training_loader(tuple(views)).epoch(epoch, first_step=first_step):
            yield self._augmented(batch)

    def validation(self, views: Sequence[str]) -> Generator[ViewBatch]:
        """Yield the held-out batches, augmented by the same draws every time."""
        if len(self.held_out) < self.processes.world_size:
            return
        dataset = self._dataset(self.held_out, views)
        shared = {"rank": self.processes.rank, "world_size": self.processes.world_size}
        size = self.config.training.batch_size
        for batch in validation_loader(dataset, batch_size=size, workers=self.workers, **shared):
            yield self._augmented(batch)

    def close(self) -> None:
        """End the decoding processes."""
        if self._loader is not None:
            self._loader.close()
            self._loader = None

    def describe(self) -> str:
        """Return one line for the start of a run."""
        clip, asked = self.config.clip, self.config.training.batch_size
        size = min(asked, len(self.train))
        fewer = f" (training.batch_size is {asked}, more than there are videos)" if size < asked else ""
        return (
            f"{len(self.train)} videos to train on, {len(self.held_out)} held out; {self.steps_per_epoch} batches of "
            f"{size}{fewer} an epoch; clips of {clip.num_blocks} x {clip.block_length} frames, every "
            f"{clip.frame_stride}; {self.workers} decoding process(es)"
        )

    def held_bytes(self) -> int:
        """Return about how much the decoding processes of this machine hold at a time: stored frames are uint8."""
        clip, local = self.config.clip, int(os.environ.get("LOCAL_WORLD_SIZE", 1))
        widest = max((entry.width or 0) * (entry.height or 0) for entry in self.train)
        channels = sum(view.channels for view in self.views.values())
        a_video = widest * channels * clip.clips_per_video * clip.num_blocks * clip.block_length
        batch = min(self.config.training.batch_size, len(self.train)) // self.processes.world_size
        return a_video * (PIECE * PREFETCH * self.workers + batch) * local if self.workers else 0

    def _training_loader(self, views: tuple[str, ...]) -> TrainingLoader:
        """Return the loader of these views; its workers live as long as the views stay the same."""
        if self._loader is None or self._loader_views != views:
            self.close()
            self._loader = TrainingLoader(
                self._dataset(self.train, views),
                batch_size=self.config.training.batch_size,
                workers=self.workers,
                rank=self.processes.rank,
                world_size=self.processes.world_size,
            )
            self._loader_views = views
        return self._loader

    def _dataset(self, entries: Sequence[VideoEntry], views: Sequence[str]) -> ClipSamples:
        chosen = {name: self.views[name] for name in views}
        folder = self.config.training.frame_cache
        cache = None if folder is None else Path(folder)
        return ClipSamples(self.data, entries, chosen, self.config.clip, seed=self.config.seed, frame_cache=cache)

    def _augmented(self, batch: ClipBatch) -> ViewBatch:
        made = augment(batch, self.views, self.config.views, self.config.augment, device=self.processes.device)
        return replace(made, labels=tuple(self.data.entries[row].label for row in batch.entry_indices.tolist()))


def default_workers() -> int:
    """Return a decoding process for each core of this process's share beyond the first, at most 8."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    share = cores // int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    return max(1, min(MOST_WORKERS, share - 1))
