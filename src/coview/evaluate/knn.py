"""Protocol "knn": the vote of the nearest training videos, which needs no training at all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from coview.config import Count, NonNegativeFloat, Positive, PositiveFloat, as_plain
from coview.embed.search import NOBODY, nearest
from coview.evaluate.base import Protocol, ScoreRow, Scores, Task
from coview.evaluate.classification import METRICS, chance_outcome, outcome, problem_of
from coview.evaluate.ensemble import DEFAULT_WEIGHTS
from coview.evaluate.features import gather_features, remarks_of, settings_of_features
from coview.evaluate.linear import TEST_ROLES
from coview.evaluate.recall import bootstrap_error
from coview.evaluate.sides import LEAVE_GROUP_OUT, SPLIT, choose_sides


@dataclass(frozen=True)
class KnnSettings:
    """How neighbours vote."""

    variant: Literal["auto", "split", "leave-group-out"] = "auto"
    """split: training videos vote on test videos; leave-group-out: on every labelled video those of all other groups
    vote; auto: split where the data set has splits."""
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

    def score(self, task: Task) -> Scores:
        """Score a run; see `Protocol.score`."""
        chosen, seed = self.settings, task.run.config.seed
        variant = chosen.variant
        if variant == "auto":
            variant = SPLIT if task.data.splits else LEAVE_GROUP_OUT
        sides = choose_sides(task.data, task.split, variant=variant)
        problem, names = problem_of(sides), sides.names()
        rows: list[ScoreRow] = []
        details: dict[str, Any] = {}
        for table in gather_features(
            task, sides, weights=chosen.weights, baselines=chosen.baselines, workers=chosen.workers
        ):
            for name, (vectors, description) in table.with_joined_views().items():
                scores = votes(
                    vectors[list(problem.test)],
                    vectors[list(problem.train)],
                    problem.targets,
                    num_classes=len(problem.classes),
                    neighbours=chosen.neighbours,
                    temperature=chosen.temperature,
                    query_groups=names["query_groups"],
                    gallery_groups=names["gallery_groups"],
                )
                found = outcome(scores, problem.labels, problem.classes)
                error = {METRICS[0]: bootstrap_error(found.hits, problem.groups, seed=seed)}
                rows.append(ScoreRow(table.kind, name, found.metrics, error, description))
                if table.kind == "trained":
                    details[name] = {"per_class": found.per_class, "confusion": found.confusion}
        chance = chance_outcome(problem.labels, problem.classes)
        rows.append(ScoreRow("chance", "chance", chance, description="classes in random order"))
        return Scores(
            rows=tuple(rows),
            counts={**sides.counts, "roles": list(TEST_ROLES)},
            settings={
                **as_plain(chosen),
                "variant": variant,
                **settings_of_features(task),
                "standard_error": "bootstrap of top-1 over whole groups of test videos",
            },
            split=task.split if variant == SPLIT else None,
            variant="" if variant == SPLIT else variant,
            details=details,
            remarks=remarks_of(task),
        )


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
