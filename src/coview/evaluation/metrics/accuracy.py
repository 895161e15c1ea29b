"""From class scores to top-1, top-5, accuracy per class and a confusion matrix."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from coview.evaluation.metrics.base import MetricValues

_TOP = (1, 5)


def accuracy_of_scores(
    scores: NDArray[np.float32], labels: Sequence[str], classes: Sequence[str], *, is_probability: bool = False
) -> MetricValues:
    """Judge class scores.

    Equal scores are ordered by class; -inf means that the class was not named at all.

    Args:
        scores: (q, C), the higher the more likely.
        labels: q true class names, at least one; one that is not among the classes can only be missed.
        classes: C class names.
        is_probability: whether the scores are probabilities that an ensemble may mix.

    Returns:
        "top-1", "top-5" (of fewer classes: all of them), "mean per class" (mean over the classes of top-1).
    """
    places = {name: place for place, name in enumerate(classes)}
    truth = np.array([places.get(name, -1) for name in labels], dtype=np.int64)  # (q,)
    order = np.argsort(-scores, axis=1, kind="stable")  # (q, C)
    named = np.isfinite(np.take_along_axis(scores, order, axis=1))
    is_right = (order == truth[:, None]) & named
    found = {f"top-{k}": float(is_right[:, :k].any(axis=1).mean()) for k in _TOP}
    predicted = [classes[best] if is_named else "" for best, is_named in zip(order[:, 0], named[:, 0], strict=True)]
    per_class = _accuracy_per_class(count_confusions(labels, predicted))
    found["mean per class"] = float(np.mean(list(per_class.values())))
    return MetricValues(
        found, predicted=predicted, probabilities=scores if is_probability else None, classes=tuple(classes)
    )


def chance_accuracy(labels: Sequence[str], classes: Sequence[str]) -> dict[str, float]:
    """Return what naming the classes in random order gives; a class without a training video is a miss."""
    known = np.array([name in set(classes) for name in labels])
    scores = {f"top-{k}": float(known.mean()) * min(k, len(classes)) / len(classes) for k in _TOP}
    by_class = [name in set(classes) for name in set(labels)]
    return {**scores, "mean per class": float(np.mean(by_class)) / len(classes)}


def count_confusions(labels: Sequence[str], predicted: Sequence[str]) -> dict[str, dict[str, int]]:
    """Count which class the videos of each class were given; zeros left out."""
    confusions: dict[str, dict[str, int]] = {name: {} for name in sorted(set(labels))}
    for label, name in zip(labels, predicted, strict=True):
        confusions[label][name] = confusions[label].get(name, 0) + 1
    return confusions


def _accuracy_per_class(confusions: Mapping[str, Mapping[str, int]]) -> dict[str, float]:
    """Return class name -> share of its videos that were given it."""
    return {name: row.get(name, 0) / sum(row.values()) for name, row in confusions.items()}
