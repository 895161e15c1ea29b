"""R@k: is a video of the right class among the k nearest? Scores, chance, standard error; numbers in and out."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import gammaln

from coview.embedding.search import NOBODY, nearest

RECALL_AT = (1, 5, 10, 20, 50)
BOOTSTRAP_ROUNDS, DRAWS_A_ROUND = 20, 100


def recall_at_k(
    queries: NDArray[np.float32],
    gallery: NDArray[np.float32],
    *,
    query_labels: Sequence[str],
    gallery_labels: Sequence[str],
    query_groups: Sequence[str] | None = None,
    gallery_groups: Sequence[str] | None = None,
    ks: Sequence[int] = RECALL_AT,
) -> tuple[dict[str, float], NDArray[np.bool_], NDArray[np.int64]]:
    """Score retrieval of the right class by cosine.

    Equal cosines are ordered by gallery index. A query whose class is not in the gallery is a miss, not left out.
    Source: ViCC, section 4 (R@k as in the video retrieval literature it compares with).

    Args:
        queries: (q, D) unit rows.
        gallery: (n, D) unit rows.
        query_labels: q class names.
        gallery_labels: n class names.
        query_groups: q group names: gallery rows of the query's own group are no candidates. With `gallery_groups`.
        gallery_groups: n group names.
        ks: the k's; one larger than the gallery means the whole gallery.

    Returns:
        scores: "R@k" -> share of queries in [0, 1]; nan without queries.
        hits: (q, len(ks)) bool, whether each query counts as found.
        neighbours: (q, min(max(ks), n)) gallery indices, best first, -1 where no candidate is left.
    """
    codes = _codes(query_labels, gallery_labels)
    groups = _codes(query_groups, gallery_groups) if query_groups is not None and gallery_groups is not None else None
    neighbours, _ = nearest(
        torch.from_numpy(queries),
        torch.from_numpy(gallery),
        k=max(ks),
        query_groups=None if groups is None else torch.from_numpy(groups[0]),
        gallery_groups=None if groups is None else torch.from_numpy(groups[1]),
    )
    found = neighbours.numpy()  # (q, K)
    is_right = (codes[1][found] == codes[0][:, None]) & (found != NOBODY) if found.size else found.astype(bool)
    hits = np.stack([is_right[:, :k].any(axis=1) for k in ks], axis=1)  # (q, len(ks))
    means = hits.mean(axis=0) if len(hits) else np.full(len(ks), np.nan)
    return {f"R@{k}": float(mean) for k, mean in zip(ks, means, strict=True)}, hits, found


def _codes(queries: Sequence[str], gallery: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return names as integers, equal where the names are."""
    places = {name: place for place, name in enumerate(sorted({*queries, *gallery}))}
    return (
        np.array([places[name] for name in queries], dtype=np.int64),
        np.array([places[name] for name in gallery], dtype=np.int64),
    )


def chance_recall(
    *,
    query_labels: Sequence[str],
    gallery_labels: Sequence[str],
    query_groups: Sequence[str] | None = None,
    gallery_groups: Sequence[str] | None = None,
    ks: Sequence[int] = RECALL_AT,
) -> dict[str, float]:
    """Return the expected R@k when each query sees its candidates in random order, from the counts alone.

    For n candidates of which m are of the right class: 1 - C(n - m, k) / C(n, k).
    """
    labels = _codes(query_labels, gallery_labels)
    is_candidate = np.ones((len(query_labels), len(gallery_labels)), dtype=bool)
    if query_groups is not None and gallery_groups is not None:
        groups = _codes(query_groups, gallery_groups)
        is_candidate = groups[0][:, None] != groups[1][None]
    candidates = is_candidate.sum(axis=1)  # (q,)
    right = (is_candidate & (labels[0][:, None] == labels[1][None])).sum(axis=1)
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


def bootstrap_error(hits: NDArray[np.bool_], groups: Sequence[str], *, seed: int = 0) -> float:
    """Return the standard error of the mean of `hits` (q,) over bootstrap draws of whole groups.

    Videos of one group come from one source and succeed or fail together; drawing single videos would promise more
    certainty than there is.
    """
    if len(hits) == 0:
        return float("nan")
    _, codes = np.unique(np.asarray(groups), return_inverse=True)
    found = np.bincount(codes, weights=hits.astype(np.float64))  # (G,)
    sizes = np.bincount(codes)
    generator = np.random.default_rng(seed)
    means = []
    for _ in range(BOOTSTRAP_ROUNDS):  # in rounds, so that 13,000 groups need megabytes
        draws = generator.multinomial(len(sizes), np.full(len(sizes), 1 / len(sizes)), size=DRAWS_A_ROUND)  # (draws, G)
        means.append((draws @ found) / (draws @ sizes))
    return float(np.std(np.concatenate(means)))
