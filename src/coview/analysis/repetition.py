"""Does a sequence of features come back to itself, how often, and how sure is that? Numbers in, numbers out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SHUFFLES = 99
ACCIDENT = 0.05
"""A peak that this share of random orders reaches says nothing."""
NEARLY = 0.8
"""The shortest period within this share of the strongest is taken: what repeats every 4 blocks does so every 8."""


@dataclass(frozen=True)
class Repetition:
    """What repeats in a sequence of n features.

    Attributes:
        autocorrelation: (n // 2 + 1,), by lag, 1 at lag 0; of features without their mean and their even drift.
        period: in steps of the sequence, with a fraction; nan where no lag stands out.
        repetitions: how often that fits into the sequence; nan likewise.
        confidence: 0 to 1: how far the autocorrelation at the period rises above the valley before it, at most 1; 0
            where as many as 5 % of random orders of the same features rise as far.
    """

    autocorrelation: NDArray[np.float64]
    period: float
    repetitions: float
    confidence: float


def repetition(features: NDArray[np.float32], *, seed: int = 0) -> Repetition:
    """Estimate the period of a sequence from the autocorrelation of its features.

    Args:
        features: (n, D), n >= 6; a period of more than n / 2 steps is not looked for: it would be seen only once.
        seed: of the random orders.
    """
    curve = autocorrelation(features)
    lag, strength = strongest_lag(curve)
    if lag == 0:
        return Repetition(curve, float("nan"), float("nan"), 0.0)
    generator = np.random.default_rng(seed)
    by_accident = [
        strongest_lag(autocorrelation(features[generator.permutation(len(features))]))[1] for _ in range(SHUFFLES)
    ]
    share = (1 + sum(other >= strength for other in by_accident)) / (1 + SHUFFLES)
    period = _between(curve, lag)
    confidence = 0.0 if share > ACCIDENT else float(min(1.0, strength))
    return Repetition(curve, period, len(features) / period, confidence)


def autocorrelation(features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the mean inner product of features `lag` steps apart over that of features with themselves, by lag.

    Args:
        features: (n, D).

    Returns:
        (n // 2 + 1,); 0 beyond lag 0 where nothing changes.
    """
    count = len(features)
    time = np.linspace(-1, 1, count)
    drift = np.stack([np.ones(count), time], axis=1)
    values = features.astype(np.float64)
    rest = values - drift @ np.linalg.lstsq(drift, values, rcond=None)[0]  # (n, D)
    products = rest @ rest.T  # (n, n)
    power = products.trace() / count
    lags = range(count // 2 + 1)
    if power <= 1e-12 * max(1.0, float((values**2).sum()) / count):
        return np.array([1.0, *(0.0 for _ in lags[1:])])
    return np.array([products.diagonal(lag).mean() / power for lag in lags])


def strongest_lag(curve: NDArray[np.float64]) -> tuple[int, float]:
    """Return the lag that stands out and how far it rises above the lowest point before it; (0, 0.0) where none does.

    Only a lag of at least 2 that is positive and higher than its neighbours counts, so the last one never does.
    """
    found = {}
    for lag in range(2, len(curve) - 1):
        if curve[lag] > curve[lag - 1] and curve[lag] >= curve[lag + 1] and curve[lag] > 0:
            found[lag] = float(curve[lag] - curve[1:lag].min())
    if not found:
        return 0, 0.0
    best = max(found.values())
    return next((lag, strength) for lag, strength in found.items() if strength >= NEARLY * best)


def _between(curve: NDArray[np.float64], lag: int) -> float:
    """Return where the parabola through a peak and its neighbours is highest."""
    before, here, after = curve[lag - 1 : lag + 2]
    bend = before - 2 * here + after
    return float(lag) if bend >= 0 else float(lag + 0.5 * (before - after) / bend)
