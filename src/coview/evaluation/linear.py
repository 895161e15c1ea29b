"""Protocol "linear": what a linear classifier reads from frozen features. Beside random weights, pixels and chance."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from coview.config import Count, Fraction, NonNegativeFloat, Positive, PositiveFloat
from coview.datasets.folds import Folds
from coview.errors import UserError
from coview.evaluation.base import Protocol, Scores, Task
from coview.evaluation.classification import Problem, problem_of
from coview.evaluation.classified import TEST_ROLES, classified
from coview.evaluation.ensemble import DEFAULT_WEIGHTS, in_words, mixed
from coview.evaluation.features import FeatureTable, gather_features
from coview.evaluation.linear_model import Recipe, fit_linear, probabilities
from coview.evaluation.rounds import choose_rounds
from coview.evaluation.sides import SPLIT, Sides

__all__ = ["TEST_ROLES", "Linear", "LinearSettings", "learnable", "predicted"]


@dataclass(frozen=True)
class LinearSettings:
    """How the linear classifier is trained. Nothing is chosen by its score: all of it is fixed beforehand."""

    folds: Folds | None = None
    """Deal the groups of all labelled videos into this many parts; each is tested once by classifiers that the others
    taught; mean and spread over parts. Not set: the split's test part is tested."""
    fold_seed: Count = 0
    """Of the deal; runs that are to be compared need the same."""
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
    takes_members = True

    def score(self, task: Task) -> Scores:
        """Score a run; see `Protocol.score`."""
        chosen = self.settings
        rounds = choose_rounds(task, variant=SPLIT, folds=chosen.folds, fold_seed=chosen.fold_seed)
        for sides in rounds.sides:
            learnable(sides, protocol="linear")
        tables = gather_features(
            task, rounds.all_sides, weights=chosen.weights, baselines=chosen.baselines, workers=chosen.workers
        )

        def predict(table: FeatureTable, _: Sides, problem: Problem) -> dict[str, tuple[NDArray[np.float32], str]]:
            return predicted(table, problem, recipe=chosen.recipe(), seed=task.run.config.seed)

        variant = "" if chosen.head == "batchnorm" else chosen.head
        return classified(task, rounds, tables, predict, settings=chosen, variant=variant)


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
