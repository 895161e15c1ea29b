"""Is the run alive? Spread and rank of the features, and the loss beside the value that means "knows nothing"."""

import math
from collections import deque
from collections.abc import Mapping

import torch
from torch import Tensor

from coview.datatypes import unit
from coview.methods import Limit

COLLAPSED_SPREAD = 0.05
COLLAPSED_RANK = 1.5
NOTHING_LEARNT_SHARE = 0.99
LOG_LINES_BEFORE_JUDGING = 10


def feature_spread(features: Tensor) -> Tensor:
    """Return the mean standard deviation of unit features (n, D) over n, times sqrt(D): 1 spread out, 0 collapsed.

    Unit vectors spread evenly over the sphere have a standard deviation of 1/sqrt(D) in each coordinate.
    """
    features = unit(features.float())
    return features.std(dim=0, correction=0).mean() * math.sqrt(features.shape[1])


def effective_rank(features: Tensor) -> Tensor:
    """Return how many directions the features (n, D) use: exp of the entropy of their normalised singular values.

    Source: Roy and Vetterli, "The effective rank", EUSIPCO 2007. Centred unit features; between 1 and min(n, D).
    """
    features = unit(features.float())
    centred = features - features.mean(dim=0)
    return rank_of_spectrum(torch.linalg.svdvals(centred))


def rank_of_spectrum(values: Tensor) -> Tensor:
    """Return the effective rank of a matrix from its singular values (r,): exp of the entropy of their shares."""
    shares = values / values.sum().clamp_min(1e-12)
    return torch.exp(-(shares * shares.clamp_min(1e-12).log()).sum())


def measure(features: Mapping[str, Tensor]) -> dict[str, dict[str, float]]:
    """Return {"std", "effective_rank"} for each named set of features (n, D); sets of one row are left out."""
    return {
        name: {"std": float(feature_spread(rows)), "effective_rank": float(effective_rank(rows))}
        for name, rows in features.items()
        if rows.shape[0] > 1
    }


class HealthWatch:
    """Turns meters into named warnings, each once a stage.

    Warnings:
        collapsed: all features of a view are nearly the same.
        learns nothing: the loss stays at its chance_level value.
        any other name: a meter stays out of the limits that its method declares.
    """

    def __init__(self) -> None:
        self._recent: dict[str, deque[float]] = {}
        self._out_of_limits: dict[str, int] = {}
        self._given: set[str] = set()

    def observe(
        self,
        health: Mapping[str, Mapping[str, float]],
        parts: Mapping[str, float],
        chance_level: Mapping[str, float],
        meters: Mapping[str, float] | None = None,
        limits: Mapping[str, Limit] | None = None,
    ) -> list[str]:
        """Take in one line of the log; return the warnings that are new."""
        found = []
        for name, row in health.items():
            if row["std"] < COLLAPSED_SPREAD or row["effective_rank"] < COLLAPSED_RANK:
                found.append(
                    f"collapsed: the features of {name} are nearly all the same (spread {row['std']:.3f}, effective "
                    f"rank {row['effective_rank']:.1f}); lower the learning rate or look at the view's files"
                )
        for part, reference in chance_level.items():
            if self._stays_at(part, parts[part], reference):
                found.append(
                    f"learns nothing: {part} stays at its chance_level value {reference:.2f}; "
                    "check the data, the learning rate and the temperature"
                )
        for meter, limit in (limits or {}).items():
            value = (meters or {})[meter]
            if self._stays_out(meter, value, limit):
                found.append(f"{limit.name}: {limit.advice} ({meter} is {value:.3g})")
        new = [text for text in found if text.split(" (")[0] not in self._given]
        self._given.update(text.split(" (")[0] for text in new)
        return new

    def _stays_out(self, meter: str, value: float, limit: Limit) -> bool:
        """Whether a meter has long been out of its limits."""
        is_out = not limit.low <= value <= limit.high
        self._out_of_limits[meter] = self._out_of_limits.get(meter, 0) + 1 if is_out else 0
        return self._out_of_limits[meter] >= LOG_LINES_BEFORE_JUDGING

    def _stays_at(self, part: str, value: float, reference: float) -> bool:
        """Whether the loss has long been no better than chance and is not on its way down."""
        recent = self._recent.setdefault(part, deque(maxlen=LOG_LINES_BEFORE_JUDGING))
        recent.append(value)
        if len(recent) < LOG_LINES_BEFORE_JUDGING:
            return False
        half = LOG_LINES_BEFORE_JUDGING // 2
        earlier, later = sum(list(recent)[:half]) / half, sum(list(recent)[half:]) / half
        return min(recent) > NOTHING_LEARNT_SHARE * reference and later > NOTHING_LEARNT_SHARE * earlier
