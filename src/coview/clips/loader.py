"""Batches of clips in a fixed order, decoded by threads or processes: the same whoever does it, and however many."""

from collections.abc import Callable, Generator, Iterator, Sequence
from itertools import islice
from types import TracebackType
from typing import Any, Literal

import numpy as np
from torch.utils.data import Dataset

from coview.clips.samples import ClipSample, ClipSamples, SampleKey, collate, merge
from coview.clips.threads import threaded_batches
from coview.clips.workers import worker_loader
from coview.datatypes import ClipBatch, random_generator
from coview.errors import UserError
from coview.wording import counted

ORDER_DRAWS = 2
"""Last key of the generator that draws the order of an epoch."""
VALIDATION_EPOCH = 0
"""Stands for the epoch in the random keys of validation clips, so that they are the same every time."""
PIECE = 4
"""Videos a worker process decodes at a time: a batch is shared by all, and little waits decoded in memory."""

Batches = list[list[int]]
WorkerKind = Literal["threads", "processes"]
Finish = Callable[[ClipBatch], Any]


def steps_per_epoch(num_videos: int, *, batch_size: int) -> int:
    """Return the global batches in an epoch: the last incomplete one is dropped unless it is the only one."""
    return max(1, num_videos // batch_size)


def epoch_batches(
    num_videos: int, *, batch_size: int, seed: int, epoch: int, rank: int = 0, world_size: int = 1
) -> Batches:
    """Return one process's videos in each batch of a training epoch.

    The order of the videos depends on the seed and the epoch alone. Each process has an equal, contiguous slice of
    every global batch: slices of rank 0, 1, ... one after another are the batch of a single process.

    Args:
        num_videos: to draw from.
        batch_size: of the global batch.
        seed: of the run.
        epoch: counts from 0.
        rank: of this process.
        world_size: processes.

    Raises:
        UserError: the batch cannot be cut in equal parts, or a process would have no video.
    """
    _check_sizes(num_videos, batch_size=batch_size, world_size=world_size)
    order = random_generator(seed, epoch, 0, ORDER_DRAWS).permutation(num_videos)
    size = min(batch_size, num_videos - num_videos % world_size)
    share = size // world_size
    firsts = [step * size + rank * share for step in range(steps_per_epoch(num_videos, batch_size=batch_size))]
    return [order[first : first + share].tolist() for first in firsts]


def validation_batches(num_videos: int, *, batch_size: int, rank: int = 0, world_size: int = 1) -> Batches:
    """Return one process's videos in each validation batch, in the order of the data set.

    Batches are as few and as equal as `batch_size` allows, so that all videos count about the same; at most
    world_size - 1 videos are left out, to keep the slices of the processes equal.

    Raises:
        UserError: as `epoch_batches`.
    """
    _check_sizes(num_videos, batch_size=batch_size, world_size=world_size)
    shares = np.array_split(np.arange(num_videos // world_size), -(-num_videos // batch_size))
    starts = [(int(share[0]) * world_size + rank * len(share), len(share)) for share in shares if len(share)]
    return [list(range(start, start + count)) for start, count in starts]


def _check_sizes(num_videos: int, *, batch_size: int, world_size: int) -> None:
    if batch_size % world_size:
        raise UserError(f"training.batch_size {batch_size} cannot be shared equally by {world_size} processes")
    if num_videos < world_size:
        videos = counted(num_videos, "video")
        raise UserError(f"{videos} cannot be shared by {world_size} processes; use fewer of either")


class TrainingLoader:
    """The training batches of any epoch from any step on, this process's part of them.

    Workers start once and decode ahead past the end of an epoch, so that going from one epoch to the next costs
    nothing. Use it as a context manager, or call `close`.

    Args:
        dataset: clips by (epoch, index).
        batch_size: of the global batch.
        workers: who decode ahead; 0: decode when a batch is asked for.
        kind: what the workers are.
        finish: what is made of each batch, by the threads where there are some; not given: batches stay as they are.
        rank: of this process.
        world_size: processes that train together.

    Raises:
        UserError: the batch cannot be cut in equal parts.
    """

    def __init__(
        self,
        dataset: ClipSamples,
        *,
        batch_size: int,
        workers: int,
        kind: WorkerKind = "threads",
        finish: Finish | None = None,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        _check_sizes(len(dataset), batch_size=batch_size, world_size=world_size)
        self.dataset = dataset
        self.batch_size = batch_size
        self.workers, self.kind = workers, kind
        self.finish: Finish = finish or keep_batch
        self.rank = rank
        self.world_size = world_size
        self._next = (-1, -1)
        self._batches: Iterator[Any] = iter(())

    def __enter__(self) -> "TrainingLoader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def steps_per_epoch(self) -> int:
        """Global batches in an epoch."""
        return steps_per_epoch(len(self.dataset), batch_size=self.batch_size)

    def epoch(self, epoch: int, *, first_step: int = 0) -> Iterator[Any]:
        """Yield the batches of an epoch from `first_step` on, exactly those of an uninterrupted epoch.

        Asking for the step that follows the last one yielded goes on with the running workers; any other restarts them.

        Raises:
            UserError: a stored view cannot be read, or a worker died.
        """
        if self._next != (epoch, first_step):
            self.close()
            self._batches = _batches(
                self.dataset, self._plan(epoch, first_step), self.finish, workers=self.workers, kind=self.kind
            )
        for step in range(first_step, self.steps_per_epoch):
            self._next = (-1, -1)  # not in a known place until the batch is there
            batch = next(self._batches)
            self._next = (epoch, step + 1) if step + 1 < self.steps_per_epoch else (epoch + 1, 0)
            yield batch

    def close(self) -> None:
        """End the workers."""
        self._next = (-1, -1)
        running, self._batches = self._batches, iter(())
        if isinstance(running, Generator):
            running.close()

    def _plan(self, epoch: int, first_step: int) -> Iterator[list[SampleKey]]:
        """Yield the keys of each batch, epoch after epoch without end."""
        while True:
            batches = epoch_batches(
                len(self.dataset),
                batch_size=self.batch_size,
                seed=self.dataset.seed,
                epoch=epoch,
                rank=self.rank,
                world_size=self.world_size,
            )
            yield from ([(epoch, index) for index in batch] for batch in batches[first_step:])
            epoch, first_step = epoch + 1, 0


def validation_loader(
    dataset: ClipSamples,
    *,
    batch_size: int,
    workers: int = 0,
    kind: WorkerKind = "threads",
    finish: Finish | None = None,
    rank: int = 0,
    world_size: int = 1,
) -> Iterator[Any]:
    """Yield every video once, in the order of the data set, with the same draws every time; see `TrainingLoader`.

    Raises:
        UserError: as `TrainingLoader`.
    """
    batches = validation_batches(len(dataset), batch_size=batch_size, rank=rank, world_size=world_size)
    plan = ([(VALIDATION_EPOCH, index) for index in batch] for batch in batches)
    return _batches(dataset, plan, finish or keep_batch, workers=workers, kind=kind)


def keep_batch(batch: ClipBatch) -> ClipBatch:
    """Make nothing of a batch."""
    return batch


def _batches(
    dataset: Dataset[ClipSample], plan: Iterator[Sequence[SampleKey]], finish: Finish, *, workers: int, kind: WorkerKind
) -> Iterator[Any]:
    """Yield what is made of the batch of every list of keys; worker processes share a batch in pieces."""
    if workers == 0:
        yield from (finish(collate([dataset[key] for key in keys])) for keys in plan)
        return
    if kind == "threads":
        made = threaded_batches(
            plan, read=dataset.__getitem__, finish=lambda samples: finish(collate(samples)), threads=workers
        )
        yield from made
        return
    piece_counts: list[int] = []  # of the batches that workers have been given, oldest first

    def pieces() -> Iterator[Sequence[SampleKey]]:
        for keys in plan:
            piece_counts.append(-(-len(keys) // PIECE))
            yield from (keys[first : first + PIECE] for first in range(0, len(keys), PIECE))

    decoded = worker_loader(dataset, pieces(), collate=collate, workers=workers)
    for first in decoded:
        rest = islice(decoded, piece_counts.pop(0) - 1)
        yield finish(merge([first, *rest]))
