"""One process or many: started by torchrun, they train as one on the global batch."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, distributed
from torch.distributed.rendezvous import rendezvous

from coview.errors import UserError
from coview.stopping import end_with_launcher, ending_at_once

_PATIENCE = timedelta(days=30)
"""How long a process waits for the others: they may all be suspended together; one that dies is noticed at once."""
_MEETING = timedelta(minutes=5)
"""How long a process waits at the start for the others, which torchrun starts together with it."""


@dataclass(frozen=True)
class Processes:
    """One process and how many train with it.

    Attributes:
        rank: 0 .. world_size - 1; rank 0 alone writes files and shows progress.
        world_size: how many there are.
        device: where this process computes.
    """

    rank: int
    world_size: int
    device: torch.device

    @property
    def is_main(self) -> bool:
        """Whether this is rank 0."""
        return self.rank == 0

    def mean(self, value: Tensor) -> Tensor:
        """Return the mean of a tensor over the processes."""
        if self.world_size > 1:
            value = value.clone()
            distributed.all_reduce(value)
            value /= self.world_size
        return value

    def gather_objects(self, value: Any) -> list[Any]:
        """Return every process's value, in rank order."""
        if self.world_size == 1:
            return [value]
        values: list[Any] = [None] * self.world_size
        distributed.all_gather_object(values, value)
        return values

    def barrier(self) -> None:
        """Wait until every process is here."""
        if self.world_size > 1:
            distributed.barrier()


@contextmanager
def joined_processes(
    device: str = "auto", *, remedy: str = "the last checkpoint is intact: go on with --resume"
) -> Iterator[Processes]:
    """Join the processes that torchrun started, or be the only one.

    Args:
        device: "cpu", "cuda", "cuda:1" or "auto" (a GPU where there is one).
        remedy: what to tell the user where another process has ended.

    Raises:
        UserError: a GPU is asked for and there is none; or another process has ended in the middle of the block.
    """
    rank, world_size = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    chosen = choose_device(device, local_rank=int(os.environ.get("LOCAL_RANK", 0)))
    end_with_launcher()
    if world_size > 1:
        _meet("nccl" if chosen.type == "cuda" else "gloo")
    try:
        yield Processes(rank, world_size, chosen)
    except RuntimeError as error:
        if world_size > 1 and _has_lost_another(error):
            raise UserError(
                f"another of the {world_size} processes has ended, and this one (rank {rank}) with it; what it says "
                f"above or below is the reason; {remedy}"
            ) from error
        raise
    finally:
        if world_size > 1:
            distributed.destroy_process_group()


def _has_lost_another(error: RuntimeError) -> bool:
    """Whether a collective failed because another process is gone. gloo raises plain RuntimeErrors."""
    text = str(error)
    is_collective = isinstance(error, distributed.DistError) or "gloo" in text
    return is_collective and any(word in text for word in ("Connection closed", "Connection reset", "Broken pipe"))


def _meet(backend: str) -> None:
    """Join the processes that torchrun started, and be patient with them from then on.

    Raises:
        UserError: they are not there.
    """
    try:
        with ending_at_once():
            store, rank, world_size = next(rendezvous("env://", timeout=_MEETING))
            distributed.init_process_group(backend, store=store, rank=rank, world_size=world_size, timeout=_PATIENCE)
    except (distributed.DistError, TimeoutError) as error:
        raise UserError(
            f"this process cannot meet the others that torchrun started ({' '.join(str(error).split())[:200]}); start "
            "the same command again"
        ) from error


def choose_device(wanted: str = "auto", *, local_rank: int = 0) -> torch.device:
    """Return the device to compute on.

    Raises:
        UserError: the wanted device is not on this machine.
    """
    if wanted == "cpu" or (wanted == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise UserError(f"device {wanted!r} was asked for, but PyTorch sees no GPU here; use --device cpu")
    chosen = torch.device("cuda", local_rank) if wanted in ("auto", "cuda") else torch.device(wanted)
    if chosen.index is not None and chosen.index >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise UserError(f"device {chosen} was asked for, but this machine has {count} GPU(s), numbered from 0")
    torch.cuda.set_device(chosen)
    return chosen
