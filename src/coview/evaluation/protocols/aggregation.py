"""From a metric to the rows of a protocol: every set of features and ensemble, over all folds, with its uncertainty."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from coview.config import as_plain
from coview.datasets.splits import group_of
from coview.evaluation.ensembles import VIEWS_JOINED, average_scores
from coview.evaluation.features import FeatureTable, describe_features, remark_on_features
from coview.evaluation.metrics.accuracy import accuracy_of_scores, chance_accuracy
from coview.evaluation.metrics.base import Metric, MetricValues, as_values, mean_over_draws, training_classes
from coview.evaluation.protocols.base import TEST_ROLES, Scores, Task
from coview.evaluation.query_gallery import EvaluationVideos, QueryGallerySplit
from coview.evaluation.results.predictions import Predictions
from coview.evaluation.results.result import RowKind, ScoreRow
from coview.evaluation.statistics import bootstrap_error

_Chance = Callable[[Sequence[str], QueryGallerySplit], Mapping[str, float]]
"""Labels and a split -> what guessing gives."""


def measure_features(
    table: FeatureTable, metric: Metric, labels: Sequence[str], split: QueryGallerySplit
) -> dict[str, MetricValues]:
    """Measure each set of features and each ensemble of one kind.

    An ensemble is the mean of the views' probabilities where the metric gives them, else of their cosines. Where it
    gives them, all views are also read side by side (`VIEWS_JOINED`).
    """
    found = {name: as_values(metric(vectors, labels, split)) for name, vectors in table.features.items()}
    for name, shares in table.ensembles.items():
        probabilities = {view: values for view in shares if (values := found[view].probabilities) is not None}
        if len(probabilities) == len(shares):
            mixed, classes = average_scores(probabilities, shares), found[next(iter(shares))].classes
            wanted = [labels[row] for row in split.queries]
            found[name] = accuracy_of_scores(mixed, wanted, classes, is_probability=True)
        else:
            found[name] = as_values(metric(table.join(name), labels, split))
    ensemble = next(iter(table.ensembles), None)
    if ensemble is not None and found[ensemble].probabilities is not None:
        found[VIEWS_JOINED] = as_values(metric(table.join(ensemble), labels, split))
    return found


def score_rows(
    table: FeatureTable, metric: Metric, videos: EvaluationVideos, *, seed: int
) -> tuple[list[ScoreRow], dict[str, list[str]]]:
    """Measure features of one kind in every fold.

    Returns:
        A row for each set of features and ensemble, and row name -> the class given to each query, fold after fold.
    """
    by_fold = [measure_features(table, metric, videos.labels, fold) for fold in videos.folds]
    rows, given = [], {}
    for name, first in by_fold[0].items():
        found = [measured[name] for measured in by_fold]
        description = table.describe(name, averaged="softmax" if first.probabilities is not None else "cosine matrices")
        rows.append(aggregate_folds(table.kind, name, videos, found, seed=seed, description=description))
        given[name] = [predicted for values in found for predicted in values.predicted]
    return rows, given


def aggregate_folds(
    kind: RowKind,
    name: str,
    videos: EvaluationVideos,
    found: Sequence[MetricValues],
    *,
    seed: int,
    description: str,
) -> ScoreRow:
    """Put what one set of features did in every fold into one row.

    Of one fold: its values, with the bootstrap error of the first where each query was given a class. Of several: the
    means, with the standard deviation over folds.
    """
    metrics = mean_over_draws([values.scores for values in found])
    errors: dict[str, float] = {}
    if len(found) > 1:
        errors = {one: float(np.std([values.scores[one] for values in found], ddof=1)) for one in metrics}
    elif found[0].predicted:
        labels, groups = zip(*((entry.label, group_of(entry)) for entry in videos.tested), strict=True)
        hits = np.array([given == label for given, label in zip(found[0].predicted, labels, strict=True)])
        errors = {next(iter(metrics)): bootstrap_error(hits, groups, seed=seed)}
    return ScoreRow(kind, name, metrics, errors, description, found[0].scales)


def chance_row(videos: EvaluationVideos, chance: _Chance, *, description: str) -> ScoreRow:
    """Return the mean over folds of what guessing gives."""
    return ScoreRow(
        "chance", "chance", mean_over_draws([chance(videos.labels, fold) for fold in videos.folds]), {}, description
    )


def keep_predictions(videos: EvaluationVideos, given: Mapping[str, Sequence[str]]) -> Predictions:
    """Return the class that each query was given, for row name -> classes, fold after fold."""
    return Predictions(
        videos=tuple(entry.id for entry in videos.tested),
        labels=tuple(entry.label or "" for entry in videos.tested),
        groups=tuple(group_of(entry) for entry in videos.tested),
        given={name: tuple(classes) for name, classes in given.items()},
    )


def describe_errors(videos: EvaluationVideos, metric: str, *, tested: str) -> str:
    """Say what the standard error of a row is."""
    if len(videos.folds) > 1:
        return f"standard deviation over {len(videos.folds)} folds"
    return f"bootstrap of {metric} over whole groups of {tested}"


def score_classifier(
    task: Task,
    videos: EvaluationVideos,
    tables: Sequence[FeatureTable],
    metric: Metric,
    *,
    settings: Mapping[str, Any],
    variant: str = "",
) -> Scores:
    """Let a classifier name the class of every tested video and count how often it is right.

    Args:
        task: run and data.
        videos: who is tested by whom.
        tables: the features.
        metric: trains the classifier on the gallery and tests it on the queries.
        settings: the protocol's.
        variant: what differs from the protocol's default besides the folds.
    """
    rows: list[ScoreRow] = []
    given: dict[str, list[str]] = {}
    for table in tables:
        more, named = score_rows(table, metric, videos, seed=task.run.config.seed)
        rows += more
        given = named if table.kind == "trained" else given
    rows.append(chance_row(videos, guess_class, description="classes in random order"))
    error = describe_errors(videos, rows[0].first_metric, tested="test videos")
    return Scores(
        rows=tuple(rows),
        counts={**videos.counts, "roles": list(TEST_ROLES)},
        settings={**as_plain(settings), **describe_features(task), "standard_error": error},
        split=videos.split,
        variant="-".join(word for word in (variant, videos.variant) if word),
        predictions=keep_predictions(videos, given).packed(),
        remarks=(*videos.remarks, *remark_on_features(task)),
    )


def guess_class(labels: Sequence[str], split: QueryGallerySplit) -> dict[str, float]:
    """Return what naming the classes of the gallery in random order gives."""
    classes, _ = training_classes(labels, split)
    return chance_accuracy([labels[row] for row in split.queries], classes)
