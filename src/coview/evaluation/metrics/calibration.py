"""Do probabilities come true as often as they say? Reliability and expected calibration error (Guo et al. 2017)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_BINS = 10


@dataclass(frozen=True)
class Reliability:
    """What came of predictions of about the same probability, a bin each; empty bins are left out.

    Attributes:
        said: mean probability.
        came_true: share that came true.
        counts: predictions.
        error: expected calibration error: the mean difference of the two, over predictions.
    """

    said: tuple[float, ...]
    came_true: tuple[float, ...]
    counts: tuple[int, ...]
    error: float


def measure_reliability(probabilities: NDArray[np.float32], is_true: NDArray[np.bool_]) -> Reliability:
    """Return how probabilities (n,) compare with what came true (n,), over ten bins of equal width."""
    if len(probabilities) == 0:
        return Reliability((), (), (), float("nan"))
    bins = np.minimum((probabilities * _BINS).astype(np.int64), _BINS - 1)
    counts = np.bincount(bins, minlength=_BINS)
    said = np.bincount(bins, weights=probabilities.astype(np.float64), minlength=_BINS)
    right = np.bincount(bins, weights=is_true.astype(np.float64), minlength=_BINS)
    kept = counts > 0
    error = float(np.abs(said - right).sum() / len(probabilities))
    means = [tuple((values[kept] / counts[kept]).tolist()) for values in (said, right)]
    return Reliability(means[0], means[1], tuple(counts[kept].tolist()), error)
