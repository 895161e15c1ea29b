"""Protocol "retrieval": does the nearest video show the same action? Beside random weights, pixels and chance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from coview.config import as_plain
from coview.embedding.search import NOBODY
from coview.evaluation.features import (
    FeatureTable,
    Weights,
    describe_features,
    encode_videos,
    gather_features,
    remark_on_features,
)
from coview.evaluation.metrics import METRICS
from coview.evaluation.metrics.base import Metric, MetricValues, as_values, mean_over_draws
from coview.evaluation.metrics.recall import chance_recall
from coview.evaluation.protocols.aggregation import chance_row, describe_errors, keep_predictions, score_rows
from coview.evaluation.protocols.base import FeatureSettings, FoldSettings, Protocol, Scores, Task
from coview.evaluation.protocols.stage_scores import score_stages
from coview.evaluation.query_gallery import SPLIT, EvaluationVideos, QueryGallerySplit, choose_videos
from coview.evaluation.results.result import ScoreRow, StageScore

_RELEASED_CODE = "released-code"
_RELEASED_WORDS = (
    "a query: mean over its windows; a gallery video: one random clip; each minus the mean of its set, unit; cosine"
)
_NUM_EXAMPLES, _EXAMPLE_NEIGHBOURS = 6, 5
_CHANCE_DRAWS = 20


@dataclass(frozen=True)
class RetrievalSettings(FoldSettings, FeatureSettings):
    """How retrieval is scored."""

    metrics: tuple[str, ...] = ("recall",)
    """Names of metrics, the most telling first; each with its own defaults."""
    variant: Literal["auto", "split", "leave-group-out", "released-code"] = "auto"
    """split: test videos query the training videos; leave-group-out: every labelled video queries those of all other
    groups, the steadier measure of a small data set; auto: split where the data set has one of its own or one is named;
    released-code: as split, but a gallery video is one random clip, and queries and gallery are each taken around their
    own mean, as ViCC's code does."""
    stages: bool = True
    """Also score the run as it was after each finished stage; encoders that a stage did not train are not run again."""
    gallery: str | None = None
    """Folder of another prepared data set whose videos are to be found; not set: those of --data."""


class Retrieval(Protocol):
    """R@{1, 5, 10, 20, 50} per view, for their mean and weighted: test videos query the training videos."""

    Settings = RetrievalSettings
    takes_members = True
    takes_shards = True

    def score(self, task: Task) -> Scores:
        """Score a run; see `Protocol.score`."""
        chosen, seed = self.settings, task.run.config.seed
        metrics = {name: METRICS.load(name) for name in chosen.metrics}
        videos = choose_videos(
            task.data,
            task.split,
            variant=chosen.variant,
            folds=chosen.folds,
            fold_seed=chosen.fold_seed,
            gallery=chosen.gallery,
            along_with=task.along_with,
        )
        if videos.gallery_data is not None:
            videos = replace(videos, remarks=task.run.differences(videos.gallery_data))
        tables = gather_features(task, videos, chosen)
        if chosen.variant == _RELEASED_CODE:
            tables = [_as_released(task, videos, table) for table in tables]
        metric = _all_of(list(metrics.values()))
        scored = [score_rows(table, metric, videos, seed=seed) for table in tables]  # the run's own features first
        curve: tuple[StageScore, ...] = ()
        if chosen.stages and not task.members and chosen.variant != _RELEASED_CODE:
            curve = score_stages(task, videos, tables, lambda table: score_rows(table, metric, videos, seed=seed)[0])
        rows = [row for more, _ in scored for row in more]
        rows.append(_chance(metrics, videos))
        return Scores(
            rows=tuple(rows),
            counts=videos.counts,
            settings={
                **as_plain(chosen),
                "variant": videos.variant or SPLIT,
                "gallery": videos.counts.get("gallery_data"),
                **describe_features(task),
                "standard_error": describe_errors(videos, rows[0].first_metric, tested="queries"),
            },
            split=videos.split,
            variant=videos.variant,
            examples=_examples(tables[0], videos),
            predictions=keep_predictions(videos, scored[0][1]).packed() if any(scored[0][1].values()) else {},
            remarks=(*videos.remarks, *remark_on_features(task)),
            curve=curve,
        )


