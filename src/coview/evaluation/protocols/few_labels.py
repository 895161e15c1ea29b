"""Protocol "few-labels": a classifier trained on 1, 5, 10, 20 videos a class, several draws of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

import numpy as np

from coview.config import Positive, as_plain
from coview.datasets.splits import few_of_each_class
from coview.errors import UserError
from coview.evaluation.features import describe_features, gather_features, remark_on_features
from coview.evaluation.metrics.base import training_classes
from coview.evaluation.metrics.linear import LinearRecipe, linear_accuracy
from coview.evaluation.protocols.aggregation import guess_class, measure_features
from coview.evaluation.protocols.base import TEST_ROLES, FeatureSettings, Protocol, Scores, Task, require_two_classes
from coview.evaluation.protocols.finetuning import STARTS, FinetuneSettings, Start, describe_recipe, finetune_run
from coview.evaluation.protocols.inference import classify_videos
from coview.evaluation.query_gallery import EvaluationVideos, QueryGallerySplit, choose_videos
from coview.evaluation.results.result import RowKind, ScoreRow
from coview.wording import counted

_TOP_1 = "top-1"
_Found = dict[str, dict[int, list[float]]]
"""Name of a row -> labels a class -> top-1 of each draw."""


@dataclass(frozen=True)
class FewLabelsSettings(FeatureSettings):
    """How many labels, how often they are drawn, and who learns from them."""

    labels: tuple[Positive, ...] = (1, 5, 10, 20)
    """Training videos of each class that have a label; a class with fewer uses all it has."""
    draws: Positive = 5
    """How often the labelled videos are drawn anew; every classifier sees the same draws."""
    classifier: Literal["linear", "finetune"] = "linear"
    """linear: on frozen features, as protocol linear; finetune: all weights, as protocol finetune, once for each
    number of labels and draw."""
    finetune: FinetuneSettings = field(default_factory=FinetuneSettings)
    """How to fine-tune, as in protocol finetune; its start, labels, draw and weights come from here instead."""


class FewLabels(Protocol):
    """Top-1 with 1, 5, 10, 20 labels a class, linear on frozen features or fine-tuned; mean and spread over draws."""

    Settings = FewLabelsSettings
    takes_shards = True

    def score(self, task: Task) -> Scores:
        """Score a run; see `Protocol.score`."""
        chosen = self.settings
        if task.shard is not None and chosen.classifier == "finetune":
            raise UserError("few-labels with classifier finetune is not embedding alone: it takes no shard")
        videos = choose_videos(task.data, task.split, along_with=task.along_with)
        require_two_classes(videos, protocol="few-labels")
        teach = {"linear": self._linear, "finetune": self._finetune}[chosen.classifier]
        rows, settings = teach(task, videos)
        chance = guess_class(videos.labels, videos.folds[0])[_TOP_1]
        metrics = dict.fromkeys(map(_metric_name, chosen.labels), chance)
        return Scores(
            rows=(*rows, ScoreRow("chance", "chance", metrics, description="classes in random order")),
            counts={**videos.counts, "roles": list(TEST_ROLES)},
            settings={
                **{name: value for name, value in as_plain(chosen).items() if name != "finetune"},
                **settings,
                "standard_error": f"standard deviation over {chosen.draws} draws of the labelled videos",
            },
            split=task.split,
            variant="" if chosen.classifier == "linear" else chosen.classifier,
            remarks=(*_remark_on_small_classes(videos, chosen.labels), *remark_on_features(task)),
        )

    def _linear(self, task: Task, videos: EvaluationVideos) -> tuple[list[ScoreRow], dict[str, Any]]:
        """Teach a linear classifier on each set of frozen features; return rows and what they depend on."""
        chosen, recipe, seed = self.settings, LinearRecipe(), task.run.config.seed
        metric = partial(linear_accuracy, recipe=recipe, seed=seed)
        rows = []
        for table in gather_features(task, videos, chosen):
            found: _Found = {}
            for count in chosen.labels:
                for draw in range(chosen.draws):
                    few = _draw_labels(videos.labels, videos.folds[0], count, seed=seed, draw=draw)
                    for name, values in measure_features(table, metric, videos.labels, few).items():
                        found.setdefault(name, {}).setdefault(count, []).append(values.scores[_TOP_1])
            descriptions = {name: table.describe(name, averaged="softmax") for name in found}
            rows += _mean_rows(table.kind, found, descriptions)
        return rows, {"classifier": as_plain(recipe), **describe_features(task)}

    def _finetune(self, task: Task, videos: EvaluationVideos) -> tuple[list[ScoreRow], dict[str, Any]]:
        """Fine-tune the run for each number of labels and draw; return rows and what they depend on."""
        chosen = self.settings
        rows: list[ScoreRow] = []
        settings: dict[str, Any] = {}
        starts: tuple[Start, ...] = ("trained", "random") if chosen.baselines else ("trained",)
        for start in starts:
            found: _Found = {}
            descriptions = {}
            for count in chosen.labels:
                for draw in range(chosen.draws):
                    child = finetune_run(task, replace(chosen.finetune, labels=count, draw=draw), start)
                    scored = classify_videos(
                        replace(task, run=child), videos, crops=chosen.finetune.crops, weights=chosen.weights
                    )
                    for row in scored.rows:
                        descriptions[row.name] = f"{STARTS[start]}; {row.description}"
                        found.setdefault(row.name, {}).setdefault(count, []).append(row.metrics[_TOP_1])
                    recipe = describe_recipe(child)
                    kept = {name: value for name, value in recipe.items() if name not in ("labels", "draw")}
                    settings = {**scored.settings, "classifier": kept}
            rows += _mean_rows(start, found, descriptions)
        return rows, settings


def _mean_rows(kind: RowKind, found: _Found, descriptions: Mapping[str, str]) -> list[ScoreRow]:
    """Return a row a name: the mean over the draws and, where there are several, their standard deviation."""
    rows = []
    for name, by_count in found.items():
        values = {_metric_name(count): drawn for count, drawn in by_count.items()}
        means = {metric: float(np.mean(drawn)) for metric, drawn in values.items()}
        spreads = {metric: float(np.std(drawn, ddof=1)) for metric, drawn in values.items() if len(drawn) > 1}
        rows.append(ScoreRow(kind, name, means, spreads, descriptions[name]))
    return rows


def _metric_name(count: int) -> str:
    """Return "top-1 at 1 label" or "top-1 at 5 labels"."""
    return f"{_TOP_1} at {counted(count, 'label')}"


def _draw_labels(
    labels: Sequence[str], split: QueryGallerySplit, count: int, *, seed: int, draw: int
) -> QueryGallerySplit:
    """Return the split with at most `count` gallery videos of each class; the queries stay as they are.

    A draw of more labels holds the same draw of fewer.
    """
    _, targets = training_classes(labels, split)
    kept = few_of_each_class(targets, count, seed=seed, draw=draw)
    return replace(split, gallery=tuple(split.gallery[place] for place in kept))


def _remark_on_small_classes(videos: EvaluationVideos, labels: Sequence[int]) -> tuple[str, ...]:
    classes, targets = training_classes(videos.labels, videos.folds[0])
    sizes = np.bincount(targets, minlength=len(classes))
    short = int((sizes < max(labels)).sum())
    if not short:
        return ()
    return (
        f"{short} of {len(classes)} classes have fewer than {max(labels)} training videos (the smallest "
        f"{int(sizes.min())}): there all of them were used",
    )
