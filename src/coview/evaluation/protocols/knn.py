"""Protocol "knn": the kNN classifier, the vote of the nearest training videos, which needs no training at all."""

from dataclasses import dataclass
from functools import partial
from typing import Literal

from coview.config import Positive, PositiveFloat, as_plain
from coview.evaluation.features import gather_features
from coview.evaluation.metrics.knn import knn_accuracy
from coview.evaluation.protocols.aggregation import score_classifier
from coview.evaluation.protocols.base import FeatureSettings, FoldSettings, Protocol, Scores, Task
from coview.evaluation.query_gallery import SPLIT, choose_videos


@dataclass(frozen=True)
class KnnSettings(FoldSettings, FeatureSettings):
    """How neighbours vote."""

    variant: Literal["auto", "split", "leave-group-out"] = "auto"
    """split: training videos vote on test videos; leave-group-out: on every labelled video those of all other groups
    vote; auto: split where the data set has splits."""
    neighbours: Positive = 20
    """How many vote; of fewer training videos all of them."""
    temperature: PositiveFloat = 0.07
    """A vote weighs exp(cosine / temperature)."""


class Knn(Protocol):
    """Top-1, top-5 and accuracy per class of the weighted vote of the nearest training videos."""

    Settings = KnnSettings
    takes_members = True
    takes_shards = True

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
        tables = gather_features(task, videos, chosen)
        metric = partial(knn_accuracy, neighbours=chosen.neighbours, temperature=chosen.temperature)
        settings = {**as_plain(chosen), "variant": videos.variant or SPLIT}
        return score_classifier(task, videos, tables, metric, settings=settings)
