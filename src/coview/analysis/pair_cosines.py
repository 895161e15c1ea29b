"""Cosines of all pairs of videos, counted by kind of pair in blocks: no (n, n) matrix is held. Numbers in and out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BINS = 2**16
"""Bins between the smallest and the largest cosine; values of one bin count as equal, so that AUC is off by about
1 / BINS at most where cosines spread."""
ROWS = 512


@dataclass(frozen=True)
class Distribution:
    """How the cosines of some pairs are spread.

    Attributes:
        counts: (BINS,) int64, pairs by cosine.
        low: the smallest cosine of any pair, of whatever kind.
        high: the largest.
    """

    counts: NDArray[np.int64]
    low: float
    high: float

    @property
    def pairs(self) -> int:
        """How many there are."""
        return int(self.counts.sum())

    @property
    def mean(self) -> float:
        """The mean cosine, nan without pairs."""
        return float((self.counts * self._middles()).sum() / self.pairs) if self.pairs else float("nan")

    @property
    def deviation(self) -> float:
        """The standard deviation, nan without pairs."""
        if not self.pairs:
            return float("nan")
        return float(np.sqrt((self.counts * (self._middles() - self.mean) ** 2).sum() / self.pairs))

    def _middles(self) -> NDArray[np.float64]:
        return self.low + (np.arange(len(self.counts)) + 0.5) * (self.high - self.low) / len(self.counts)

    def coarse(self, bins: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return (bins + 1,) edges and (bins,) counts; `bins` is a power of 2."""
        return np.linspace(self.low, self.high, bins + 1), self.counts.reshape(bins, -1).sum(axis=1)

    def with_(self, other: "Distribution") -> "Distribution":
        """Return both kinds of pairs together."""
        return Distribution(self.counts + other.counts, self.low, self.high)


@dataclass(frozen=True)
class PairCosines:
    """The cosines of all pairs of different videos, by kind.

    Attributes:
        same: of one class, other groups.
        same_group: of one class and one group (cuts of one recording).
        other: of two classes, other groups.
        other_group: of two classes and one group.
    """

    same: Distribution
    same_group: Distribution
    other: Distribution
    other_group: Distribution


def pair_cosines(rows: NDArray[np.float32], labels: Sequence[str], groups: Sequence[str]) -> PairCosines:
    """Count the cosines of all pairs.

    Args:
        rows: (n, D) unit rows, n >= 2.
        labels: n class names.
        groups: n group names, of any kind of value.
    """
    low, high = np.inf, -np.inf
    for cosines, is_pair, _ in _blocks(rows):
        found = cosines[is_pair]
        if found.size:
            low, high = min(low, float(found.min())), max(high, float(found.max()))
    high = max(high, low + 1e-9)
    classes, owners = (np.unique(np.asarray(names), return_inverse=True)[1] for names in (labels, groups))
    counts = np.zeros((4, BINS), dtype=np.int64)
    for cosines, is_pair, first in _blocks(rows):
        stop = first + len(cosines)
        is_other = classes[first:stop, None] != classes[first:]  # (r, n - first)
        kinds = 2 * is_other + (owners[first:stop, None] == owners[first:])
        places = ((cosines[is_pair].astype(np.float64) - low) * (BINS / (high - low))).astype(np.int64)
        flat = kinds[is_pair] * BINS + np.clip(places, 0, BINS - 1)
        counts += np.bincount(flat, minlength=4 * BINS).reshape(4, BINS)
    return PairCosines(*(Distribution(kind, low, high) for kind in counts))


def _blocks(rows: NDArray[np.float32]) -> Iterator[tuple[NDArray[np.float32], NDArray[np.bool_], int]]:
    """Yield cosines (r, n - first) of r rows with all from the first of them on, which are pairs, and that first."""
    for first in range(0, len(rows), ROWS):
        block, rest = rows[first : first + ROWS], rows[first:]
        yield block @ rest.T, np.arange(len(rest)) > np.arange(len(block))[:, None], first


def area_under_curve(same: Distribution, other: Distribution) -> float:
    """Return the probability that a pair of one class is more alike than one of two classes, equals counting half.

    0.5: cosines say nothing about classes; 1: every pair of one class comes first; nan where a kind has no pair.
    """
    if not same.pairs or not other.pairs:
        return float("nan")
    below = np.cumsum(other.counts) - other.counts
    wins = (same.counts * (below + 0.5 * other.counts)).sum()
    return float(wins / same.pairs / other.pairs)
