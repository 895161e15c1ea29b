"""Processes that decode: how they start, what they may do, how batches come back, what is said when one dies.

Batches come through shared memory where it has room, else through the pipe, which is slower but needs none: a container
has 64 MB of shared memory unless it is given more, and a process that finds it full would never be heard of again.
"""

import gc
import io
import logging
import math
import multiprocessing
import os
import pickle
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

import cv2
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from coview.errors import UserError
from coview.locks import SHARED_MEMORY, temporary_folder, why_no_processes
from coview.stopping import leave_stopping_to_parent, stop_signals_held_back

logger = logging.getLogger(__name__)

Key = TypeVar("Key")
Sample = TypeVar("Sample")
Batch = TypeVar("Batch")

PREFETCH = 2
_SMALL_BYTES = 2**16
"""Up to this size a tensor goes through the pipe in any case."""


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
    def __init__(self, collate: Callable[[Sequence[Any]], Any], folder: Path | None) -> None:
        self.collate = collate
        self.folder = folder

    def __call__(self, samples: Sequence[Any]) -> Any:
        failed = next((sample for sample in samples if isinstance(sample, UserError)), None)
        return _Packed.of(self.collate(samples), self.folder) if failed is None else failed


@dataclass(frozen=True)
class _InFile:
    """Where a tensor lies in shared memory."""

    path: str
    shape: tuple[int, ...]
    dtype: torch.dtype

    def take(self) -> Tensor:
        """Map the file; its name goes at once, its memory with the tensor."""
        tensor = torch.from_file(self.path, shared=True, size=math.prod(self.shape), dtype=self.dtype)
        Path(self.path).unlink()
        return tensor.view(self.shape)


@dataclass(frozen=True)
class _Packed:
    """A batch on its way: its tensors apart, each in shared memory or as an array that is copied through the pipe."""

    frame: bytes
    tensors: list[_InFile | NDArray[Any]]

    @classmethod
    def of(cls, batch: Any, folder: Path | None) -> "_Packed":
        """Take a batch apart.

        Args:
            batch: whatever can be pickled, with tensors in it.
            folder: in shared memory; None: there is none.
        """
        tensors: list[Tensor] = []

        class TensorsApart(pickle.Pickler):
            def persistent_id(self, value: Any) -> int | None:
                if not isinstance(value, Tensor):
                    return None
                tensors.append(value)
                return len(tensors) - 1

        frame = io.BytesIO()
        TensorsApart(frame, pickle.HIGHEST_PROTOCOL).dump(batch)
        return cls(frame.getvalue(), [_put(tensor.contiguous(), folder) for tensor in tensors])

    def open(self) -> Any:
        """Put the batch together again."""
        tensors = [value.take() if isinstance(value, _InFile) else torch.from_numpy(value) for value in self.tensors]

        class TensorsBack(pickle.Unpickler):
            def persistent_load(self, number: int) -> Tensor:
                return tensors[number]

        return TensorsBack(io.BytesIO(self.frame)).load()


def _put(tensor: Tensor, folder: Path | None) -> _InFile | NDArray[Any]:
    """Put a tensor into shared memory; return it as an array where that has no room for it."""
    array: NDArray[Any] = tensor.numpy()
    if folder is None or array.nbytes <= _SMALL_BYTES:
        return array
    path = folder / secrets.token_hex(8)
    try:
        with path.open("xb", buffering=0) as file:
            os.posix_fallocate(file.fileno(), 0, array.nbytes)  # full memory is an error here, and a crash later
            rest = array.data.cast("B")
            while rest:
                rest = rest[file.write(rest) :]
    except OSError as error:
        path.unlink(missing_ok=True)
        logger.debug("no shared memory for %d bytes: %s", array.nbytes, error)
        return array
    return _InFile(str(path), tuple(tensor.shape), tensor.dtype)


@contextmanager
def _shared_folder() -> Iterator[Path | None]:
    """Give a folder in shared memory; None where there is none."""
    with ExitStack() as held:
        folder = None
        if hasattr(os, "posix_fallocate") and SHARED_MEMORY.is_dir():
            with suppress(OSError):
                folder = held.enter_context(temporary_folder(SHARED_MEMORY))
        yield folder


