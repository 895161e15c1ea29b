"""Protocol "knn": the vote of the nearest training videos, which needs no training at all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from coview.config import Count, NonNegativeFloat, Positive, PositiveFloat
from coview.datasets.folds import Folds
from coview.embedding.search import NOBODY, nearest
from coview.evaluation.base import Protocol, Scores, Task
from coview.evaluation.classification import Problem
from coview.evaluation.classified import classified
from coview.evaluation.ensemble import DEFAULT_WEIGHTS
from coview.evaluation.features import FeatureTable, gather_features
from coview.evaluation.rounds import choose_rounds
from coview.evaluation.sides import SPLIT, Sides


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
        rounds = choose_rounds(task, variant=chosen.variant, folds=chosen.folds, fold_seed=chosen.fold_seed)
        tables = gather_features(
            task, rounds.all_sides, weights=chosen.weights, baselines=chosen.baselines, workers=chosen.workers
        )
        changed = {"variant": rounds.variant or SPLIT}
        return classified(task, rounds, tables, self._voted, settings=chosen, changed=changed)

    def _voted(self, table: FeatureTable, sides: Sides, problem: Problem) -> dict[str, tuple[NDArray[np.float32], str]]:
        """Let the neighbours vote, for each set of features and each ensemble."""
        names = sides.names()
        found = {}
        for name, (vectors, description) in table.with_joined_views().items():
            scores = votes(
                vectors[list(problem.test)],
                vectors[list(problem.train)],
                problem.targets,
                num_classes=len(problem.classes),
                neighbours=self.settings.neighbours,
                temperature=self.settings.temperature,
                query_groups=names["query_groups"],
                gallery_groups=names["gallery_groups"],
            )
            found[name] = (scores, description)
        return found


def votes(
    queries: NDArray[np.float32],
    gallery: NDArray[np.float32],
    targets: NDArray[np.int64],
    *,
    num_classes: int,
    neighbours: int,
    temperature: float,
    query_groups: Sequence[str] | None = None,
    gallery_groups: Sequence[str] | None = None,
) -> NDArray[np.float32]:
    """Let the nearest gallery rows vote for their classes.

    Source: Wu et al. 2018 (instance discrimination), section 3.4.

    Args:
        queries: (q, D) unit rows.
        gallery: (n, D) unit rows.
        targets: (n,) classes of the gallery.
        num_classes: C.
        neighbours: k.
        temperature: of the weights exp(cosine / temperature).
        query_groups: q group names: gallery rows of the query's own group do not vote. With `gallery_groups`.
        gallery_groups: n group names.

    Returns:
        (q, C) logarithms of the summed weights; -inf for a class without a vote.
    """
    groups: dict[str, torch.Tensor] = {}
    if query_groups is not None and gallery_groups is not None:
        _, codes = np.unique(np.asarray([*query_groups, *gallery_groups]), return_inverse=True)
        both = torch.from_numpy(codes.astype(np.int64))
        groups = {"query_groups": both[: len(queries)], "gallery_groups": both[len(queries) :]}
    found, cosines = nearest(torch.from_numpy(queries), torch.from_numpy(gallery), k=neighbours, **groups)
    weights = (cosines.double() / temperature).masked_fill(found == NOBODY, -torch.inf)  # (q, k), in logarithms
    chosen = torch.from_numpy(targets)[found.clamp(min=0)]  # (q, k)
    is_vote = chosen[:, :, None] == torch.arange(num_classes)  # (q, k, C)
    scores = torch.where(is_vote, weights[:, :, None], -torch.inf).logsumexp(dim=1)
    return np.asarray(scores.numpy(), dtype=np.float32)
