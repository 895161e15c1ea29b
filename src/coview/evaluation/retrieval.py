"""Protocol "retrieval": does the nearest video show the same action? Beside random weights, pixels and chance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from coview.config import Count, NonNegativeFloat, as_plain
from coview.datasets.folds import Folds
from coview.embedding.search import NOBODY
from coview.evaluation.base import Protocol, ScoreRow, Scores, StageScore, Task
from coview.evaluation.ensemble import DEFAULT_WEIGHTS
from coview.evaluation.features import FeatureTable, gather_features, remarks_of, settings_of_features
from coview.evaluation.outcomes import NOTHING
from coview.evaluation.recall import RECALL_AT, chance_recall, recall_at_k
from coview.evaluation.released_retrieval import RELEASED_CODE, as_released
from coview.evaluation.rounds import Judged, Rounds, choose_rounds, judged_row, mean_of_rounds
from coview.evaluation.sides import SPLIT, Sides
from coview.evaluation.stage_curve import stage_curve

NUM_EXAMPLES, EXAMPLE_NEIGHBOURS = 6, 5


@dataclass(frozen=True)
class RetrievalSettings:
    """How retrieval is scored."""

    variant: Literal["auto", "split", "leave-group-out", "released-code"] = "auto"
    """split: test videos query the training videos; leave-group-out: every labelled video queries those of all other
    groups, the steadier measure of a small data set; auto: split where the data set has splits; released-code: as
    split, but a gallery video is one random clip and queries are taken around their own mean, as ViCC's code does."""
    baselines: bool = True
    """Also score random weights and the pixel baselines."""
    stages: bool = True
    """Also score the run as it was after each finished stage; encoders that a stage did not train are not run again."""
    gallery: str | None = None
    """Folder of another prepared data set whose videos are to be found; not set: those of --data."""
    folds: Folds | None = None
    """Deal the groups of all labelled videos into this many parts; each queries the others; mean and spread over
    parts. Not set: as `variant` says."""
    fold_seed: Count = 0
    """Of the deal; runs that are to be compared need the same."""
    workers: Count = 2
    """Threads that read videos for the pixel baselines."""
    weights: Mapping[str, NonNegativeFloat] = field(default_factory=lambda: dict(DEFAULT_WEIGHTS))
    """View name -> weight of its cosines in "weighted views"; a view that is not named weighs 1, 0 leaves it out."""


class Retrieval(Protocol):
    """R@{1, 5, 10, 20, 50} per view, for their mean and weighted: test videos query the training videos."""

    Settings = RetrievalSettings
    takes_members = True

    def score(self, task: Task) -> Scores:
        """Score a run; see `Protocol.score`."""
        chosen, seed = self.settings, task.run.config.seed
        rounds = choose_rounds(
            task,
            variant=chosen.variant,
            folds=chosen.folds,
            fold_seed=chosen.fold_seed,
            gallery=chosen.gallery,
        )
        sides = rounds.all_sides
        tables = gather_features(
            task, sides, weights=chosen.weights, baselines=chosen.baselines, workers=chosen.workers
        )
        if chosen.variant == RELEASED_CODE:
            tables = [as_released(task, sides, table) for table in tables]
        rows: list[ScoreRow] = []
        given: dict[str, list[str]] = {}
        examples: dict[str, Any] = {}
        for table in tables:
            more, named = _rows(table, rounds, seed=seed)
            rows += more
            if table.kind == "trained":
                given = named
                examples = _examples(table, sides)
        curve: tuple[StageScore, ...] = ()
        if chosen.stages and not task.members and chosen.variant != RELEASED_CODE:
            curve = stage_curve(task, sides, tables, lambda table: _rows(table, rounds, seed=seed)[0])
        chance = mean_of_rounds(rounds, lambda sides: chance_recall(**sides.names()))
        rows.append(ScoreRow("chance", "chance", chance, description="random order"))
        return Scores(
            rows=tuple(rows),
            counts=rounds.counts,
            settings={
                **as_plain(chosen),
                "variant": chosen.variant if chosen.variant != "auto" else rounds.variant or SPLIT,
                "gallery": rounds.counts.get("gallery_data"),
                **settings_of_features(task),
                "standard_error": rounds.spread_in_words(f"R@{RECALL_AT[0]}", tested="queries"),
            },
            split=rounds.split,
            variant=rounds.variant,
            examples=examples,
            outcomes=rounds.outcomes(given).packed(),
            remarks=(*rounds.remarks, *remarks_of(task)),
            curve=curve,
        )


def _rows(table: FeatureTable, rounds: Rounds, *, seed: int) -> tuple[list[ScoreRow], dict[str, list[str]]]:
    """Score each set of features and each ensemble; also return, by name, the class of each query's nearest video."""
    rows, given = [], {}
    for name, (vectors, description) in table.with_joined_views().items():
        found = [_judged(vectors, sides) for sides in rounds.sides]
        row, given[name] = judged_row(table.kind, name, rounds, found, seed=seed, description=description)
        rows.append(row)
    return rows, given


def _judged(vectors: NDArray[np.float32], sides: Sides) -> Judged:
    """Let the queries of one round find their nearest videos."""
    metrics, hits, neighbours = recall_at_k(vectors[list(sides.queries)], vectors[list(sides.gallery)], **sides.names())
    labels = sides.names()["gallery_labels"]
    nearest = [NOTHING if place == NOBODY else labels[place] for place in neighbours[:, 0].tolist()]
    return Judged(metrics, hits[:, 0], nearest)


def _examples(table: FeatureTable, sides: Sides) -> dict[str, Any]:
    """Return a few queries, evenly spread and not chosen by success, with their nearest videos, for each row.

    None where the gallery lies in another data set, of which a report knows no pictures.
    """
    if sides.gallery_data is not None:
        return {}
    rows = np.unique(np.linspace(0, len(sides.queries) - 1, NUM_EXAMPLES).round().astype(int)).tolist()
    few = replace(sides, queries=tuple(sides.queries[row] for row in rows))
    found = {}
    for name, (vectors, _) in table.with_joined_views().items():
        queries, gallery = vectors[list(few.queries)], vectors[list(few.gallery)]
        _, _, neighbours = recall_at_k(queries, gallery, **few.names(), ks=(EXAMPLE_NEIGHBOURS,))
        found[name] = [
            _example(sides, query, [sides.gallery[i] for i in nearest if i != NOBODY], vectors)
            for query, nearest in zip(few.queries, neighbours.tolist(), strict=True)
        ]
    return found


def _example(sides: Sides, query: int, found: Sequence[int], vectors: NDArray[np.float32]) -> dict[str, Any]:
    """Return one query with the videos it found."""
    cosines = vectors[list(found)] @ vectors[query]
    named = [
        {"id": sides.entries[i].id, "label": sides.entries[i].label, "cosine": round(float(cosine), 4)}
        for i, cosine in zip(found, cosines, strict=True)
    ]
    return {"id": sides.entries[query].id, "label": sides.entries[query].label, "neighbours": named}
