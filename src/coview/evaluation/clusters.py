"""Protocol "clusters": do groups found without labels match the classes? k-means, or prototypes (ViCC, Table 6)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from coview.config import Count, NonNegativeFloat, Positive, as_plain
from coview.datatypes import random_generator
from coview.errors import UserError
from coview.evaluation.base import Protocol, ScoreRow, Scores, Task
from coview.evaluation.cluster_metrics import cluster_metrics
from coview.evaluation.ensemble import DEFAULT_WEIGHTS
from coview.evaluation.features import gather_features, remarks_of, settings_of_features
from coview.evaluation.prototypes import prototype_rows
from coview.evaluation.sides import LEAVE_GROUP_OUT, SPLIT, Sides, choose_sides

CHANCE_DRAWS = 20


@dataclass(frozen=True)
class ClustersSettings:
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
    baselines: bool = True
    """Also score random weights and the pixel baselines."""
    workers: Count = 2
    """Threads that read videos for the pixel baselines."""
    weights: Mapping[str, NonNegativeFloat] = field(default_factory=lambda: dict(DEFAULT_WEIGHTS))
    """View name -> weight of its cosines in "weighted views"; a view that is not named weighs 1, 0 leaves it out."""


class Clusters(Protocol):
    """Hungarian accuracy, NMI, ARI, entropy and purity of k-means clusters, per view and for ensembles."""

    Settings = ClustersSettings

    def score(self, task: Task) -> Scores:
        """Score a run; see `Protocol.score`."""
        chosen, seed = self.settings, task.run.config.seed
        variant = SPLIT if task.data.splits else LEAVE_GROUP_OUT
        sides = choose_sides(task.data, task.split, variant=variant)
        labels = [sides.entries[row].label or "" for row in sides.queries]
        if chosen.by == "prototypes":
            return self._by_prototypes(task, sides, labels)
        fitted = list(sides.gallery if chosen.fit == "train" else sides.queries)
        k = chosen.clusters or len(set(labels))
        if k > len(fitted):
            raise UserError(f"{k} clusters need as many videos, {len(fitted)} are there; give --clusters.clusters less")
        rows = []
        for table in gather_features(
            task, sides, weights=chosen.weights, baselines=chosen.baselines, workers=chosen.workers
        ):
            for name, (vectors, description) in table.with_joined_views().items():
                assigned = kmeans(
                    vectors[fitted], vectors[list(sides.queries)], k=k, restarts=chosen.restarts, seed=seed
                )
                rows.append(ScoreRow(table.kind, name, cluster_metrics(assigned, labels), description=description))
        rows.append(ScoreRow("chance", "chance", chance_metrics(labels, k=k), description="clusters drawn at random"))
        return Scores(
            rows=tuple(rows),
            counts={**sides.counts, "roles": ["test", "training"], "clusters": k},
            settings={**as_plain(chosen), "clusters": k, **settings_of_features(task)},
            split=task.split if variant == SPLIT else None,
            variant="" if chosen.fit == "train" else f"fit-{chosen.fit}",
            remarks=remarks_of(task),
        )

    def _by_prototypes(self, task: Task, sides: Sides, labels: Sequence[str]) -> Scores:
        """Score the nearest prototype of each video in place of k-means."""
        entries = [sides.entries[row] for row in sides.queries]
        rows = prototype_rows("trained", task, task.run.method, entries)
        if self.settings.baselines:
            rows += prototype_rows("random", task, task.run.untrained(), entries)
        return Scores(
            rows=tuple(rows),
            counts={**sides.counts, "roles": ["test", "training"], "classes": len(set(labels))},
            settings={**as_plain(self.settings), **settings_of_features(task)},
            split=task.split if not sides.leaves_out_groups else None,
            variant="prototypes",
            remarks=remarks_of(task),
        )


def kmeans(
    fitted: NDArray[np.float32], scored: NDArray[np.float32], *, k: int, restarts: int, seed: int
) -> NDArray[np.int64]:
    """Fit k centres and return the nearest centre of each scored row.

    Args:
        fitted: (n, D) rows the centres are fitted to.
        scored: (m, D) rows.
        k: number of clusters, at most n.
        restarts: starts, of which the one with the smallest squared distances counts.
        seed: of the starts.

    Returns:
        (m,) cluster numbers.
    """
    model: Any = KMeans(n_clusters=k, n_init=restarts, random_state=seed).fit(fitted)
    return np.asarray(model.predict(scored), dtype=np.int64)


def chance_metrics(labels: Sequence[str], *, k: int) -> dict[str, float]:
    """Return the mean of each measure over random assignments to k clusters: NMI and purity of few videos are not 0."""
    generator = random_generator(k, len(labels))
    draws = [cluster_metrics(generator.integers(0, k, len(labels)), labels) for _ in range(CHANCE_DRAWS)]
    return {name: float(np.mean([draw[name] for draw in draws])) for name in draws[0]}
