"""Whether an encoder's gradients in a lower precision, or another layout, are float32's up to rounding."""

import copy
import math
from functools import cached_property

import torch
from torch import Tensor, nn

from coview.encoders.convolution_fault import fill_freed_memory

Gradients = dict[str, Tensor]

FORMATS = {"fp32": torch.float32, "bf16": torch.bfloat16}
"""What is judged. Not fp16: without the scaling of a training loop its gradients vanish."""

ROUNDINGS = 4.0
"""A gradient may differ by this many times what rounding the clips and the weights once changes in it."""

FLIPS = {"fp32": 0.05, "bf16": 0.3}
"""And by this share of its length in any case: a ReLU or a maximum that rounding tips over changes it by a jump."""

USELESS = 0.9
"""By this share of its length no gradient may differ, however much the network enlarges rounding."""


class GradientJudge:
    """Compares gradients with plain float32's, on an encoder's own shapes.

    How much rounding matters depends on the network, so it is measured: float32 computes once more with clips and
    weights rounded to the format. Norms use their running statistics: two clips are then enough, no moments of few
    values enlarge every rounding, and no process waits for another.

    Args:
        encoder: what will be trained; a copy is tried.
        clip_shape: (n, C, T, H, W); at most two clips are used.
        device: where it will train.
    """

    def __init__(self, encoder: nn.Module, clip_shape: tuple[int, ...], device: torch.device) -> None:
        self.encoder = copy.deepcopy(encoder).eval()
        self.encoder.to(device, memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        draw = torch.Generator().manual_seed(0)
        self.clips = torch.randn(min(clip_shape[0], 2), *clip_shape[1:], generator=draw).to(device)
        self.roundings: dict[str, Gradients] = {}

    @cached_property
    def right(self) -> Gradients:
        """Parameter name -> gradient of float32, contiguous."""
        return compute_gradients(self.encoder, self.clips, "fp32")

    def find_fault(self, dtype_name: str, channels_last: bool) -> str:
        """Return what is wrong with the gradients of a setting, "" where they differ by no more than rounding."""
        if dtype_name not in FORMATS or (dtype_name, channels_last) == ("fp32", False):
            return ""
        turned = copy.deepcopy(self.encoder)
        if channels_last:
            turned.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        found = compute_gradients(turned, self.clips, dtype_name)
        if dtype_name not in self.roundings:
            rounded = copy.deepcopy(self.encoder)
            with torch.no_grad():
                for parameter in rounded.parameters():
                    parameter.copy_(round_to(parameter, dtype_name))
            self.roundings[dtype_name] = compute_gradients(rounded, round_to(self.clips, dtype_name), "fp32")
        for name, gradient in self.right.items():
            error = relative_error(found[name], gradient)
            if not math.isfinite(error):
                return f"the gradient of {name} is not finite"
            if gradient.dim() < 2:  # sums with signs, which may cancel; what is wrong with them is so for kernels too
                continue
            rounding = relative_error(self.roundings[dtype_name][name], gradient)
            if error > min(max(ROUNDINGS * rounding, FLIPS[dtype_name]), USELESS):
                return f"the gradient of {name} differs from float32's by {100 * error:.3g} % of its length"
        return ""


def compute_gradients(encoder: nn.Module, clips: Tensor, dtype_name: str) -> Gradients:
    """Return parameter name -> gradient of one pass, along a direction that is drawn the same every time."""
    learning = {name: value for name, value in encoder.named_parameters() if value.requires_grad}
    lower = dtype_name != "fp32"
    fill_freed_memory()
    with torch.enable_grad():
        with torch.autocast(clips.device.type, dtype=FORMATS[dtype_name] if lower else None, enabled=lower):
            features: Tensor = encoder(clips).float()
        direction = torch.randn(features.shape, generator=torch.Generator().manual_seed(1)).to(clips.device)
        gradients = torch.autograd.grad(features, list(learning.values()), direction, allow_unused=True)
    return {
        name: torch.zeros_like(learning[name]) if gradient is None else gradient
        for name, gradient in zip(learning, gradients, strict=True)
    }


def round_to(values: Tensor, dtype_name: str) -> Tensor:
    """Round to the format's bits; for fp32 move each value by one part in 2**23, up and down in turn."""
    if dtype_name != "fp32":
        return values.to(FORMATS[dtype_name]).to(values.dtype)
    signs = torch.ones(values.numel(), device=values.device)
    signs[::2] = -1
    return values * (1 + 2.0**-23 * signs.view(values.shape))


def relative_error(found: Tensor, right: Tensor) -> float:
    """Return the length of the difference by the length of what is right; 0 where both are zero."""
    error, length = float((found - right).norm()), float(right.norm())
    if error == 0:
        return 0.0
    return error / length if length > 0 else 1.0
