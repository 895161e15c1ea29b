"""What a metric is given and what it returns."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from coview.evaluation.query_gallery import QueryGallerySplit


@dataclass(frozen=True)
class Scale:
    """How a value reads: what it is shown as, and which direction is better.

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
    def factor(self) -> float:
        """What a value is multiplied with to be shown."""
        return 100.0 if self.is_share else 1.0

    def text(self, value: float, spread: float | None = None) -> str:
        """Return "41.3", "41.3 ± 2.0", "1.40" or, for a number that does not exist, "-"."""
        if math.isnan(value):
            return "-"
        digits = 1 if self.is_share else 2
        shown = f"{self.factor * value:.{digits}f}"
        return shown if spread is None or math.isnan(spread) else f"{shown} ± {self.factor * spread:.{digits}f}"

    def better(self, value: float, other: float) -> bool:
        """Say whether `value` is better than `other`; no value is worse than any."""
        if math.isnan(value) or math.isnan(other):
            return math.isnan(other) and not math.isnan(value)
        return value > other if self.higher_is_better else value < other


@dataclass(frozen=True)
class MetricValues:
    """What a metric measured.

    Attributes:
        scores: name -> value, such as {"R@1": 0.4}; nan where there is none.
        scales: name -> how it reads, for those that are not shares of which more is better.
        predicted: the class that each query was given, "" for none; empty where the metric gives none. The first of
            `scores` is then the share of queries that were given their own.
        probabilities: (q, C) of `classes`, for metrics whose ensembles mix probabilities in place of cosines.
        classes: C class names.
    """

    scores: Mapping[str, float]
    scales: Mapping[str, Scale] = field(default_factory=dict)
    predicted: Sequence[str] = ()
    probabilities: NDArray[np.float32] | None = None
    classes: Sequence[str] = ()


class Metric(Protocol):
    """A metric; it may take settings as further keyword arguments that have defaults."""

    def __call__(
        self, features: NDArray[np.float32], labels: Sequence[str], split: QueryGallerySplit, /
    ) -> MetricValues | Mapping[str, float]:
        """Measure features.

        Args:
            features: (n, D) unit rows.
            labels: n class names.
            split: which rows are queries and which the gallery.

        Returns:
            Name -> value, or `MetricValues` that say more.
        """


def as_values(found: MetricValues | Mapping[str, float]) -> MetricValues:
    """Return what a metric returned as `MetricValues`."""
    return found if isinstance(found, MetricValues) else MetricValues(found)


def training_classes(labels: Sequence[str], split: QueryGallerySplit) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Return the classes that the gallery has, sorted, and the class (g,) of each of its rows."""
    names = [labels[row] for row in split.gallery]
    classes, targets = np.unique(np.asarray(names, dtype=str), return_inverse=True)
    return tuple(classes.tolist()), targets.astype(np.int64)


def mean_over_draws(draws: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return the mean of each value over several measurements."""
    return {name: float(np.mean([draw[name] for draw in draws])) for name in draws[0]}
