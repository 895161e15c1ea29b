"""Protocol "linear": what a linear classifier reads from frozen features. Beside random weights, pixels and chance."""

from dataclasses import dataclass
from functools import partial

from coview.config import as_plain
from coview.evaluation.features import gather_features
from coview.evaluation.metrics.linear import LinearRecipe, linear_accuracy
from coview.evaluation.protocols.aggregation import score_classifier
from coview.evaluation.protocols.base import FeatureSettings, FoldSettings, Protocol, Scores, Task, require_two_classes
from coview.evaluation.query_gallery import choose_videos


@dataclass(frozen=True)
class LinearSettings(LinearRecipe, FoldSettings, FeatureSettings):
    """How the linear classifier is trained, and on whom."""


class Linear(Protocol):
    """Top-1, top-5 and accuracy per class of a linear classifier on frozen features, per view and for ensembles."""

    Settings = LinearSettings
    takes_members = True
    takes_shards = True

    def score(self, task: Task) -> Scores:
        """Score a run; see `Protocol.score`."""
        chosen = self.settings
        videos = choose_videos(
            task.data, task.split, folds=chosen.folds, fold_seed=chosen.fold_seed, along_with=task.along_with
        )
        require_two_classes(videos, protocol="linear")
        tables = gather_features(task, videos, chosen)
        metric = partial(linear_accuracy, recipe=chosen, seed=task.run.config.seed)
        variant = "" if chosen.head == "batchnorm" else chosen.head
        return score_classifier(task, videos, tables, metric, settings=as_plain(chosen), variant=variant)
