"""How good is a head? By what heads said of recordings that they had not seen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coview.collection.heads.head import Head, Validation
from coview.collection.heads.timeline import TimelineSettings, find_segments
from coview.evaluation.metrics.calibration import Reliability, measure_reliability
from coview.evaluation.metrics.per_class import ClassTable, score_classes
from coview.evaluation.metrics.segments import TIOUS, Span, mean_average_precision

_ENOUGH_RECORDINGS = 5


@dataclass(frozen=True)
class HeadQuality:
    """What cross-validation over whole recordings found.

    Attributes:
        classes: precision, recall and F1 of windows.
        accuracy: share of windows of which everything was right.
        reliability: of the probabilities, over windows and classes.
        segments: temporal IoU -> class name, and "" for the mean -> average precision, over the labelled time alone.
        windows: how many were tested.
        recordings: of how many recordings.
        folds: how many heads.
        remarks: what a reader should know of these numbers.
    """

    classes: ClassTable
    accuracy: float
    reliability: Reliability
    segments: Mapping[float, Mapping[str, float]]
    windows: int
    recordings: int
    folds: int
    remarks: tuple[str, ...]


def judge_head(head: Head, settings: TimelineSettings | None = None) -> HeadQuality | None:
    """Return how good a head is, None where its labels are of too few recordings to say.

    Args:
        head: with its validation.
        settings: how segments are made.
    """
    checked = head.validation
    if checked is None or not len(checked.targets):
        return None
    decided = _as_rows(head, head.decide(checked.probabilities))
    table = score_classes(decided, checked.targets, classes=head.classes, groups=checked.groups)
    return HeadQuality(
        classes=table,
        accuracy=float((decided == checked.targets).all(axis=1).mean()),
        reliability=measure_reliability(checked.probabilities.ravel(), checked.targets.ravel()),
        segments=_judge_segments(head, checked, settings or TimelineSettings()),
        windows=len(checked.targets),
        recordings=len(set(checked.groups)),
        folds=checked.folds,
        remarks=_remarks(table, checked),
    )


def _as_rows(head: Head, decided: Sequence[tuple[str, ...]]) -> NDArray[np.bool_]:
    return np.array([[name in found for name in head.classes] for found in decided], dtype=bool)


def _judge_segments(head: Head, checked: Validation, settings: TimelineSettings) -> dict[float, dict[str, float]]:
    """Score segments within the labelled time: what lies outside it nobody has judged."""
    predicted: dict[str, list[tuple[Span, float]]] = {name: [] for name in head.classes}
    true: dict[str, list[Span]] = {name: [] for name in head.classes}
    ids = np.array(checked.ids, dtype=object)
    for video in dict.fromkeys(checked.ids):
        own = np.flatnonzero(ids == video)
        own = own[np.argsort(checked.spans[own, 0], kind="stable")]
        starts, ends = checked.spans[own, 0], checked.spans[own, 1]
        for one in find_segments(
            checked.probabilities[own],
            starts,
            ends,
            classes=head.classes,
            thresholds=head.thresholds,
            is_exclusive=not head.is_multi_label,
            settings=settings,
        ):
            predicted[one.label].append(((video, one.start_seconds, one.end_seconds), one.probability))
        for one in find_segments(
            checked.targets[own].astype(np.float32),
            starts,
            ends,
            classes=head.classes,
            thresholds=np.full(len(head.classes), 0.5),
            is_exclusive=False,
            settings=TimelineSettings(0.0, 0.0),
        ):
            true[one.label].append((video, one.start_seconds, one.end_seconds))
    return {tiou: mean_average_precision(predicted, true, tiou=tiou) for tiou in TIOUS}


def _remarks(table: ClassTable, checked: Validation) -> tuple[str, ...]:
    remarks = []
    recordings = len(set(checked.groups))
    if recordings < _ENOUGH_RECORDINGS:
        remarks.append(f"the labels are of {recordings} recordings: the intervals say little; label some of others")
    alone = [row.name for row in table.rows if row.recordings < 2]
    if alone:
        remarks.append(f"labelled in one recording alone, and so never found in another: {', '.join(alone)}")
    return tuple(remarks)
