"""Protocol "clusters": do groups found without labels match the classes? k-means, or prototypes (ViCC, Table 6)."""

import typing
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from coview.config import Positive, as_plain
from coview.datatypes import VideoEntry
from coview.embedding.cache import cached_embeddings
from coview.encoders import Encoder
from coview.errors import UserError
from coview.evaluation.features import Weights, describe_features, gather_features, remark_on_features
from coview.evaluation.metrics.clusters import SCALES, chance_clusters, clustering_scores, score_assignments
from coview.evaluation.protocols.aggregation import score_rows
from coview.evaluation.protocols.base import TEST_ROLES, FeatureSettings, Protocol, Scores, Task
from coview.evaluation.query_gallery import choose_videos
from coview.evaluation.results.result import ScoreRow
from coview.methods import Method


@dataclass(frozen=True)
class ClustersSettings(FeatureSettings):
    """How clusters are found."""

    by: Literal["kmeans", "prototypes"] = "kmeans"
    """kmeans: clusters of the features, for any method; prototypes: those that the method has learnt, without ensembles
    and pixels; the settings of k-means then do nothing."""
    clusters: Positive | None = None
    """K; not set: the number of classes of the scored videos."""
    fit: Literal["train", "test"] = "train"
    """Videos whose features the centres are fitted to; test videos are scored either way. Without a split: all."""
    restarts: Positive = 10
    """k-means starts this often and keeps the tightest clusters; labels play no part in that."""


class Clusters(Protocol):
    """Hungarian accuracy, NMI, ARI, entropy and purity of k-means clusters, per view and for ensembles."""

    Settings = ClustersSettings
    takes_shards = True

    def score(self, task: Task) -> Scores:
        """Score a run; see `Protocol.score`."""
        chosen, seed = self.settings, task.run.config.seed
        videos = choose_videos(task.data, task.split, variant="auto", along_with=task.along_with)
        fold, labels = videos.folds[0], [entry.label or "" for entry in videos.tested]
        settings = {**as_plain(chosen), **describe_features(task)}
        counts = {**videos.counts, "roles": list(TEST_ROLES)}
        if chosen.by == "prototypes":
            rows = _prototype_rows("trained", task, task.run.method, videos.tested)
            if chosen.baselines:
                rows += _prototype_rows("random", task, task.run.untrained(), videos.tested)
            counts, variant = {**counts, "classes": len(set(labels))}, "prototypes"
        else:
            fitted = fold.gallery if chosen.fit == "train" else fold.queries
            k = chosen.clusters or len(set(labels))
            if k > len(fitted):
                raise UserError(
                    f"{k} clusters need as many videos, {len(fitted)} are there; give --clusters.clusters less"
                )
            metric = partial(clustering_scores, clusters=k, fit_on=fitted, restarts=chosen.restarts, seed=seed)
            tables = gather_features(task, videos, chosen)
            rows = [row for table in tables for row in score_rows(table, metric, videos, seed=seed)[0]]
            guessed = chance_clusters(labels, k=k)
            rows.append(ScoreRow("chance", "chance", guessed, {}, "clusters drawn at random", SCALES))
            settings, counts = {**settings, "clusters": k}, {**counts, "clusters": k}
            variant = "" if chosen.fit == "train" else f"fit-{chosen.fit}"
        return Scores(
            rows=tuple(rows),
            counts=counts,
            settings=settings,
            split=videos.split,
            variant=variant,
            remarks=remark_on_features(task),
        )


@typing.runtime_checkable
class HasPrototypes(typing.Protocol):
    """A method whose features are compared with prototypes."""

    def projected(self, view: str) -> Encoder:
        """Return what makes the features of a view that are compared with its prototypes."""

    def prototype_cosines(self, view: str, projected: torch.Tensor) -> torch.Tensor:
        """Return the cosines of features (n, D) with each of a view's prototypes, (n, K)."""


def _prototype_rows(weights: Weights, task: Task, method: Method, entries: Sequence[VideoEntry]) -> list[ScoreRow]:
    """Score the prototypes of every view as clusters.

    Raises:
        UserError: the method has no prototypes.
    """
    labels = [entry.label or "" for entry in entries]
    rows = []
    for view, nearest in _assign_prototypes(task, method, entries, weights=weights).items():
        used = len(np.unique(nearest))
        words = f"nearest of the view's prototypes for each video's mean projected feature; {used} prototypes in use"
        rows.append(ScoreRow(weights, view, score_assignments(nearest, labels), {}, words, SCALES))
    return rows


def _assign_prototypes(
    task: Task, method: Method, entries: Sequence[VideoEntry], *, weights: Weights
) -> dict[str, NDArray[np.int64]]:
    """Return view -> (n,) int64, the prototype nearest to each video.

    A video's feature is the mean of the projected unit features of its windows, made unit again.

    Args:
        task: run and data.
        method: the run's own, or one with the weights that its training began from.
        entries: n ready videos.
        weights: which of the two, by which the features are kept.
    """
    if not isinstance(method, HasPrototypes):
        name = task.run.config.method.get("name")
        raise UserError(f"method {name} has no prototypes; leave out --clusters.by, or set it to kmeans")
    projected = {view: method.projected(view).eval() for view in task.run.views}
    made = cached_embeddings(
        task.run,
        task.data,
        entries,
        weights=weights,
        head=("projection", projected),
        device=task.device,
        progress=task.progress,
    )
    method.to("cpu")
    with torch.inference_mode():
        return {
            view: method.prototype_cosines(view, torch.tensor(rows)).argmax(dim=1).numpy()
            for view, rows in made.features.items()
        }
