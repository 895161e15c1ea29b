"""How well clusters found without labels match classes: the five measures of ViCC, Table 6. Numbers in and out."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.special import comb, xlogy

Counts = NDArray[np.int64]
"""(K, C): how many videos of each class are in each cluster."""


def cluster_metrics(assignments: Sequence[int] | NDArray[np.int64], labels: Sequence[str]) -> dict[str, float]:
    """Score hard assignments, of k-means or of prototypes, against classes.

    Source: ViCC, supplement C.1.2 and Table 6; entropy and purity as in Asano et al. (2020), its reference [3].

    Args:
        assignments: n cluster numbers, any integers; a cluster nobody is in does not count.
        labels: n class names.

    Returns:
        "accuracy", "NMI", "ARI" (at most 1), "mean entropy" (nats, 0 is best), "mean max purity" (at most 1); nan
        without videos.

    Raises:
        ValueError: not as many labels as assignments.
    """
    counts = contingency(assignments, labels)
    if counts.size == 0:
        return dict.fromkeys(("accuracy", "NMI", "ARI", "mean entropy", "mean max purity"), float("nan"))
    return {
        "accuracy": hungarian_accuracy(counts),
        "NMI": normalised_mutual_information(counts),
        "ARI": adjusted_rand_index(counts),
        "mean entropy": mean_cluster_entropy(counts),
        "mean max purity": mean_max_purity(counts),
    }


def contingency(assignments: Sequence[int] | NDArray[np.int64], labels: Sequence[str]) -> Counts:
    """Count the videos of each class in each cluster that has any: (K, C), clusters and classes in sorted order."""
    clusters, rows = np.unique(np.asarray(assignments, dtype=np.int64), return_inverse=True)
    classes, columns = np.unique(np.asarray(labels, dtype=str), return_inverse=True)
    if len(rows) != len(columns):
        raise ValueError(f"{len(rows)} assignments for {len(columns)} labels")
    counts = np.zeros((len(clusters), len(classes)), dtype=np.int64)
    np.add.at(counts, (rows, columns), 1)
    return counts


def hungarian_accuracy(counts: Counts) -> float:
    """Return the share of videos whose cluster is matched to their class, under the best one-to-one matching.

    With more clusters than classes (or fewer), the videos of what stays without a partner count as wrong.
    """
    rows, columns = linear_sum_assignment(counts, maximize=True)
    return float(counts[rows, columns].sum() / counts.sum())


def normalised_mutual_information(counts: Counts) -> float:
    """Return the mutual information of clusters and classes over the mean of their two entropies.

    One cluster that holds the only class is a perfect match, 1.
    """
    joint = counts / counts.sum()
    by_cluster, by_class = joint.sum(axis=1), joint.sum(axis=0)
    entropies = _entropy(by_cluster), _entropy(by_class)
    if sum(entropies) == 0:
        return 1.0
    mutual = sum(entropies) - _entropy(joint.ravel())
    return float(np.clip(2 * mutual / sum(entropies), 0, 1))


def adjusted_rand_index(counts: Counts) -> float:
    """Return how far pairs of videos agree on being together, 0 for chance, 1 for a perfect match."""
    together = comb(counts, 2).sum()
    in_cluster, in_class = comb(counts.sum(axis=1), 2).sum(), comb(counts.sum(axis=0), 2).sum()
    pairs = comb(counts.sum(), 2)
    expected = in_cluster * in_class / pairs if pairs else 0.0
    most = (in_cluster + in_class) / 2
    return float((together - expected) / (most - expected)) if most != expected else 1.0


def mean_cluster_entropy(counts: Counts) -> float:
    """Return the entropy of the classes in a cluster, in nats, as the mean over clusters of any size."""
    shares = counts / counts.sum(axis=1, keepdims=True)
    return float(np.mean([_entropy(row) for row in shares]))


def mean_max_purity(counts: Counts) -> float:
    """Return the share of a cluster's most frequent class, as the mean over clusters of any size."""
    return float((counts.max(axis=1) / counts.sum(axis=1)).mean())


def _entropy(shares: NDArray[np.float64]) -> float:
    return float(-xlogy(shares, shares).sum())
