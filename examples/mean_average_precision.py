"""A metric of one's own: mean average precision (mAP), which looks at the whole ranking and not at its first k alone.

    coview evaluate RUN --data DIR --plugin examples.mean_average_precision --retrieval.metrics "[recall, map]"

In Python, import this file; then `coview.evaluate(run, data, settings={"metrics": ["recall", "map"]})`.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

import coview
from coview.evaluation.query_gallery import QueryGallerySplit


@coview.register("metric", "map")
def mean_average_precision(
    features: NDArray[np.float32], labels: Sequence[str], split: QueryGallerySplit
) -> dict[str, float]:
    """Mean over queries of the average precision of ranking the gallery by cosine; 0 for a class it does not have.

    Args:
        features: (n, D) unit rows.
        labels: n class names.
        split: who queries whom.
    """
    own, other = split.codes(labels)  # (q,), (g,)
    cosines = features[list(split.queries)] @ features[list(split.gallery)].T  # (q, g)
    cosines[~split.is_candidate()] = -np.inf  # the query's own group comes last, and is never right
    order = np.argsort(-cosines, axis=1, kind="stable")
    is_right = np.take_along_axis((own[:, None] == other[None]) & split.is_candidate(), order, axis=1)
    precision = is_right.cumsum(axis=1) / np.arange(1, len(other) + 1)  # (q, g), of the first 1, 2, ... videos
    averages = (precision * is_right).sum(axis=1) / np.maximum(is_right.sum(axis=1), 1)  # (q,)
    return {"mAP": float(averages.mean())}
