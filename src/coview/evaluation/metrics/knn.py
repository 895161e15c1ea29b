"""Accuracy of the kNN classifier: the weighted vote of the nearest training videos, which needs no training."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from coview.evaluation.metrics.accuracy import accuracy_of_scores
from coview.evaluation.metrics.base import MetricValues, training_classes
from coview.evaluation.query_gallery import QueryGallerySplit


def knn_accuracy(
    features: NDArray[np.float32],
    labels: Sequence[str],
    split: QueryGallerySplit,
    *,
    neighbours: int = 20,
    temperature: float = 0.07,
) -> MetricValues:
    """Let the nearest gallery rows of each query vote for its class.

    Args:
        features: (n, D) unit rows.
        labels: n class names.
        split: who queries whom.
        neighbours: how many vote; of a smaller gallery all of them.
        temperature: a vote weighs exp(cosine / temperature).

    Returns:
        "top-1", "top-5", "mean per class".
    """
    classes, targets = training_classes(labels, split)
    votes = _count_votes(
        features, targets, split, num_classes=len(classes), neighbours=neighbours, temperature=temperature
    )
    return accuracy_of_scores(votes, [labels[row] for row in split.queries], classes)


def _count_votes(
    features: NDArray[np.float32],
    targets: NDArray[np.int64],
    split: QueryGallerySplit,
    *,
    num_classes: int,
    neighbours: int,
    temperature: float,
) -> NDArray[np.float32]:
    """Let the nearest gallery rows vote for their classes.

    Source: Wu et al. 2018 (instance discrimination), section 3.4.

    Args:
        features: (n, D) unit rows.
        targets: (g,) classes of the gallery.
        split: who queries whom; rows of a query's own group do not vote where it says so.
        num_classes: C.
        neighbours: k.
        temperature: of the weights exp(cosine / temperature).

    Returns:
        (q, C) logarithms of the summed weights; -inf for a class without a vote.
    """
    found, cosines = split.nearest(features, k=neighbours)
    weights = cosines.double() / temperature  # (q, k), in logarithms; -inf where nobody is left to vote
    chosen = torch.from_numpy(targets)[found.clamp(min=0)]  # (q, k)
    none = torch.full((len(weights), num_classes), -torch.inf, dtype=weights.dtype)
    largest = none.scatter_reduce(1, chosen, weights, "amax")  # (q, C), of each class
    shares = (weights - largest.gather(1, chosen)).nan_to_num(nan=-torch.inf).exp()  # nobody is -inf less -inf
    scores = largest + torch.zeros_like(largest).scatter_add_(1, chosen, shares).log()
    return np.asarray(scores.numpy(), dtype=np.float32)
