"""How good are the predictions of a table? Compared with what a file of labels, an index or a data set says."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coview.collection.file_identity import absolute
from coview.collection.labels.label import NONE
from coview.errors import UserError
from coview.evaluation.metrics.calibration import Reliability, measure_reliability
from coview.evaluation.metrics.per_class import ClassTable, score_classes
from coview.evaluation.metrics.segments import TIOUS, Span, match_segments, mean_average_precision
from coview.evaluation.said import Said, read_labels

MATCH = 0.5
"""Temporal IoU from which on a segment is right, in the table of classes and for its probability."""
_CHANCE = "p:"


@dataclass(frozen=True)
class PredictionQuality:
    """How good predictions are.

    Attributes:
        kind: "videos", "segments" or "windows"; so many rows were judged of each.
        classes: precision, recall and F1 of them, with intervals over whole recordings; of segments at IoU 0.5, of
            windows from probability 0.5 on.
        reliability: of the probabilities.
        segments: temporal IoU -> class name, and "" for the mean -> average precision; empty for other kinds.
        videos: how many were judged.
        unjudged: how many were predicted of which the truth says nothing.
        missing: how many the truth names that were not predicted; of segments they count as missed.
        unnamed: classes that are predicted, or may be, and that the truth never names: misspelt, or not looked for.
    """

    kind: str
    classes: ClassTable
    reliability: Reliability
    segments: Mapping[float, Mapping[str, float]]
    videos: int
    unjudged: int
    missing: int
    unnamed: tuple[str, ...]


def score_predictions(predictions: Path | str, truth: Path | str) -> PredictionQuality:
    """Compare predictions with the truth, which is taken to name all that its videos show.

    Example:
        score_predictions("predictions.csv", "truth.csv").classes.macro_f1

    Args:
        predictions: table of `coview predict`, of any kind.
        truth: file of labels (see `Labels.import_file`), index with labels, or prepared data set with classes; videos
            are found by path, else by a file name that only one has.

    Raises:
        UserError: no such table, no video or no class that both have, or truth without times for segments.
    """
    kind, rows = _read_table(Path(predictions))
    said = read_labels(Path(truth))
    if not said:
        raise UserError(f"{truth} has no labels to compare with")
    by_video: dict[str, list[Said]] = {}
    for one in said:
        by_video.setdefault(one.path, []).append(one)
    if kind != "videos" and all(one.start_seconds is None and one.classes for one in said):
        raise UserError(
            f"{predictions} has {kind}, and {truth} labels whole videos alone; predict with --kind videos, or give "
            "labels with start and end"
        )
    names = _common_names({row["path"] for row in rows}, set(by_video))
    judged = [row for row in rows if row["path"] in names]
    if not judged:
        raise UserError(
            f"{predictions} and {truth} have no video in common: {_some(row['path'] for row in rows)} here, "
            f"{_some(by_video)} there"
        )
    predicted = {row["path"] for row in rows}
    mine, theirs = _predicted_classes(kind, rows), {name for one in said for name in one.classes}
    if mine and theirs and not mine & theirs:
        raise UserError(
            f"{predictions} and {truth} have no class in common: {_some(mine)} here, {_some(theirs)} there; classes "
            "are the same where their names are"
        )
    found = {"videos": _score_videos, "segments": _score_segments, "windows": _score_windows}[kind](
        judged, names, by_video
    )
    return PredictionQuality(
        kind,
        *found,
        videos=len(by_video) if kind == "segments" else len({row["path"] for row in judged}),
        unjudged=len(predicted - set(names)),
        missing=len(set(by_video) - set(names.values())),
        unnamed=tuple(sorted(mine - theirs)),
    )


Rows = Sequence[Mapping[str, str]]
Truth = Mapping[str, Sequence[Said]]
Found = tuple[ClassTable, Reliability, dict[float, dict[str, float]]]


def _read_table(path: Path) -> tuple[str, list[dict[str, str]]]:
    """Return the kind of a table of predictions, and its rows."""
    try:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            reader = csv.DictReader(file)
            columns, rows = set(reader.fieldnames or ()), list(reader)
    except (OSError, csv.Error) as error:
        raise UserError(f"cannot read the predictions {path}: {error}") from None
    times, named = {"start", "end"} <= columns, {"label", "probability"} <= columns
    chances = any(name.startswith(_CHANCE) for name in columns)
    kind = "segments" if times and named else "windows" if times and chances else "videos" if named and chances else ""
    if "path" not in columns or not kind:
        raise UserError(f"{path} is no table of coview predict; its columns are {', '.join(sorted(columns))[:100]}")
    if not rows:
        raise UserError(f"{path} has no predictions")
    numbers = [name for name in columns if name in ("start", "end", "probability") or name.startswith(_CHANCE)]
    for line, row in enumerate(rows, start=2):
        for name in numbers:
            try:
                float(row[name])
            except (TypeError, ValueError):
                raise UserError(f"{path}, line {line}: {name} is {row[name]!r}, expected a number") from None
    return kind, rows


def _predicted_classes(kind: str, rows: Sequence[Mapping[str, str]]) -> set[str]:
    """Return the classes that a table can name; of segments those that it does."""
    if kind == "segments":
        return {row["label"] for row in rows} - {NONE}
    return {name.removeprefix(_CHANCE) for name in rows[0] if name.startswith(_CHANCE)}


def _common_names(predicted: set[str], true: set[str]) -> dict[str, str]:
    """Return path in the predictions -> path in the truth: the same path, or a file name that each has once."""
    by_path = {path: absolute(path) for path in predicted}
    found = {path: full for path, full in by_path.items() if full in true}
    left = [path for path in predicted if path not in found]
    mine, theirs = _once(left), _once(true - set(found.values()))
    return found | {mine[stem]: theirs[stem] for stem in mine.keys() & theirs.keys()}


def _once(paths: Iterable[str]) -> dict[str, str]:
    """Return file name without its ending -> path, of those that occur once."""
    found: dict[str, list[str]] = {}
    for path in paths:
        found.setdefault(Path(path).stem, []).append(path)
    return {stem: own[0] for stem, own in found.items() if len(own) == 1}


def _some(names: Iterable[str]) -> str:
    return repr(min(names))


def _score_videos(rows: Rows, names: Mapping[str, str], truth: Truth) -> Found:
    classes = [name.removeprefix(_CHANCE) for name in rows[0] if name.startswith(_CHANCE)]
    shown = [{name for one in truth[names[row["path"]]] for name in one.classes} for row in rows]
    classes += sorted({name for own in shown for name in own} - set(classes))
    targets = np.array([[name in own for name in classes] for own in shown])
    decided = np.array([[name in {row["label"], *row["label"].split("; ")} for name in classes] for row in rows])
    groups = [_group(truth[names[row["path"]]]) for row in rows]
    reliability = _reliability(rows, classes, targets)
    return score_classes(decided, targets, classes=classes, groups=groups), reliability, {}


def _score_windows(rows: Rows, names: Mapping[str, str], truth: Truth) -> Found:
    classes = [name.removeprefix(_CHANCE) for name in rows[0] if name.startswith(_CHANCE)]
    classes += sorted({name for own in truth.values() for one in own for name in one.classes} - set(classes))
    targets = np.zeros((len(rows), len(classes)), dtype=bool)
    for place, row in enumerate(rows):
        middle = (float(row["start"]) + float(row["end"])) / 2
        shown = {name for one in truth[names[row["path"]]] if _covers(one, middle) for name in one.classes}
        targets[place] = [name in shown for name in classes]
    decided = np.array([[float(row.get(f"{_CHANCE}{name}", 0)) >= 0.5 for name in classes] for row in rows])
    groups = [_group(truth[names[row["path"]]]) for row in rows]
    return score_classes(decided, targets, classes=classes, groups=groups), _reliability(rows, classes, targets), {}


def _covers(one: Said, second: float) -> bool:
    return one.start_seconds is None or one.end_seconds is None or one.start_seconds <= second <= one.end_seconds


def _reliability(rows: Rows, classes: Sequence[str], targets: NDArray[np.bool_]) -> Reliability:
    known = [place for place, name in enumerate(classes) if f"{_CHANCE}{name}" in rows[0]]
    chances = np.array([[float(row[f"{_CHANCE}{classes[place]}"]) for place in known] for row in rows], np.float32)
    return measure_reliability(chances.ravel(), targets[:, known].ravel())


def _score_segments(rows: Rows, names: Mapping[str, str], truth: Truth) -> Found:
    """Score segments; videos of the truth without a predicted one are missed."""
    true: dict[str, list[Span]] = {}
    for path, own in truth.items():
        for one in own:
            if one.start_seconds is not None and one.end_seconds is not None:
                for name in one.classes:
                    true.setdefault(name, []).append((path, one.start_seconds, one.end_seconds))
    predicted: dict[str, list[tuple[Span, float]]] = {}
    for row in rows:
        if row["label"] != NONE:
            span = names[row["path"]], float(row["start"]), float(row["end"])
            predicted.setdefault(row["label"], []).append((span, float(row["probability"])))
    classes = sorted({*true, *predicted})
    said, right, decided, targets, groups = [], [], [], [], []
    for place, name in enumerate(classes):
        spans, scores = [one for one, _ in predicted.get(name, ())], [score for _, score in predicted.get(name, ())]
        hits, found = match_segments(spans, scores, true.get(name, ()), tiou=MATCH)
        said.extend(scores)
        right.extend(hits.tolist())
        missed = [span for span, is_found in zip(true.get(name, ()), found.tolist(), strict=True) if not is_found]
        for span, is_decided, is_true in [
            *((span, True, hit) for span, hit in zip(spans, hits.tolist(), strict=True)),
            *((span, False, True) for span in missed),
        ]:
            decided.append(np.arange(len(classes)) == place if is_decided else np.zeros(len(classes), bool))
            targets.append(np.arange(len(classes)) == place if is_true else np.zeros(len(classes), bool))
            groups.append(_group(truth[span[0]]))
    table = score_classes(np.array(decided), np.array(targets), classes=classes, groups=groups)
    reliability = measure_reliability(np.array(said, np.float32), np.array(right, bool))
    return table, reliability, {tiou: mean_average_precision(predicted, true, tiou=tiou) for tiou in TIOUS}


def _group(own: Sequence[Said]) -> str:
    return own[0].group or own[0].path
