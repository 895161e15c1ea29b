"""How features fill their space: directions in use, evenness, hubs, distances. Numbers in, numbers out."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from coview.training.health import rank_of_spectrum

Rows = NDArray[np.float32]
_ROWS = 512


@dataclass(frozen=True)
class FeatureGeometry:
    """What a set of unit features is like.

    Attributes:
        spectrum: (min(n, D),) shares of variance of the principal axes, largest first; add up to 1.
        effective_rank: see `coview.training.health.effective_rank`; the features are unit as they come.
        uniformity: log of the mean of exp(-2 |x - y|^2) over all pairs (Wang and Isola, 2020): 0 where all are equal,
            near -4 where they fill a sphere of many dimensions; lower is more even.
        mean_cosine: of all pairs.
    """

    spectrum: NDArray[np.float64]
    effective_rank: float
    uniformity: float
    mean_cosine: float


def measure_geometry(rows: Rows) -> FeatureGeometry:
    """Measure a set of unit features.

    Args:
        rows: (n, D) unit rows, n >= 2.
    """
    centred = rows.astype(np.float64) - rows.mean(axis=0, dtype=np.float64)
    small = centred.T @ centred if len(rows) > rows.shape[1] else centred @ centred.T
    variances = np.maximum(np.linalg.eigvalsh(small)[::-1], 0)
    total, sum_exp, sum_cosines = 0, 0.0, 0.0
    for first in range(0, len(rows), _ROWS):
        block, rest = rows[first : first + _ROWS], rows[first:]
        is_pair = np.arange(len(rest)) > np.arange(len(block))[:, None]
        found = (block @ rest.T)[is_pair].astype(np.float64)
        total += found.size
        sum_exp += float(np.exp(-4 * (1 - found)).sum())  # |x - y|^2 = 2 - 2 cos
        sum_cosines += float(found.sum())
    return FeatureGeometry(
        spectrum=variances / max(float(variances.sum()), 1e-12),
        effective_rank=float(rank_of_spectrum(torch.from_numpy(np.sqrt(variances)))),
        uniformity=float(np.log(sum_exp / total)),
        mean_cosine=sum_cosines / total,
    )


def alignment(one: Rows, other: Rows) -> float:
    """Return "alignment": the mean squared distance of matching rows (n, D) of two sets (Wang and Isola, 2020)."""
    return float(((one.astype(np.float64) - other) ** 2).sum(axis=1).mean())


@dataclass(frozen=True)
class Hubs:
    """How evenly videos serve as neighbours.

    Attributes:
        occurrences: (n,) how often each video is among the k nearest of another.
        skewness: of the occurrences (Radovanovic et al., 2010): 0 even; above 1 a few hubs are everyone's neighbour.
        antihubs: share of videos that are nobody's neighbour.
        largest: share of all neighbour lists that the largest hub is in.
    """

    occurrences: NDArray[np.int64]
    skewness: float
    antihubs: float
    largest: float


def hubs(neighbours: NDArray[np.int64]) -> Hubs:
    """Measure how evenly videos serve as neighbours.

    Args:
        neighbours: (n, k) the k nearest of each video.
    """
    counts = np.bincount(neighbours.ravel(), minlength=len(neighbours))
    deviation = float(counts.std())
    third = float(((counts - counts.mean()) ** 3).mean())
    return Hubs(
        counts,
        skewness=third / deviation**3 if deviation > 0 else 0.0,
        antihubs=float((counts == 0).mean()),
        largest=float(counts.max() / len(neighbours)),
    )


def chance_overlap(count: int, k: int) -> float:
    """Return the share of k neighbours that two lists have in common if both draw them from the count - 1 others."""
    return k / (count - 1)


def share_of_distance(originals: Rows, variants: Rows) -> tuple[float, float]:
    """Say how far changed clips are from their originals, measured by how far different videos are from each other.

    Args:
        originals: (n, D) unit rows, n >= 2, one video each.
        variants: (n, D) unit rows of the same videos, changed.

    Returns:
        The mean cosine of variant and original, and (1 - that) / (1 - mean cosine of different videos): 0 where the
        change is not seen, 1 where it makes another video of it; nan where all videos are equal.
    """
    gram = originals.astype(np.float64) @ originals.T
    between = float((gram.sum() - gram.trace()) / (len(gram) * (len(gram) - 1)))
    cosine = float((originals.astype(np.float64) * variants).sum(axis=1).mean())
    return cosine, (1 - cosine) / (1 - between) if between < 1 - 1e-7 else float("nan")
