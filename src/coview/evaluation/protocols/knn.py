"""Protocol "knn": the kNN classifier, the vote of the nearest training videos, which needs no training at all."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from coview.config import Count, NonNegativeFloat, Positive, PositiveFloat, as_plain
from coview.datasets.folds import Folds
from coview.evaluation.ensembles import DEFAULT_WEIGHTS
from coview.evaluation.features import gather_features
from coview.evaluation.metrics.knn import knn_accuracy
from coview.evaluation.protocols.aggregation import score_classifier
from coview.evaluation.protocols.base import Protocol, Scores, Task
from coview.evaluation.query_gallery import SPLIT, choose_videos


@dataclass(frozen=True)
class KnnSettings:
    """How neighbours vote."""

    variant: Literal["auto", "split", "leave-group-out"] = "auto"
    """split: training videos vote on test videos; leave-group-out: on every labelled video those of all other groups
    vote; auto: split where the data set has splits."""
    folds: Folds | None = None
    """Deal the groups of all labelled videos into this many parts; each is tested once, by the others; mean and spread
    over parts. Not set: as `variant` says."""
    fold_seed: Count = 0
    """Of the deal; runs that are to be compared need the same."""
    neighbours: Positive = 20
    """How many vote; of fewer training videos all of them."""
    temperature: PositiveFloat = 0.07
    """A vote weighs exp(cosine / temperature)."""
    baselines: bool = True
    """Also score random weights and the pixel baselines."""
    workers: Count = 2
    """Threads that read videos for the pixel baselines."""
    weights: Mapping[str, NonNegativeFloat] = field(default_factory=lambda: dict(DEFAULT_WEIGHTS))
    """View name -> weight of its cosines in "weighted views"; a view that is not named weighs 1, 0 leaves it out."""


class Knn(Protocol):
    """Top-1, top-5 and accuracy per class of the weighted vote of the nearest training videos."""

    Settings = KnnSettings
    takes_members = True

    def score(self, task: Task) -> Scores:
        """Score a run; see `Protocol.score`."""
        chosen = self.settings
        videos = choose_videos(
            task.data,
            task.split,
            variant=chosen.variant,
            folds=chosen.folds,
            fold_seed=chosen.fold_seed,
            along_with=task.along_with,
        )
        tables = gather_features(
            task, videos, weights=chosen.weights, baselines=chosen.baselines, workers=chosen.workers
        )
        metric = partial(knn_accuracy, neighbours=chosen.neighbours, temperature=chosen.temperature)
        settings = {**as_plain(chosen), "variant": videos.variant or SPLIT}
        return score_classifier(task, videos, tables, metric, settings=settings)
