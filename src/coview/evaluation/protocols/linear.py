"""Protocol "linear": what a linear classifier reads from frozen features. Beside random weights, pixels and chance."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from coview.config import Count, Fraction, NonNegativeFloat, Positive, PositiveFloat, as_plain
from coview.datasets.folds import Folds
from coview.evaluation.ensembles import DEFAULT_WEIGHTS
from coview.evaluation.features import gather_features
from coview.evaluation.metrics.linear import LinearRecipe, linear_accuracy
from coview.evaluation.protocols.aggregation import score_classifier
from coview.evaluation.protocols.base import Protocol, Scores, Task, require_two_classes
from coview.evaluation.query_gallery import choose_videos


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
    learning_rate: PositiveFloat = LinearRecipe.learning_rate
    """Of SGD at the start."""
    momentum: Fraction = LinearRecipe.momentum
    """Of SGD."""
    weight_decay: NonNegativeFloat = LinearRecipe.weight_decay
    """Of SGD."""
    epochs: Positive = LinearRecipe.epochs
    """Passes over the training features."""
    milestones: tuple[Positive, ...] = LinearRecipe.milestones
    """Epochs after which the learning rate is divided by 10."""
    batch_size: Positive = LinearRecipe.batch_size
    """Features in a batch."""
    baselines: bool = True
    """Also score random weights and the pixel baselines, each with a classifier of its own."""
    workers: Count = 2
    """Threads that read videos for the pixel baselines."""
    weights: Mapping[str, NonNegativeFloat] = field(default_factory=lambda: dict(DEFAULT_WEIGHTS))
    """View name -> weight of its probabilities in "weighted views"; one that is not named weighs 1, 0 leaves it out."""

    def recipe(self) -> LinearRecipe:
        """Return the settings of the training alone."""
        return LinearRecipe(
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
        videos = choose_videos(
            task.data, task.split, folds=chosen.folds, fold_seed=chosen.fold_seed, along_with=task.along_with
        )
        require_two_classes(videos, protocol="linear")
        tables = gather_features(
            task, videos, weights=chosen.weights, baselines=chosen.baselines, workers=chosen.workers
        )
        metric = partial(linear_accuracy, recipe=chosen.recipe(), seed=task.run.config.seed)
        variant = "" if chosen.head == "batchnorm" else chosen.head
        return score_classifier(task, videos, tables, metric, settings=as_plain(chosen), variant=variant)
