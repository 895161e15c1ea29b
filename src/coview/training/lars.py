"""LARS: SGD with momentum whose step, for each weight tensor, is in proportion to that tensor's own length."""

from collections.abc import Callable, Iterable
from typing import Any, overload

import torch
from torch import Tensor


class LARS(torch.optim.Optimizer):
    """Layer-wise adaptive rate scaling (You et al. 2017), as SwaV and ViCC use it.

    For a weight w with gradient g: u = trust * |w| / (|g| + decay * |w|) * (g + decay * w); v = momentum * v + u;
    w = w - rate * v. The factor is 1 where |w| or |g| is 0. Tensors of fewer than two axes, the biases and the scales
    of norms, take u = g: no adaptation and no decay.

    Args:
        params: parameters or groups of them, as for any optimiser of torch.
        lr: learning rate.
        momentum: share of the last step that goes on.
        weight_decay: L2 pull towards zero.
        trust: length of a step over the length of the weight, before the learning rate.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        *,
        lr: float,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        trust: float = 1e-3,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "trust": trust})

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Update every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            if parameters:
                self._update(parameters, group)
        return loss

    def _update(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        gradients = [p.grad for p in parameters if p.grad is not None]
        matrices = [place for place, p in enumerate(parameters) if p.ndim > 1]
        steps = list(gradients)
        if matrices:
            adapted = _adapted([parameters[i] for i in matrices], [gradients[i] for i in matrices], group)
            for place, step in zip(matrices, adapted, strict=True):
                steps[place] = step
        for p in parameters:
            if "momentum_buffer" not in self.state[p]:
                self.state[p]["momentum_buffer"] = torch.zeros_like(p)
        buffers = [self.state[p]["momentum_buffer"] for p in parameters]
        torch._foreach_mul_(buffers, group["momentum"])
        torch._foreach_add_(buffers, steps)
        torch._foreach_add_(parameters, buffers, alpha=-group["lr"])


def _adapted(weights: list[Tensor], gradients: list[Tensor], group: dict[str, Any]) -> list[Tensor]:
    """Return gradient and decay, scaled to the length of each weight."""
    decay, trust = group["weight_decay"], group["trust"]
    weight_norms = torch.stack(torch._foreach_norm(weights))
    gradient_norms = torch.stack(torch._foreach_norm(gradients))
    factors = trust * weight_norms / (gradient_norms + decay * weight_norms)
    factors = torch.where((weight_norms > 0) & (gradient_norms > 0), factors, torch.ones_like(factors))
    steps = torch._foreach_add(gradients, weights, alpha=decay)
    torch._foreach_mul_(steps, list(factors.unbind()))
    return list(steps)