def _all_of(metrics: Sequence[Metric]) -> Metric:
    """Return a metric that measures all of them; predictions are those of the first."""

    def measure(features: NDArray[np.float32], labels: Sequence[str], split: QueryGallerySplit, /) -> MetricValues:
        found = [as_values(metric(features, labels, split)) for metric in metrics]
        scores = {name: value for values in found for name, value in values.scores.items()}
        scales = {name: scale for values in found for name, scale in values.scales.items()}
        return MetricValues(scores, scales, found[0].predicted)

    return measure


def _chance(metrics: Mapping[str, Metric], videos: EvaluationVideos) -> ScoreRow:
    """Return what random order gives: R@k from the counts alone, any other metric as the mean over random vectors."""

    def guess(labels: Sequence[str], split: QueryGallerySplit) -> dict[str, float]:
        found: dict[str, float] = {}
        for name, metric in metrics.items():
            found |= chance_recall(labels, split) if name == "recall" else _of_random_vectors(metric, labels, split)
        return found

    return chance_row(videos, guess, description="random order")


def _of_random_vectors(metric: Metric, labels: Sequence[str], split: QueryGallerySplit) -> dict[str, float]:
    generator = np.random.default_rng(0)
    draws = []
    for _ in range(_CHANCE_DRAWS):
        rows = generator.standard_normal((len(labels), 64)).astype(np.float32)
        draws.append(as_values(metric(rows / np.linalg.norm(rows, axis=1, keepdims=True), labels, split)).scores)
    return mean_over_draws(draws)


def _as_released(task: Task, videos: EvaluationVideos, table: FeatureTable) -> FeatureTable:
    """Return features as the released code of ViCC compares them; pixels stay as they are.

    A gallery video is one random clip, drawn by the run's seed; queries and gallery are each centred by the mean of
    their own set.
    """
    if table.kind in ("pixels", "pretrained"):
        return table
    weights: Weights = "trained" if table.kind == "trained" else "random"
    clips = encode_videos(task, videos, weights=weights, clip_seed=task.run.config.seed)
    features = {}
    queries, gallery = list(videos.folds[0].queries), list(videos.folds[0].gallery)
    for name, rows in table.features.items():
        features[name] = clips[name].copy()
        features[name][queries] = _centre_on_mean(rows[queries])
        features[name][gallery] = _centre_on_mean(clips[name][gallery])
    return replace(table, features=features, descriptions=dict.fromkeys(features, _RELEASED_WORDS))


def _centre_on_mean(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return rows (n, D) minus their mean, made unit again; a row that is the mean stays zero."""
    centred = features - features.mean(axis=0)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.asarray(centred / np.maximum(lengths, 1e-12), dtype=np.float32)


def _examples(table: FeatureTable, videos: EvaluationVideos) -> dict[str, Any]:
    """Return a few queries, evenly spread and not chosen by success, with their nearest videos, for each row.

    None where the gallery lies in another data set, of which a report knows no pictures.
    """
    if videos.gallery_data is not None:
        return {}
    first = videos.folds[0]
    places = np.unique(np.linspace(0, len(first.queries) - 1, _NUM_EXAMPLES).round().astype(int)).tolist()
    few = replace(first, queries=tuple(first.queries[place] for place in places))
    found = {}
    for name in (*table.features, *table.ensembles):
        vectors = table.join(name)
        neighbours, _ = few.nearest(vectors, k=_EXAMPLE_NEIGHBOURS)
        found[name] = [
            _example(videos, query, [first.gallery[place] for place in nearest if place != NOBODY], vectors)
            for query, nearest in zip(few.queries, neighbours.tolist(), strict=True)
        ]
    return found


def _example(
    videos: EvaluationVideos, query: int, found: Sequence[int], vectors: NDArray[np.float32]
) -> dict[str, Any]:
    """Return one query with the videos it found."""
    cosines = vectors[list(found)] @ vectors[query]
    named = [
        {"id": videos.entries[row].id, "label": videos.entries[row].label, "cosine": round(float(cosine), 4)}
        for row, cosine in zip(found, cosines, strict=True)
    ]
    return {"id": videos.entries[query].id, "label": videos.entries[query].label, "neighbours": named}
