"""From class scores of every set of features to the rows of a protocol: what "linear" and "knn" have in common."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from coview.config import as_plain
from coview.evaluation.base import ScoreRow, Scores, Task
from coview.evaluation.classification import (
    METRICS,
    Problem,
    accuracy_per_class,
    chance_outcome,
    confusion_of,
    outcome,
    problem_of,
)
from coview.evaluation.features import FeatureTable, remarks_of, settings_of_features
from coview.evaluation.rounds import Judged, Rounds, judged_row, mean_of_rounds
from coview.evaluation.sides import Sides

TEST_ROLES = ("test", "training")

Predict = Callable[[FeatureTable, Sides, Problem], Mapping[str, tuple[NDArray[Any], str]]]
"""Features of one kind, who is tested by whom, and the classes: name -> ((q, C) class scores, description)."""


def classified(
    task: Task,
    rounds: Rounds,
    tables: Sequence[FeatureTable],
    predict: Predict,
    *,
    settings: Any,
    changed: Mapping[str, Any] | None = None,
    variant: str = "",
) -> Scores:
    """Let a classifier name the class of every tested video and count how often it is right.

    Args:
        task: run and data.
        rounds: who is tested by whom.
        tables: the features.
        predict: the classifier.
        settings: the protocol's.
        changed: settings that stand for others in the result.
        variant: what differs from the protocol's default besides the rounds.
    """
    rows: list[ScoreRow] = []
    details: dict[str, Any] = {}
    given: dict[str, list[str]] = {}
    seed = task.run.config.seed
    for table in tables:
        by_round = [_judged(table, sides, predict) for sides in rounds.sides]
        for name, (_, description) in by_round[0].items():
            found = [judged[name][0] for judged in by_round]
            row, named = judged_row(table.kind, name, rounds, found, seed=seed, description=description)
            rows.append(row)
            if table.kind == "trained":
                given[name] = named
                confusion = confusion_of(rounds.labels(), named)
                details[name] = {"per_class": accuracy_per_class(confusion), "confusion": confusion}
    chance = mean_of_rounds(rounds, _chance)
    rows.append(ScoreRow("chance", "chance", chance, description="classes in random order"))
    return Scores(
        rows=tuple(rows),
        counts={**rounds.counts, "roles": list(TEST_ROLES)},
        settings={
            **as_plain(settings),
            **(changed or {}),
            **settings_of_features(task),
            "standard_error": rounds.spread_in_words(METRICS[0], tested="test videos"),
        },
        split=rounds.split,
        variant="-".join(word for word in (variant, rounds.variant) if word),
        details=details,
        outcomes=rounds.outcomes(given).packed(),
        remarks=(*rounds.remarks, *remarks_of(task)),
    )


def _judged(table: FeatureTable, sides: Sides, predict: Predict) -> dict[str, tuple[Judged, str]]:
    """Return name -> (how the classifier did in one round, description)."""
    problem = problem_of(sides)
    judged = {}
    for name, (scores, description) in predict(table, sides, problem).items():
        found = outcome(scores, problem.labels, problem.classes)
        judged[name] = (Judged(found.metrics, found.hits, found.given), description)
    return judged


def _chance(sides: Sides) -> dict[str, float]:
    problem = problem_of(sides)
    return chance_outcome(problem.labels, problem.classes)
