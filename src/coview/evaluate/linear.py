"""Protocol "linear": what a linear classifier reads from frozen features. Beside random weights, pixels and chance."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from coview.config import Count, Fraction, NonNegativeFloat, Positive, PositiveFloat, as_plain
from coview.errors import UserError
from coview.evaluate.base import Protocol, ScoreRow, Scores, Task
from coview.evaluate.classification import METRICS, Problem, chance_outcome, outcome, problem_of
from coview.evaluate.ensemble import DEFAULT_WEIGHTS, in_words, mixed
from coview.evaluate.features import FeatureTable, gather_features, remarks_of, settings_of_features
from coview.evaluate.linear_model import Recipe, fit_linear, probabilities
from coview.evaluate.recall import bootstrap_error
from coview.evaluate.sides import SPLIT, Sides, choose_sides

TEST_ROLES = ("test", "training")


@dataclass(frozen=True)
class LinearSettings:
    """How the linear classifier is trained. Nothing is chosen by its score: all of it is fixed beforehand."""

    head: Literal["batchnorm", "plain"] = "batchnorm"
    """batchnorm: unit feature, batch normalisation, linear layer; plain: without the normalisation."""
    learning_rate: PositiveFloat = 0.1
    """Of SGD at the start."""
    momentum: Fraction = 0.9
    """Of SGD."""
    weight_decay: NonNegativeFloat = 1e-3
    """Of SGD."""
    epochs: Positive = 100
    """Passes over the training features."""
    milestones: tuple[Positive, ...] = (60, 80)
    """Epochs after which the learning rate is divided by 10."""
    batch_size: Positive = 128
    """Features in a batch."""
    baselines: bool = True
    """Also score random weights and the pixel baselines, each with a classifier of its own."""
    workers: Count = 2
    """Threads that read videos for the pixel baselines."""
    weights: Mapping[str, NonNegativeFloat] = field(default_factory=lambda: dict(DEFAULT_WEIGHTS))
    """View name -> weight of its probabilities in "weighted views"; one that is not named weighs 1, 0 leaves it out."""

    def recipe(self) -> Recipe:
        """Return the settings of the training alone."""
        return Recipe(
            batch_norm=self.head == "batchnorm",
            learning_rate=self.learning_rate,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            epochs=self.epochs,
            milestones=tuple(self.milestones),
            batch_size=self.batch_size,
        )


class Linear(Protocol):
    """Top-1, top-5 and accuracy per class of a linear classifier on frozen features, per view and for ensembles."""

    Settings = LinearSettings

    def score(self, task: Task) -> Scores:
        """Score a run; see `Protocol.score`."""
        chosen, seed = self.settings, task.run.config.seed
        sides = choose_sides(task.data, task.split, variant=SPLIT)
        problem = learnable(sides, protocol="linear")
        rows: list[ScoreRow] = []
        details: dict[str, Any] = {}
        for table in gather_features(
            task, sides, weights=chosen.weights, baselines=chosen.baselines, workers=chosen.workers
        ):
            for name, (scores, description) in predicted(table, problem, recipe=chosen.recipe(), seed=seed).items():
                found = outcome(scores, problem.labels, problem.classes)
                error = {METRICS[0]: bootstrap_error(found.hits, problem.groups, seed=seed)}
                rows.append(ScoreRow(table.kind, name, found.metrics, error, description))
                if table.kind == "trained":
                    details[name] = {"per_class": found.per_class, "confusion": found.confusion}
        chance = chance_outcome(problem.labels, problem.classes)
        rows.append(ScoreRow("chance", "chance", chance, description="classes in random order"))
        return Scores(
            rows=tuple(rows),
            counts={**sides.counts, "roles": list(TEST_ROLES)},
            settings={
                **as_plain(chosen),
                **settings_of_features(task),
                "standard_error": "bootstrap of top-1 over whole groups of test videos",
            },
            split=task.split,
            variant="" if chosen.head == "batchnorm" else chosen.head,
            details=details,
            remarks=remarks_of(task),
        )


def learnable(sides: Sides, *, protocol: str) -> Problem:
    """Return the classification problem of two sides.

    Raises:
        UserError: there is nothing to tell apart.
    """
    problem = problem_of(sides)
    if len(problem.classes) < 2:
        raise UserError(
            f"{protocol} needs training videos of two classes or more; all {len(problem.train)} that are ready are "
            f"of class {problem.classes[0]!r}"
        )
    return problem


def predicted(
    table: FeatureTable, problem: Problem, *, recipe: Recipe, seed: int
) -> dict[str, tuple[NDArray[np.float32], str]]:
    """Train a classifier on each view's features and mix them by the mean of softmax.

    Args:
        table: features of all videos.
        problem: who teaches and who is tested.
        recipe: how classifiers are trained.
        seed: of the classifiers; each view's starts from the same.

    Returns:
        Name -> ((q, C) probabilities of the test videos, description).
    """
    found = {}
    for name, vectors in table.features.items():
        generator = torch.Generator().manual_seed(seed)
        head = fit_linear(
            vectors[list(problem.train)],
            problem.targets,
            num_classes=len(problem.classes),
            recipe=recipe,
            generator=generator,
        )
        found[name] = (probabilities(head, vectors[list(problem.test)]), table.describe(name))
    single = {name: scores for name, (scores, _) in found.items()}
    for name, shares in table.ensembles.items():
        found[name] = (mixed(single, shares), f"weighted mean of the views' softmax: {in_words(shares)}")
    return found
