"""Mean average precision of segments in time (ActivityNet, Caba Heilbron et al. 2015; THUMOS)."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Span = tuple[str, float, float]
"""A video, start and end in seconds."""
TIOUS = (0.3, 0.5, 0.7)


def temporal_iou(start: float, end: float, other_start: float, other_end: float) -> float:
    """Return the time that two stretches share over the time that either covers."""
    shared = min(end, other_end) - max(start, other_start)
    if shared <= 0:
        return 0.0
    return shared / (max(end, other_end) - min(start, other_start))


def segment_average_precision(
    predicted: Sequence[Span], scores: Sequence[float], true: Sequence[Span], *, tiou: float
) -> float:
    """Return the average precision of one class: the area under precision (interpolated) over recall.

    Predictions are taken by falling score; each finds the true segment of its video that it covers best, if by `tiou`
    at least and not found yet; another on the same is wrong.

    Args:
        predicted: n segments.
        scores: n.
        true: m segments.
        tiou: least temporal intersection over union.

    Returns:
        nan without true segments.
    """
    if not true:
        return float("nan")
    hits, _ = match_segments(predicted, scores, true, tiou=tiou)
    return _area(hits[np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable")], len(true))


def match_segments(
    predicted: Sequence[Span], scores: Sequence[float], true: Sequence[Span], *, tiou: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which predicted segments (n,) are right, and which true ones (m,) were found.

    Args:
        predicted: n segments.
        scores: n.
        true: m segments.
        tiou: as in `segment_average_precision`.
    """
    by_video: dict[str, list[int]] = {}
    for place, (video, _, _) in enumerate(true):
        by_video.setdefault(video, []).append(place)
    taken = np.zeros(len(true), dtype=bool)
    hits = np.zeros(len(predicted), dtype=bool)
    for place in np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable"):
        video, start, end = predicted[place]
        found = [(temporal_iou(start, end, *true[at][1:]), at) for at in by_video.get(video, []) if not taken[at]]
        best = max(found, default=(0.0, -1))
        if best[0] >= tiou:
            taken[best[1]] = hits[place] = True
    return hits, taken


def _area(hits: NDArray[np.bool_], count: int) -> float:
    """Return the area under precision over recall, precision made falling from the right."""
    if not len(hits):
        return 0.0
    right = np.cumsum(hits)
    precision = right / np.arange(1, len(hits) + 1)
    falling = np.maximum.accumulate(precision[::-1])[::-1]
    return float(falling[hits].sum() / count)


def mean_average_precision(
    predicted: Mapping[str, Sequence[tuple[Span, float]]], true: Mapping[str, Sequence[Span]], *, tiou: float
) -> dict[str, float]:
    """Return class name -> average precision, and "" -> their mean over the classes that have true segments.

    Args:
        predicted: class name -> (segment, score).
        true: class name -> segments.
        tiou: as in `segment_average_precision`.
    """
    found = {}
    for name, spans in true.items():
        rows = predicted.get(name, ())
        spots, scores = [span for span, _ in rows], [score for _, score in rows]
        found[name] = segment_average_precision(spots, scores, spans, tiou=tiou)
    known = [value for value in found.values() if not np.isnan(value)]
    return {**found, "": float(np.mean(known)) if known else float("nan")}
