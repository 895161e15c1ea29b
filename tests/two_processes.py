"""Runs a function in several gloo processes and brings back what each returned."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

WORLD_SIZE = 2
os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # children's threads that wait leave the processor to others
PRELOADED = ["torch._dynamo", "torch.distributed", "coview.methods.cpc", "coview.training.pretrain", "coview.reports"]
"""torch._dynamo: every optimiser imports it; coview.reports: every command that trains ends with one."""
mp.set_forkserver_preload(PRELOADED)  # imported once, not in every process


def run_in_processes(work: Callable[..., Any], *arguments: Any, folder: Path) -> list[Any]:
    """Call work(rank, *arguments) in each of two processes joined by gloo; return their results in rank order."""
    mp.start_processes(_join_and_work, args=(work, arguments, folder), nprocs=WORLD_SIZE, start_method="forkserver")
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(WORLD_SIZE)]


def half(rank: int, tensor: torch.Tensor) -> torch.Tensor:
    """Return this process's share of a batch."""
    return tensor.chunk(WORLD_SIZE)[rank]


def mean_over_processes(results: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    return {name: torch.stack([result[name] for result in results]).mean(dim=0) for name in results[0]}


def _join_and_work(rank: int, work: Callable[..., Any], arguments: tuple[Any, ...], folder: Path) -> None:
    torch.set_num_threads(1)
    address = f"file://{folder / 'meeting'}"
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=WORLD_SIZE)
    try:
        torch.save(work(rank, *arguments), folder / f"{rank}.pt")
    finally:
        dist.destroy_process_group()
