"""The learning rate over a stage: one number that multiplies every group's own."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from coview.config import OptimiserSettings, ScheduleSettings


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
    settings: ScheduleSettings, optimiser: OptimiserSettings, *, step: int, num_steps: int, reductions: int = 0
) -> float:
    """Return what the learning rates of all groups are multiplied with at one step.

    Args:
        settings: the schedule.
        optimiser: its learning rate turns the cosine's final value into a factor.
        step: optimiser step within the stage, from 0.
        num_steps: steps of the stage.
        reductions: cuts so far, for "plateau".
    """
    warmup = min(1.0, (step + 1) / (settings.warmup_steps + 1))
    if settings.name == "constant":
        return warmup
    if settings.name == "plateau":
        return warmup * settings.factor**reductions
    final = settings.final_learning_rate / optimiser.learning_rate
    share_done = min(1.0, max(0, step - settings.warmup_steps) / max(1, num_steps - 1 - settings.warmup_steps))
    return warmup * (final + (1 - final) * 0.5 * (1 + math.cos(math.pi * share_done)))
