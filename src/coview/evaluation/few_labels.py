"""Protocol "few-labels": a classifier taught by 1, 5, 10, 20 videos a class, several draws of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from coview.config import Count, NonNegativeFloat, Positive, as_plain
from coview.datasets.splits import few_of_each_class
from coview.evaluation.base import Protocol, RowKind, ScoreRow, Scores, Task
from coview.evaluation.classification import METRICS, Problem, chance_outcome, outcome
from coview.evaluation.ensemble import DEFAULT_WEIGHTS
from coview.evaluation.features import FeatureTable, gather_features, remarks_of, settings_of_features
from coview.evaluation.fine_tuning import WHOSE, FinetuneSettings, Start, fine_tuned
from coview.evaluation.finetune import recipe_of
from coview.evaluation.inference import classified
from coview.evaluation.linear import TEST_ROLES, LinearSettings, learnable, predicted
from coview.evaluation.linear_model import Recipe
from coview.evaluation.sides import SPLIT, Sides, choose_sides

Found = dict[str, dict[int, list[float]]]
"""Name of a row -> labels a class -> top-1 of each draw."""


@dataclass(frozen=True)
class FewLabelsSettings:
    """How many labels, how often they are drawn, and who learns from them."""

    labels: tuple[Positive, ...] = (1, 5, 10, 20)
    """Training videos of each class that have a label; a class with fewer uses all it has."""
    draws: Positive = 5
    """How often the labelled videos are drawn anew; every classifier sees the same draws."""
    classifier: Literal["linear", "finetune"] = "linear"
    """linear: on frozen features, as protocol linear; finetune: all weights, as protocol finetune, once for each
    number of labels and draw."""
    baselines: bool = True
    """Also score random weights and, with the linear classifier, the pixel baselines."""
    finetune: FinetuneSettings = field(default_factory=FinetuneSettings)
    """How to fine-tune, as in protocol finetune; its start, labels, draw and weights come from here instead."""
    workers: Count = 2
    """Threads that read videos for the pixel baselines."""
    weights: Mapping[str, NonNegativeFloat] = field(default_factory=lambda: dict(DEFAULT_WEIGHTS))
    """View name -> weight of its probabilities in "weighted views"; one that is not named weighs 1, 0 leaves it out."""


class FewLabels(Protocol):
    """Top-1 with 1, 5, 10, 20 labels a class, linear on frozen features or fine-tuned; mean and spread over draws."""

    Settings = FewLabelsSettings

    def score(self, task: Task) -> Scores:
        """Score a run; see `Protocol.score`."""
        chosen = self.settings
        sides = choose_sides(task.data, task.split, variant=SPLIT)
        problem = learnable(sides, protocol="few-labels")
        teach = {"linear": self._linear, "finetune": self._finetune}[chosen.classifier]
        rows, settings = teach(task, sides, problem)
        chance = chance_outcome(problem.labels, problem.classes)[METRICS[0]]
        metrics = dict.fromkeys(map(metric_name, chosen.labels), chance)
        rows = [*rows, ScoreRow("chance", "chance", metrics, description="classes in random order")]
        return Scores(
            rows=tuple(rows),
            counts={**sides.counts, "roles": list(TEST_ROLES)},
            settings={
                **{name: value for name, value in as_plain(chosen).items() if name != "finetune"},
                **settings,
                "standard_error": f"standard deviation over {chosen.draws} draws of the labelled videos",
            },
            split=task.split,
            variant="" if chosen.classifier == "linear" else chosen.classifier,
            remarks=(*_too_few(problem, chosen.labels), *remarks_of(task)),
        )

    def _linear(self, task: Task, sides: Sides, problem: Problem) -> tuple[list[ScoreRow], dict[str, Any]]:
        """Teach a linear classifier on each set of frozen features; return rows and what they depend on."""
        chosen, recipe = self.settings, LinearSettings().recipe()
        tables = gather_features(
            task, sides, weights=chosen.weights, baselines=chosen.baselines, workers=chosen.workers
        )
        rows = [row for table in tables for row in self._linear_rows(table, problem, recipe, seed=task.run.config.seed)]
        return rows, {"classifier": as_plain(recipe), **settings_of_features(task)}

    def _linear_rows(self, table: FeatureTable, problem: Problem, recipe: Recipe, *, seed: int) -> list[ScoreRow]:
        found: Found = {}
        descriptions = {}
        for count in self.settings.labels:
            for draw in range(self.settings.draws):
                taught = drawn(problem, count, seed=seed, draw=draw)
                for name, (scores, description) in predicted(table, taught, recipe=recipe, seed=seed).items():
                    descriptions[name] = description
                    value = outcome(scores, taught.labels, taught.classes).metrics[METRICS[0]]
                    found.setdefault(name, {}).setdefault(count, []).append(value)
        return mean_rows(table.kind, found, descriptions)

    def _finetune(self, task: Task, sides: Sides, problem: Problem) -> tuple[list[ScoreRow], dict[str, Any]]:
        """Fine-tune the run for each number of labels and draw; return rows and what they depend on."""
        chosen = self.settings
        starts: tuple[Start, ...] = ("trained", "random") if chosen.baselines else ("trained",)
        rows: list[ScoreRow] = []
        settings: dict[str, Any] = {}
        for start in starts:
            found: Found = {}
            descriptions = {}
            for count in chosen.labels:
                for draw in range(chosen.draws):
                    child = fine_tuned(task, replace(chosen.finetune, labels=count, draw=draw), start)
                    child_task = replace(task, run=child)
                    scored = classified(child_task, sides, crops=chosen.finetune.crops, weights=chosen.weights)
                    for row in scored.rows:
                        descriptions[row.name] = f"fine-tuned from {WHOSE[start]}; {row.description}"
                        found.setdefault(row.name, {}).setdefault(count, []).append(row.metrics[METRICS[0]])
                    recipe = {name: value for name, value in recipe_of(child).items() if name not in ("labels", "draw")}
                    settings = {**scored.settings, "classifier": recipe}
            rows += mean_rows(start, found, descriptions)
        return rows, settings


def mean_rows(kind: RowKind, found: Found, descriptions: Mapping[str, str]) -> list[ScoreRow]:
    """Return a row a name: the mean over the draws and, where there are several, their standard deviation."""
    return [
        ScoreRow(
            kind,
            name,
            {metric_name(count): float(np.mean(values)) for count, values in by_count.items()},
            {
                metric_name(count): float(np.std(values, ddof=1))
                for count, values in by_count.items()
                if len(values) > 1
            },
            descriptions[name],
        )
        for name, by_count in found.items()
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
