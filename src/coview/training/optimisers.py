"""The rule that updates weights, over the parameters a stage trains."""

from collections.abc import Mapping

import torch
from torch import nn

from coview.config import OptimiserSettings, ViewInput
from coview.encoders import Encoder
from coview.methods import Stage
from coview.training.lars import LARS
from coview.training.schedules import base_learning_rate

BASE_KEY = "base_learning_rate"


def build_optimiser(
    method: nn.Module, stage: Stage, settings: OptimiserSettings, inputs: Mapping[str, ViewInput] | None = None
) -> torch.optim.Optimizer:
    """Build the optimiser of one stage, one parameter group for each submodule it trains.

    What is called `<kind>.<view>` learns at the rate of that view (`views.<view>.learning_rate_factor`), all else at
    the rate of the settings. With `layer_decay` below 1 each layer of an encoder is a group of its own, the last at
    that rate and each one before it at `layer_decay` of the next one's. Each group carries its own learning rate under
    `BASE_KEY`; the schedule multiplies it at every step.
    """
    groups = []
    for name in stage.trainable:
        view = name.split(".")[1] if "." in name else ""
        factor = inputs[view].learning_rate_factor if inputs and view in inputs else 1.0
        rate = base_learning_rate(settings) * factor
        for parameters, share in _layers(method.get_submodule(name), decay=settings.layer_decay):
            groups.append({"params": parameters, "lr": rate * share, BASE_KEY: rate * share})
    if settings.name == "adam":
        return torch.optim.Adam(groups, weight_decay=settings.weight_decay, fused=True)
    if settings.name == "lars":
        options = {"momentum": settings.momentum, "weight_decay": settings.weight_decay, "trust": settings.trust}
        return LARS(groups, lr=base_learning_rate(settings), **options)
    return torch.optim.SGD(groups, momentum=settings.momentum, weight_decay=settings.weight_decay, fused=True)


def _layers(module: nn.Module, *, decay: float) -> list[tuple[list[nn.Parameter], float]]:
    """Return the parameters of a module with their share of the learning rate; an encoder's layer by layer."""
    if decay == 1 or not isinstance(module, Encoder):
        return [(list(module.parameters()), 1.0)]
    layers = [list(layer.parameters()) for layer in module.layers_in_order()]
    layers = [parameters for parameters in layers if parameters]  # pools have none
    known = {id(one) for parameters in layers for one in parameters}
    rest = [one for one in module.parameters() if id(one) not in known]  # behind them all, such as a last norm
    groups = [(parameters, decay ** (len(layers) - place)) for place, parameters in enumerate(layers, start=1)]
    return [*([(rest, 1.0)] if rest else []), *reversed(groups)]


def set_learning_rate(optimiser: torch.optim.Optimizer, factor: float) -> float:
    """Multiply each group's own learning rate with the schedule's factor; return the first group's."""
    for group in optimiser.param_groups:
        group["lr"] = group[BASE_KEY] * factor
    return float(optimiser.param_groups[0]["lr"])
