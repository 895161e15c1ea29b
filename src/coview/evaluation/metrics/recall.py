"""R@k: whether a video of the right class is among the k nearest."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from coview.embedding.search import NOBODY
from coview.evaluation.metrics.base import MetricValues
from coview.evaluation.query_gallery import QueryGallerySplit

RECALL_AT = (1, 5, 10, 20, 50)


def recall_at_k(
    features: NDArray[np.float32], labels: Sequence[str], split: QueryGallerySplit, *, ks: Sequence[int] = RECALL_AT
) -> MetricValues:
    """Score retrieval of the right class by cosine.

    Equal cosines are ordered by gallery row. A query whose class is not in the gallery is a miss, not left out.
    Source: ViCC, section 4 (R@k as in the video retrieval literature it compares with).

    Args:
        features: (n, D) unit rows.
        labels: n class names.
        split: who queries whom.
        ks: the k's; one larger than the gallery means the whole gallery.

    Returns:
        "R@k" -> share of queries in [0, 1], nan without queries; predicted is the class of the nearest video.
    """
    own, other = split.codes(labels)
    neighbours = split.nearest(features, k=max(ks))[0].numpy()  # (q, K)
    is_right = np.zeros(neighbours.shape, dtype=bool)
    predicted = [""] * len(split.queries)
    if neighbours.size:
        # NOBODY is -1, which would index the last row: a neighbour that is not there is never right.
        is_right = (other[neighbours] == own[:, None]) & (neighbours != NOBODY)
        predicted = ["" if place == NOBODY else labels[split.gallery[place]] for place in neighbours[:, 0].tolist()]
    hits = np.stack([is_right[:, :k].any(axis=1) for k in ks], axis=1)  # (q, len(ks))
    means = hits.mean(axis=0) if len(hits) else np.full(len(ks), np.nan)
    return MetricValues({f"R@{k}": float(mean) for k, mean in zip(ks, means, strict=True)}, predicted=predicted)


def chance_recall(
    labels: Sequence[str], split: QueryGallerySplit, *, ks: Sequence[int] = RECALL_AT
) -> dict[str, float]:
    """Return the expected R@k when each query sees its candidates in random order, from the counts alone.

    For n candidates of which m are of the right class: 1 - C(n - m, k) / C(n, k).
    """
    own, other = split.codes(labels)
    is_candidate = split.is_candidate()  # (q, g)
    candidates = is_candidate.sum(axis=1)  # (q,)
    right = (is_candidate & (own[:, None] == other[None])).sum(axis=1)
    scores = {}
    for k in ks:
        drawn = np.minimum(k, candidates)
        misses = np.exp(_log_choose(candidates - right, drawn) - _log_choose(candidates, drawn))  # (q,)
        scores[f"R@{k}"] = float(np.mean(1 - misses)) if len(right) else float("nan")
    return scores


def _log_choose(n: NDArray[np.int64], k: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return ln C(n, k), -inf where k > n."""
    logs = gammaln(n + 1) - gammaln(k + 1) - gammaln(np.maximum(n - k, 0) + 1)
    return np.where(k > n, -np.inf, logs)
