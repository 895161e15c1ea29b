"""The learning rate over a stage: one number that multiplies every group's own."""

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

from coview.config import OptimiserSettings, ScheduleSettings

DEFAULT_LEARNING_RATES = {"adam": 1e-3, "sgd": 1e-2, "lars": 0.6}
LARS_REFERENCE_BATCH = 192
"""The batch for which ViCC gives 0.6."""


def base_learning_rate(optimiser: OptimiserSettings) -> float:
    """Return the learning rate before the schedule, the optimiser's usual one where none is set."""
    return optimiser.learning_rate or DEFAULT_LEARNING_RATES[optimiser.name]


def scaled_learning_rates(
    schedule: ScheduleSettings, optimiser: OptimiserSettings, *, batch_size: int
) -> tuple[ScheduleSettings, OptimiserSettings]:
    """Return both settings with the learning rates that hold for a global batch, and no reference batch left.

    Linear in the batch (Goyal et al. 2017). Scaling what is scaled already changes nothing.
    """
    reference = optimiser.reference_batch
    if optimiser.learning_rate is None and optimiser.name == "lars" and reference is None:
        reference = LARS_REFERENCE_BATCH
    scale = 1.0 if reference is None else batch_size / reference
    rate = base_learning_rate(optimiser) * scale
    return (
        replace(schedule, final_learning_rate=schedule.final_learning_rate * scale),
        replace(optimiser, learning_rate=rate, reference_batch=None),
    )


@dataclass
class Plateau:
    """Counts epochs without improvement; its state is part of a checkpoint.

    Attributes:
        best: lowest loss seen in this stage.
        epochs_since_best: epochs after that one.
        reductions: how often the learning rate has been cut.
    """

    best: float = math.inf
    epochs_since_best: int = 0
    reductions: int = 0

    def observe(self, loss: float, *, patience: int) -> None:
        """Take in the loss of one more epoch; cut the learning rate after more than `patience` without a better one."""
        if loss < self.best:
            self.best, self.epochs_since_best = loss, 0
            return
        self.epochs_since_best += 1
        if self.epochs_since_best > patience:
            self.reductions += 1
            self.epochs_since_best = 0

    def state_dict(self) -> dict[str, Any]:
        """Return the state as plain values."""
        return asdict(self)


def learning_rate_factor(
    settings: ScheduleSettings,
    optimiser: OptimiserSettings,
    *,
    step: int,
    num_steps: int,
    epochs: int = 1,
    reductions: int = 0,
) -> float:
    """Return what the learning rates of all groups are multiplied with at one step.

    Args:
        settings: the schedule.
        optimiser: its learning rate turns the schedule's final value into a factor.
        step: optimiser step within the stage, from 0.
        num_steps: steps of the stage.
        epochs: epochs of the stage, to which a cosine's horizon is compared.
        reductions: cuts so far, for "plateau".
    """
    warmup = min(1.0, (step + 1) / (settings.warmup_steps + 1))
    if settings.name == "constant":
        return warmup
    final = settings.final_learning_rate / base_learning_rate(optimiser)
    if settings.name == "plateau":
        return warmup * max(settings.factor**reductions, min(1.0, final))
    if settings.name == "steps":
        passed = sum(step >= round(share * num_steps) for share in settings.milestones)
        return warmup * settings.factor**passed
    if settings.horizon_epochs is not None:
        num_steps = max(num_steps, round(num_steps * settings.horizon_epochs / epochs))
    share_done = min(1.0, max(0, step - settings.warmup_steps) / max(1, num_steps - 1 - settings.warmup_steps))
    return warmup * (final + (1 - final) * 0.5 * (1 + math.cos(math.pi * share_done)))
