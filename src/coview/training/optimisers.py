"""The rule that updates weights, over the parameters a stage trains."""

from collections.abc import Iterable

import torch
from torch import nn

from coview.config import OptimiserSettings
from coview.methods import Stage
from coview.training.lars import LARS
from coview.training.schedules import base_learning_rate

BASE_KEY = "base_learning_rate"


def freeze_all_but(method: nn.Module, trainable: Iterable[str]) -> None:
    """Let only the named submodules learn: the rest gets no gradient and runs in eval mode.

    Eval mode matters as much as the gradient: a frozen encoder in train mode keeps changing its running statistics.
    """
    method.requires_grad_(False)
    method.eval()
    for name in trainable:
        module = method.get_submodule(name)
        module.requires_grad_(True)
        module.train()


def build_optimiser(method: nn.Module, stage: Stage, settings: OptimiserSettings) -> torch.optim.Optimizer:
    """Build the optimiser of one stage, one parameter group for each submodule it trains.

    Each group carries its own learning rate under `BASE_KEY`; the schedule multiplies it at every step.
    """
    groups = []
    for name, factor in stage.trainable.items():
        rate = base_learning_rate(settings) * factor
        parameters = list(method.get_submodule(name).parameters())
        groups.append({"params": parameters, "lr": rate, BASE_KEY: rate})
    if settings.name == "adam":
        return torch.optim.Adam(groups, weight_decay=settings.weight_decay, fused=True)
    if settings.name == "lars":
        options = {"momentum": settings.momentum, "weight_decay": settings.weight_decay, "trust": settings.trust}
        return LARS(groups, lr=base_learning_rate(settings), **options)
    return torch.optim.SGD(groups, momentum=settings.momentum, weight_decay=settings.weight_decay, fused=True)


def set_learning_rate(optimiser: torch.optim.Optimizer, factor: float) -> float:
    """Multiply each group's own learning rate with the schedule's factor; return the first group's."""
    for group in optimiser.param_groups:
        group["lr"] = group[BASE_KEY] * factor
    return float(optimiser.param_groups[0]["lr"])
