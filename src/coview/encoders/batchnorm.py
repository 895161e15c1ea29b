"""Batch normalisation over the batch of all processes, so that N processes train as one does."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional

from coview.compiling import outside_graphs

_Gradients = tuple[Tensor, Tensor, Tensor, None, None, None]


class BatchNorm3d(nn.BatchNorm3d):
    """`nn.BatchNorm3d` whose training moments span every process of the default process group.

    On one process it is `nn.BatchNorm3d` exactly; names and values in the state dict are the same everywhere. Under
    several processes each sees the moments of the global batch, the gradient flows through them, and the running
    statistics stay identical on all processes. Works with any backend that gathers (gloo on CPU, NCCL).

    Attributes:
        is_local: take the moments of this process alone; see `local_moments`.
    """

    is_local = False

    def forward(self, clips: Tensor) -> Tensor:
        """Normalise clips (B, D, T, H, W); every process must call it, in the same order."""
        normalised: Tensor = self._normalise_globally(clips) if spans_processes(self) else super().forward(clips)
        return normalised

    @outside_graphs
    def _normalise_globally(self, clips: Tensor) -> Tensor:
        self._check_input_dim(clips)
        mean, variance, count = _global_moments(clips.detach())
        if self.running_mean is not None and self.running_var is not None and self.momentum is not None:
            with torch.no_grad():
                self.running_mean.lerp_(mean, self.momentum)
                self.running_var.lerp_(variance * (count / (count - 1).clamp_min(1)), self.momentum)
                if self.num_batches_tracked is not None:
                    self.num_batches_tracked.add_(1)
        arguments = (clips, self.weight, self.bias, mean, variance + self.eps, count)
        normalised: Tensor = _NormaliseGlobally.apply(*arguments)  # type: ignore[no-untyped-call]
        return normalised


@contextmanager
def local_moments(network: nn.Module) -> Iterator[None]:
    """Let a network's norms take the moments of this process alone inside the block, so that it may run on one rank."""
    norms = [part for part in network.modules() if isinstance(part, BatchNorm3d)]
    for norm in norms:
        norm.is_local = True
    try:
        yield
    finally:
        for norm in norms:
            norm.is_local = False


def spans_processes(norm: BatchNorm3d) -> bool:
    """Return whether the norm now takes its moments from several processes."""
    is_global = norm.training and not norm.is_local
    return is_global and dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def _global_moments(clips: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return mean (D,), biased variance (D,) and the number of values a channel (), over all processes.

    Each process sends its own mean and variance, which are then combined about the common mean: sums of squares
    would cancel. In float64, so that large counts are exact.
    """
    raw = _in_full(clips)
    mean, variance = torch.batch_norm_update_stats(raw, None, None, 0.0)  # var_mean takes 4 to 15 times as long
    count = torch.full((1,), clips.numel() / clips.shape[1], dtype=torch.float64, device=clips.device)
    local = torch.cat([mean.double(), variance.double(), count])  # (2*D + 1,)
    gathered = [torch.empty_like(local) for _ in range(dist.get_world_size())]
    dist.all_gather(gathered, local)
    everywhere = torch.stack(gathered)  # (processes, 2*D + 1)
    size = clips.shape[1]
    means, variances, counts = everywhere[:, :size], everywhere[:, size:-1], everywhere[:, -1:]
    total = counts.sum()
    common = (counts * means).sum(0) / total  # (D,)
    spread = (counts * (variances + (means - common) ** 2)).sum(0) / total  # (D,)
    return common.to(raw.dtype), spread.to(raw.dtype), total.to(raw.dtype)


def _in_full(values: Tensor) -> Tensor:
    """Return values of less than 32 bits as float32, others as they are."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


class _NormaliseGlobally(torch.autograd.Function):
    """Scale by moments of all processes; backward sends the gradient through those moments on every process."""

    @staticmethod
    def forward(  # the order of arguments is autograd's
        ctx: Any, clips: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, variance: Tensor, count: Tensor
    ) -> Tensor:
        ctx.save_for_backward(clips, weight, mean, variance, count)
        return functional.batch_norm(clips, mean, variance, weight, bias, training=False, eps=0.0)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> _Gradients:
        clips, weight, mean, variance, count = ctx.saved_tensors
        raw = _in_full(clips)
        # As if the moments were constants, in one pass; what flows through them is linear in the clips, another one.
        direct, weight_gradient, bias_gradient = torch.ops.aten.native_batch_norm_backward(
            _in_full(gradients[0]), raw, weight, mean, variance, None, None, False, 0.0, [True, True, True]
        )
        sums = torch.cat([bias_gradient, weight_gradient])
        dist.all_reduce(sums)
        bias_sum, weight_sum = (sums / count * (weight * variance.rsqrt()).repeat(2)).chunk(2)  # (D,) each
        through_moments = functional.batch_norm(raw, mean, variance, weight_sum, bias_sum, training=False, eps=0.0)
        clips_gradient = direct.sub_(through_moments)
        return clips_gradient.to(clips.dtype), weight_gradient, bias_gradient, None, None, None
