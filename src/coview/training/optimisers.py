"""The rule that updates weights, over the parameters a stage trains."""

from collections.abc import Mapping

import torch
from torch import nn

from coview.config import OptimiserSettings, ViewInput
from coview.methods import Stage
from coview.training.lars import LARS
from coview.training.schedules import base_learning_rate

BASE_KEY = "base_learning_rate"


def build_optimiser(
    method: nn.Module, stage: Stage, settings: OptimiserSettings, inputs: Mapping[str, ViewInput] | None = None
) -> torch.optim.Optimizer:
    """Build the optimiser of one stage, one parameter group for each submodule it trains.

    What is called `<kind>.<view>` learns at the rate of that view (`views.<view>.learning_rate_factor`), all else at
    the rate of the settings. Each group carries its own learning rate under `BASE_KEY`; the schedule multiplies it at
    every step.
    """
    groups = []
    for name in stage.trainable:
        view = name.split(".")[1] if "." in name else ""
        factor = inputs[view].learning_rate_factor if inputs and view in inputs else 1.0
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
