"""Chains of convolution -> norm -> ReLU that keep one tensor a convolution for the backward pass; torch keeps two.

A ReLU's output is its norm's input scaled, shifted and clipped: cheap to make again, so only the input is kept. On the
CPU, where it was measured; elsewhere, across processes and under torch.compile it is plain torch.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from coview.encoders.batchnorm import BatchNorm3d, spans_processes
from coview.encoders.convolution import Conv3d, convolution_backward

Link = tuple[Conv3d, BatchNorm3d]
"""A convolution without bias and the norm of its output."""


def run_chain(clips: Tensor, links: Sequence[Link], *, final_relu: bool = True) -> Tensor:
    """Apply convolution -> norm -> ReLU for each link; the last ReLU may be left out.

    Args:
        clips: (B, C, T, H, W).
        links: in their order.
        final_relu: clip the result at 0.

    Returns:
        (B, D, T', H', W'), equal to what the modules would give one after the other.
    """
    (first, norm), *rest = links
    features: Tensor = first(clips)
    for convolution, next_norm in rest:
        features = normalise(features, norm, convolution)
        norm = next_norm
    return normalise(features, norm, None) if final_relu else norm(features)


def normalise(clips: Tensor, norm: BatchNorm3d, convolution: Conv3d | None) -> Tensor:
    """Return norm -> ReLU (-> convolution) of clips (B, D, T, H, W); the part of a chain that saves memory."""
    if clips.device.type != "cpu" or torch.compiler.is_compiling() or spans_processes(norm):
        plain = functional.relu(norm(clips), inplace=True)
        return plain if convolution is None else convolution(plain)
    if norm.training:
        norm._check_input_dim(clips)
        _require_several_values(clips)
        if norm.num_batches_tracked is not None:
            norm.num_batches_tracked.add_(1)
    kernel = None if convolution is None else convolution.weight
    result: Tensor = _NormReLU.apply(clips, norm.weight, norm.bias, kernel, norm, convolution)  # type: ignore[no-untyped-call]
    return result


def _require_several_values(clips: Tensor) -> None:
    if clips.numel() == clips.shape[1]:
        raise ValueError(f"Expected more than 1 value per channel when training, got {tuple(clips.shape)}")


class _NormReLU(torch.autograd.Function):
    """norm -> ReLU (-> convolution), keeping the input and the moments alone."""

    @staticmethod
    def forward(  # the order of arguments is autograd's
        ctx: Any,
        clips: Tensor,
        weight: Tensor,
        bias: Tensor,
        kernel: Tensor | None,
        norm: BatchNorm3d,
        convolution: Conv3d | None,
    ) -> Tensor:
        moments = (norm.running_mean, norm.running_var)
        clipped, mean, inverse = torch.native_batch_norm(
            clips, weight, bias, *moments, norm.training, norm.momentum or 0.0, norm.eps
        )
        clipped.relu_()
        ctx.training, ctx.eps, ctx.convolution = norm.training, norm.eps, convolution
        if not norm.training:
            mean, inverse = (value.clone() for value in moments)  # type: ignore[union-attr]
        ctx.save_for_backward(clips, weight, bias, kernel, mean, inverse)
        return clipped if convolution is None else convolution(clipped)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        clips, weight, bias, kernel, mean, inverse = ctx.saved_tensors
        variance, eps = (inverse.pow(-2), 0.0) if ctx.training else (inverse, ctx.eps)
        clipped = functional.batch_norm(clips, mean, variance, weight, bias, training=False, eps=eps).relu_()
        kernel_gradient = None
        if kernel is not None:
            gradient, kernel_gradient = convolution_backward(ctx.convolution, gradient, clipped, kernel)
        gradient = torch.ops.aten.threshold_backward(gradient, clipped, 0)
        del clipped
        moments = (None, None, mean, inverse) if ctx.training else (mean, inverse, None, None)
        through = torch.ops.aten.native_batch_norm_backward(
            gradient, clips, weight, *moments, ctx.training, ctx.eps, [True, True, True]
        )
        return *through, kernel_gradient, None, None
