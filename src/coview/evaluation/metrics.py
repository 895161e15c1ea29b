"""How a metric reads: as a share in per cent or as it is, and which direction is better. The one place that knows."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """What a metric's name means.

    Attributes:
        higher_is_better: which of two values is the better one.
        unit: "%" for what lies between 0 and 1 (an index may also be a little below 0) and is shown in per cent.
    """

    higher_is_better: bool = True
    unit: str = "%"

    @property
    def is_share(self) -> bool:
        """Whether it is shown in per cent."""
        return self.unit == "%"

    @property
    def scale(self) -> float:
        """What a value is multiplied with to be shown."""
        return 100.0 if self.is_share else 1.0

    def text(self, value: float, spread: float | None = None, *, plus_minus: str = " ± ") -> str:
        """Return "41.3", "41.3 ± 2.0", "1.40" or, for a number that does not exist, "-"."""
        if math.isnan(value):
            return "-"
        digits = 1 if self.is_share else 2
        shown = f"{self.scale * value:.{digits}f}"
        return shown if spread is None else f"{shown}{plus_minus}{self.scale * spread:.{digits}f}"

    def better(self, value: float, other: float) -> bool:
        """Say whether `value` is better than `other`; no value is worse than any."""
        if math.isnan(value) or math.isnan(other):
            return math.isnan(other) and not math.isnan(value)
        return value > other if self.higher_is_better else value < other


_SHARE = Metric()
_OTHERS = {"mean entropy": Metric(higher_is_better=False, unit="nats")}


def metric(name: str) -> Metric:
    """Return what a metric's name means; one that is not listed is a share, the higher the better."""
    return _OTHERS.get(name, _SHARE)


def heading(name: str) -> str:
    """Return a metric's name for the head of a column of numbers in per cent: with its unit where that is another."""
    return name if metric(name).is_share else f"{name} ({metric(name).unit})"
