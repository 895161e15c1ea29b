"""From class scores to top-1, top-5, accuracy per class and a confusion matrix. Numbers in and out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coview.datasets.splits import group_of
from coview.evaluation.sides import Sides

TOP = (1, 5)
METRICS = ("top-1", "top-5", "mean per class")


@dataclass(frozen=True)
class Problem:
    """Which videos teach and which are tested.

    Attributes:
        classes: names of the classes that have a training video, sorted.
        train: rows of the training videos in `Sides.entries`.
        targets: (n,) int64, the class of each training video.
        test: rows of the test videos.
        labels: class names of the test videos; one that no training video has can only be missed.
        groups: groups of the test videos.
    """

    classes: tuple[str, ...]
    train: tuple[int, ...]
    targets: NDArray[np.int64]
    test: tuple[int, ...]
    labels: tuple[str, ...]
    groups: tuple[str, ...]


def problem_of(sides: Sides) -> Problem:
    """Return the classification problem of two sides: the gallery teaches, the queries are tested."""
    taught = [sides.entries[row].label or "" for row in sides.gallery]
    classes, targets = np.unique(np.asarray(taught, dtype=str), return_inverse=True)
    return Problem(
        classes=tuple(classes.tolist()),
        train=sides.gallery,
        targets=targets.astype(np.int64),
        test=sides.queries,
        labels=tuple(sides.entries[row].label or "" for row in sides.queries),
        groups=tuple(group_of(sides.entries[row]) for row in sides.queries),
    )


@dataclass(frozen=True)
class Outcome:
    """How a classifier did.

    Attributes:
        metrics: "top-1", "top-5" (of fewer classes: all of them), "mean per class" (mean over the classes of top-1).
        hits: (q,) bool, whether the best class of each test video is right.
        given: q names, the best class of each test video; "" where none was named.
        per_class: class name of the test videos -> top-1.
        confusion: class name of the test videos -> class name it was given -> how many; zeros left out, "" for none.
    """

    metrics: dict[str, float]
    hits: NDArray[np.bool_]
    given: list[str]
    per_class: dict[str, float]
    confusion: dict[str, dict[str, int]]


def outcome(scores: NDArray[np.float32], labels: Sequence[str], classes: Sequence[str]) -> Outcome:
    """Judge class scores.

    Equal scores are ordered by class; -inf means that the class was not named at all.

    Args:
        scores: (q, C), the higher the more likely.
        labels: q true class names, at least one.
        classes: C class names.
    """
    places = {name: place for place, name in enumerate(classes)}
    truth = np.array([places.get(name, -1) for name in labels], dtype=np.int64)  # (q,)
    order = np.argsort(-scores, axis=1, kind="stable")  # (q, C)
    named = np.isfinite(np.take_along_axis(scores, order, axis=1))
    is_right = (order == truth[:, None]) & named
    hits = is_right[:, 0]
    metrics = {f"top-{k}": float(is_right[:, :k].any(axis=1).mean()) for k in TOP}
    given = [classes[best] if is_named else "" for best, is_named in zip(order[:, 0], named[:, 0], strict=True)]
    confusion = confusion_of(labels, given)
    per_class = accuracy_per_class(confusion)
    metrics["mean per class"] = float(np.mean(list(per_class.values())))
    return Outcome(metrics, hits, given, per_class, confusion)


def confusion_of(labels: Sequence[str], given: Sequence[str]) -> dict[str, dict[str, int]]:
    """Count which class the videos of each class were given; zeros left out."""
    confusion: dict[str, dict[str, int]] = {name: {} for name in sorted(set(labels))}
    for label, name in zip(labels, given, strict=True):
        confusion[label][name] = confusion[label].get(name, 0) + 1
    return confusion


def accuracy_per_class(confusion: Mapping[str, Mapping[str, int]]) -> dict[str, float]:
    """Return class name -> share of its videos that were given it."""
    return {name: row.get(name, 0) / sum(row.values()) for name, row in confusion.items()}


def chance_outcome(labels: Sequence[str], classes: Sequence[str]) -> dict[str, float]:
    """Return what naming the classes in random order gives; a class nobody was taught is a miss."""
    known = np.array([name in set(classes) for name in labels])
    scores = {f"top-{k}": float(known.mean()) * min(k, len(classes)) / len(classes) for k in TOP}
    by_class = [name in set(classes) for name in set(labels)]
    return {**scores, "mean per class": float(np.mean(by_class)) / len(classes)}