def free_shared_memory() -> int | None:
    """Return the bytes of shared memory that are free; None where it is not seen as a file system."""
    return shutil.disk_usage(SHARED_MEMORY).free if SHARED_MEMORY.is_dir() else None


def remark_on_shared_memory(held_bytes: int) -> str:
    """Return what to tell when workers hold more at a time than shared memory has free; "" where it is enough."""
    free = free_shared_memory()
    if free is None or held_bytes <= free:
        return ""
    return (
        f"{SHARED_MEMORY} has {free / 2**20:.0f} MB free, and decoding processes hold up to {held_bytes / 2**20:.0f} "
        "MB at a time: what finds no room there goes through pipes, which is slower. Give more (in a container: "
        "--shm-size 2g), or use fewer training.workers"
    )


def worker_loader(
    dataset: Dataset[Sample],
    keys: Iterator[Sequence[Key]],
    *,
    collate: Callable[[Sequence[Sample]], Batch],
    workers: int,
    prefetch: int = PREFETCH,
) -> Iterator[Batch]:
    """Yield `collate([dataset[key] for key in batch])` for each batch of keys, in order, made by other processes.

    The workers end when the iterator is closed or forgotten, and when this process ends, in whatever way. Signals that
    ask to stop are this process's to answer: the workers ignore them.

    Args:
        dataset: is forked with the process on Linux, elsewhere pickled.
        keys: lists of keys; may be endless, is drawn from no further than the workers are ahead.
        collate: many samples -> one batch.
        workers: at least 1.
        prefetch: batches that may wait decoded, a worker.

    Raises:
        UserError: raised by the data set, or a worker died.
    """
    if why := why_no_processes():
        raise UserError(f"{why}; give more (in a container: --shm-size 2g), or take threads")
    with ExitStack() as held:
        folder = held.enter_context(_shared_folder())
        start = partial(_start_worker, parent=os.getpid(), folder=folder)
        guarded = _GuardedCollate(collate, folder)
        made = _started(_loader(dataset, keys, collate=guarded, workers=workers, prefetch=prefetch, start=start))
        crew = list(made._workers)
        held.callback(lambda: [worker.kill() for worker in crew if worker.is_alive()])  # one that hangs
        try:
            while True:
                try:
                    batch = next(made)
                except StopIteration:
                    return
                except RuntimeError as error:
                    raise _explained(error, workers) from error
                if isinstance(batch, UserError):
                    raise batch
                yield batch.open()
        finally:
            made._shutdown_workers()  # they end by themselves, at once or after the piece they are at


def _started(loader: "DataLoader[Any]") -> Any:
    """Return the loader's iterator, its workers begun; a stop signal waits until they ignore it."""
    with stop_signals_held_back():
        return iter(loader)


def _loader(
    dataset: Dataset[Any],
    keys: Iterator[Sequence[Key]],
    *,
    collate: Callable[[Sequence[Any]], Any],
    workers: int,
    prefetch: int,
    start: Callable[[int], None],
) -> "DataLoader[Any]":
    return DataLoader(
        _Guarded(dataset),
        batch_sampler=_Plan(keys),  # type: ignore[arg-type]
        collate_fn=collate,
        num_workers=workers,
        prefetch_factor=prefetch,
        worker_init_fn=start,
        multiprocessing_context=_start_method(),
        generator=torch.Generator(),  # its own: starting workers must not advance the generator that dropout uses
    )


def _start_method() -> str:
    """Fork where it is at hand: a worker then starts at once and shares what this process has imported.

    Safe beside torch's threads and CUDA because a worker touches neither: it only decodes.
    """
    return "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"


def _start_worker(worker: int, *, parent: int, folder: Path | None) -> None:
    """Use one core, and leave stopping to the main process."""

    def clear() -> None:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    leave_stopping_to_parent(parent, at_its_end=clear)
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    gc.freeze()  # the collector would touch, and so copy, every forked page


def _explained(error: RuntimeError, workers: int) -> Exception:
    if "DataLoader worker" not in str(error) or "Caught" in str(error):
        return error
    reason = str(error).splitlines()[0]
    return UserError(
        f"a decoding process died ({reason}). It is usually killed for want of memory. Use fewer than {workers} "
        "processes (training.workers; 0 decodes in the training process) or a smaller batch"
    )
