"""How well clusters found without labels match classes: the five measures of ViCC, Table 6."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coview.datatypes import random_generator
from coview.evaluation.metrics.base import MetricValues, Scale, mean_over_draws
from coview.evaluation.query_gallery import QueryGallerySplit

SCALES = {"mean entropy": Scale(higher_is_better=False, unit="nats")}
_CHANCE_DRAWS = 20


def clustering_scores(
    features: NDArray[np.float32],
    labels: Sequence[str],
    split: QueryGallerySplit,
    *,
    clusters: int | None = None,
    fit_on: Sequence[int] | None = None,
    restarts: int = 10,
    seed: int = 0,
) -> MetricValues:
    """Cluster the gallery by k-means and score the nearest cluster of each query against its class.

    Args:
        features: (n, D) rows.
        labels: n class names.
        split: the gallery's rows fit the centres, the queries are scored.
        clusters: K; not given: the number of classes of the queries.
        fit_on: rows that the centres are fitted to, in place of the gallery.
        restarts: k-means starts this often and keeps the tightest clusters; labels play no part in that.
        seed: of the starts.

    Returns:
        As `score_assignments`.
    """
    wanted = [labels[row] for row in split.queries]
    k = clusters or len(set(wanted))
    fitted = split.gallery if fit_on is None else fit_on
    assigned = fit_kmeans(features[list(fitted)], features[list(split.queries)], k=k, restarts=restarts, seed=seed)
    return MetricValues(score_assignments(assigned, wanted), SCALES)


def fit_kmeans(
    fitted: NDArray[np.float32], scored: NDArray[np.float32], *, k: int, restarts: int, seed: int
) -> NDArray[np.int64]:
    """Fit k centres to rows (n, D), k at most n, and return the nearest centre (m,) of each scored row (m, D)."""
    from sklearn.cluster import KMeans

    model: Any = KMeans(n_clusters=k, n_init=restarts, random_state=seed).fit(fitted)
    return np.asarray(model.predict(scored), dtype=np.int64)


def score_assignments(assignments: Sequence[int] | NDArray[np.int64], labels: Sequence[str]) -> dict[str, float]:
    """Score hard assignments, of k-means or of prototypes, against classes.

    Source: ViCC, supplement C.1.2 and Table 6; entropy and purity as in Asano et al. (2020), its reference [3].

    Args:
        assignments: n cluster numbers, any integers; a cluster nobody is in does not count.
        labels: n class names.

    Returns:
        "accuracy" (under the best one-to-one matching of clusters with classes; videos of what stays without a partner
        count as wrong), "NMI" (over the mean of the two entropies), "ARI" (at most 1), "mean entropy" (of the classes
        in a cluster, in nats, 0 is best) and "mean max purity" (share of a cluster's most frequent class, at most 1),
        both as means over clusters of any size; nan without videos.

    Raises:
        ValueError: not as many labels as assignments.
    """
    assignments = np.asarray(assignments, dtype=np.int64)
    if len(assignments) != len(labels):
        raise ValueError(f"{len(assignments)} assignments for {len(labels)} labels")
    if not len(labels):
        return dict.fromkeys(("accuracy", "NMI", "ARI", "mean entropy", "mean max purity"), float("nan"))
    from scipy.optimize import linear_sum_assignment
    from scipy.special import xlogy
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
    from sklearn.metrics.cluster import contingency_matrix

    counts = contingency_matrix(assignments, list(labels))  # (K, C)
    rows, columns = linear_sum_assignment(counts, maximize=True)
    shares = counts / counts.sum(axis=1, keepdims=True)
    return {
        "accuracy": float(counts[rows, columns].sum() / counts.sum()),
        "NMI": float(normalized_mutual_info_score(list(labels), assignments)),
        "ARI": float(adjusted_rand_score(list(labels), assignments)),
        "mean entropy": float(np.mean([-xlogy(row, row).sum() for row in shares])),
        "mean max purity": float(shares.max(axis=1).mean()),
    }


def chance_clusters(labels: Sequence[str], *, k: int) -> dict[str, float]:
    """Return the mean of each measure over random assignments to k clusters: NMI and purity of few videos are not 0."""
    generator = random_generator(k, len(labels))
    return mean_over_draws(
        [score_assignments(generator.integers(0, k, len(labels)), labels) for _ in range(_CHANCE_DRAWS)]
    )
