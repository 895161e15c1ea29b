"""Protocol "few-labels": the linear classifier taught by 1, 5, 10, 20 videos a class, several draws of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from coview.config import Count, NonNegativeFloat, Positive, as_plain
from coview.datasets.splits import few_of_each_class
from coview.evaluate.base import Protocol, ScoreRow, Scores, Task
from coview.evaluate.classification import METRICS, Problem, chance_outcome, outcome
from coview.evaluate.ensemble import DEFAULT_WEIGHTS
from coview.evaluate.features import FeatureTable, gather_features, remarks_of, settings_of_features
from coview.evaluate.linear import TEST_ROLES, LinearSettings, learnable, predicted
from coview.evaluate.linear_model import Recipe
from coview.evaluate.sides import SPLIT, choose_sides


@dataclass(frozen=True)
class FewLabelsSettings:
    """How many labels, and how often they are drawn. The classifier is that of the protocol "linear"."""

    labels: tuple[Positive, ...] = (1, 5, 10, 20)
    """Training videos of each class that have a label; a class with fewer uses all it has."""
    draws: Positive = 5
    """How often the labelled videos are drawn anew; every set of features sees the same draws."""
    baselines: bool = True
    """Also score random weights and the pixel baselines."""
    workers: Count = 2
    """Threads that read videos for the pixel baselines."""
    weights: Mapping[str, NonNegativeFloat] = field(default_factory=lambda: dict(DEFAULT_WEIGHTS))
    """View name -> weight of its probabilities in "weighted views"; one that is not named weighs 1, 0 leaves it out."""


class FewLabels(Protocol):
    """Top-1 of a linear classifier on frozen features with 1, 5, 10, 20 labels a class, mean and spread over draws."""

    Settings = FewLabelsSettings

    def score(self, task: Task) -> Scores:
        """Score a run; see `Protocol.score`."""
        chosen, seed = self.settings, task.run.config.seed
        sides = choose_sides(task.data, task.split, variant=SPLIT)
        problem = learnable(sides, protocol="few-labels")
        recipe = LinearSettings().recipe()
        tables = gather_features(
            task, sides, weights=chosen.weights, baselines=chosen.baselines, workers=chosen.workers
        )
        rows = [row for table in tables for row in self._rows(table, problem, recipe=recipe, seed=seed)]
        chance = chance_outcome(problem.labels, problem.classes)[METRICS[0]]
        metrics = dict.fromkeys(map(metric_name, chosen.labels), chance)
        rows.append(ScoreRow("chance", "chance", metrics, description="classes in random order"))
        return Scores(
            rows=tuple(rows),
            counts={**sides.counts, "roles": list(TEST_ROLES)},
            settings={
                **as_plain(chosen),
                "classifier": as_plain(recipe),
                **settings_of_features(task),
                "standard_error": f"standard deviation over {chosen.draws} draws of the labelled videos",
            },
            split=task.split,
            remarks=(*_too_few(problem, chosen.labels), *remarks_of(task)),
        )

    def _rows(self, table: FeatureTable, problem: Problem, *, recipe: Recipe, seed: int) -> list[ScoreRow]:
        """Return the mean over draws for each set of features."""
        found: dict[str, dict[str, list[float]]] = {}
        descriptions = {}
        for count in self.settings.labels:
            for draw in range(self.settings.draws):
                taught = drawn(problem, count, seed=seed, draw=draw)
                for name, (scores, description) in predicted(table, taught, recipe=recipe, seed=seed).items():
                    descriptions[name] = description
                    value = outcome(scores, taught.labels, taught.classes).metrics[METRICS[0]]
                    found.setdefault(name, {}).setdefault(metric_name(count), []).append(value)
        return [
            ScoreRow(
                table.kind,
                name,
                {metric: float(np.mean(values)) for metric, values in by_metric.items()},
                {metric: float(np.std(values, ddof=1)) for metric, values in by_metric.items() if len(values) > 1},
                descriptions[name],
            )
            for name, by_metric in found.items()
        ]


def metric_name(count: int) -> str:
    """Return "top-1 at 1 label" or "top-1 at 5 labels"."""
    return f"{METRICS[0]} at {count} label{'' if count == 1 else 's'}"


def drawn(problem: Problem, count: int, *, seed: int, draw: int) -> Problem:
    """Return the problem with at most `count` training videos of each class; the test videos stay as they are.

    A draw of more labels holds the same draw of fewer.
    """
    kept = few_of_each_class(problem.targets, count, seed=seed, draw=draw)
    return replace(problem, train=tuple(problem.train[place] for place in kept), targets=problem.targets[kept])


def _too_few(problem: Problem, labels: Sequence[int]) -> tuple[str, ...]:
    sizes = np.bincount(problem.targets, minlength=len(problem.classes))
    short = int((sizes < max(labels)).sum())
    if not short:
        return ()
    return (
        f"{short} of {len(problem.classes)} classes have fewer than {max(labels)} training videos (the smallest "
        f"{int(sizes.min())}): there all of them were used",
    )
