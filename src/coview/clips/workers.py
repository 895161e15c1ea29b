"""Processes that decode: how they start, what they may do, and what is said when one dies."""

import gc
import logging
import multiprocessing
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import cv2
import torch
from torch.utils.data import DataLoader, Dataset

from coview.errors import UserError

logger = logging.getLogger(__name__)

Key = TypeVar("Key")
Sample = TypeVar("Sample")
Batch = TypeVar("Batch")

PREFETCH = 2
SHARED_MEMORY = Path("/dev/shm")


class _Plan(Generic[Key]):
    """Lets a DataLoader take its lists of keys from a generator that makes them as they are needed."""

    def __init__(self, keys: Iterator[Sequence[Key]]) -> None:
        self.keys = keys

    def __iter__(self) -> Iterator[Sequence[Key]]:
        return self.keys


class _Guarded(Dataset[Any]):
    """Hands a user's error over as a value: an exception would come out of a worker wrapped in a traceback."""

    def __init__(self, dataset: Dataset[Any]) -> None:
        self.dataset = dataset

    def __getitem__(self, key: Any) -> Any:
        try:
            return self.dataset[key]
        except UserError as error:
            return UserError(str(error))


class _GuardedCollate:
    def __init__(self, collate: Callable[[Sequence[Any]], Any]) -> None:
        self.collate = collate

    def __call__(self, samples: Sequence[Any]) -> Any:
        failed = next((sample for sample in samples if isinstance(sample, UserError)), None)
        return self.collate(samples) if failed is None else failed


def worker_loader(
    dataset: Dataset[Sample],
    keys: Iterator[Sequence[Key]],
    *,
    collate: Callable[[Sequence[Sample]], Batch],
    workers: int,
    prefetch: int = PREFETCH,
) -> Iterator[Batch]:
    """Yield `collate([dataset[key] for key in batch])` for each batch of keys, in order, made by other processes.

    The workers end when the iterator is closed or forgotten.

    Args:
        dataset: is forked with the process on Linux, elsewhere pickled.
        keys: lists of keys; may be endless, is drawn from no further than the workers are ahead.
        collate: many samples -> one batch.
        workers: at least 1.
        prefetch: batches that may wait decoded, a worker.

    Raises:
        UserError: raised by the data set, or a worker died.
    """
    loader: DataLoader[Any] = DataLoader(
        _Guarded(dataset),
        batch_sampler=_Plan(keys),  # type: ignore[arg-type]
        collate_fn=_GuardedCollate(collate),
        num_workers=workers,
        prefetch_factor=prefetch,
        worker_init_fn=_start_worker,
        multiprocessing_context=_start_method(),
        generator=torch.Generator(),  # its own: starting workers must not advance the generator that dropout uses
    )
    made = iter(loader)
    while True:
        try:
            batch = next(made)
        except StopIteration:
            return
        except RuntimeError as error:
            raise _explained(error, workers) from error
        if isinstance(batch, UserError):
            raise batch
        yield batch


def _start_method() -> str:
    """Fork where it is at hand: a worker then starts at once and shares what this process has imported.

    Safe beside torch's threads and CUDA because a worker touches neither: it only decodes.
    """
    return "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"


def _start_worker(worker: int) -> None:
    """Use one core, and leave it to the main process to decide about Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    gc.freeze()  # the collector would touch, and so copy, every forked page


def _explained(error: RuntimeError, workers: int) -> Exception:
    if "DataLoader worker" not in str(error) or "Caught" in str(error):
        return error
    free = f"{shutil.disk_usage(SHARED_MEMORY).free / 2**20:.0f} MB" if SHARED_MEMORY.is_dir() else "unknown"
    reason = str(error).splitlines()[0]
    return UserError(
        f"a decoding process died ({reason}). It is usually killed for want of memory, or of shared memory "
        f"({SHARED_MEMORY} has {free} free now; in a container give more with --shm-size). Use fewer than {workers} "
        "processes (training.workers; 0 decodes in the training process) or a smaller batch"
    )
