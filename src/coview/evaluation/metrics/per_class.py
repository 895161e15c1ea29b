"""Precision, recall and F1 of each class, with intervals over whole recordings."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coview.evaluation.statistics import LEVEL, draw_groups

_DRAWS = 1000


@dataclass(frozen=True)
class ClassScores:
    """How well one class is found.

    Attributes:
        name: of the class.
        precision: share of what was found that is right; nan where nothing was found.
        recall: share of what is there that was found.
        f1: their harmonic mean.
        interval: of F1, 95 %, over draws of recordings; nan where all rows are of one.
        support: rows that show it.
        recordings: of how many recordings those are.
    """

    name: str
    precision: float
    recall: float
    f1: float
    interval: tuple[float, float]
    support: int
    recordings: int


@dataclass(frozen=True)
class ClassTable:
    """All classes.

    Attributes:
        rows: a class each; those that no row shows are left out.
        macro_f1: mean of their F1.
        interval: of it, 95 %.
    """

    rows: tuple[ClassScores, ...]
    macro_f1: float
    interval: tuple[float, float]


def score_classes(
    decided: NDArray[np.bool_], targets: NDArray[np.bool_], *, classes: Sequence[str], groups: Sequence[str]
) -> ClassTable:
    """Return the table.

    Args:
        decided: (n, C) what was found.
        targets: (n, C) what is there.
        classes: C names.
        groups: n recordings, drawn anew as a whole for the intervals: their rows succeed or fail together.
    """
    names, codes = np.unique(np.asarray(groups), return_inverse=True)
    counts = np.zeros((3, len(names), len(classes)))  # right, found, there; by recording and class
    for which, values in enumerate((decided & targets, decided, targets)):
        np.add.at(counts[which], codes, values.astype(np.float64))
    right, found, there = counts.sum(axis=1)
    f1 = _f1(right, found, there)
    is_scored = there > 0
    draws = np.full((_DRAWS, len(classes)), np.nan)
    if len(names) > 1:
        drawn = np.concatenate(list(draw_groups(len(names), _DRAWS, seed=0))).astype(np.float64)  # (draws, G)
        sums = [drawn @ counts[which] for which in range(3)]
        draws = np.where(sums[2] > 0, _f1(*sums), np.nan)
    macro = [np.nanmean(row) for row in draws[:, is_scored] if not np.isnan(row).all()]
    rows = tuple(
        ClassScores(
            name,
            float(right[place] / found[place]) if found[place] else float("nan"),
            float(right[place] / there[place]),
            float(f1[place]),
            _interval(draws[:, place]),
            int(there[place]),
            int((counts[2, :, place] > 0).sum()),
        )
        for place, name in enumerate(classes)
        if is_scored[place]
    )
    mean = float(f1[is_scored].mean()) if is_scored.any() else float("nan")
    return ClassTable(rows, mean, _interval(np.array(macro)))


def _f1(right: NDArray[np.float64], found: NDArray[np.float64], there: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(2 * right / np.maximum(found + there, 1e-12))


def _interval(draws: NDArray[np.float64]) -> tuple[float, float]:
    known = draws[~np.isnan(draws)]
    if not len(known):
        return float("nan"), float("nan")
    tail = 50 * (1 - LEVEL)
    low, high = np.percentile(known, [tail, 100 - tail])
    return float(low), float(high)
