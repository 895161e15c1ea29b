"""The global batch: what the processes of one training run hold together, gathered with gradient."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from coview.compiling import outside_graphs


def world_size() -> int:
    """Return the number of processes that train together; 1 without torch.distributed."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Return which of them this process is, from 0."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def mean_over_processes(value: Tensor) -> Tensor:
    """Return the mean of a tensor over all processes, without gradient."""
    if world_size() == 1:
        return value.detach()
    value = value.detach().clone()
    dist.all_reduce(value)
    return value / world_size()


@outside_graphs
def gather_with_gradient(local: Tensor) -> Tensor:
    """Concatenate a tensor over all processes, in rank order; on one process return it as it is.

    A loss that each process takes as the mean over its own anchors has, averaged over processes, exactly the
    gradient of the mean over all anchors: backward adds up what every process's loss asks of these rows.

    Args:
        local: (n, ...), the same shape on every process.

    Returns:
        (processes * n, ...).
    """
    if world_size() == 1:
        return local
    gathered: Tensor = _Gather.apply(local)  # type: ignore[no-untyped-call]
    return gathered


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, local: Tensor) -> Tensor:
        ctx.num_rows = local.shape[0]
        local = local.contiguous()
        gathered = [torch.empty_like(local) for _ in range(world_size())]
        dist.all_gather(gathered, local)
        return torch.cat(gathered)  # (processes * n, ...)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].contiguous().clone()
        dist.all_reduce(total)
        return total[rank() * ctx.num_rows : (rank() + 1) * ctx.num_rows]
