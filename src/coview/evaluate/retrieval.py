"""Protocol "retrieval": does the nearest video show the same action? Beside random weights, pixels and chance."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from coview.config import NonNegativeFloat, as_plain
from coview.embed.search import NOBODY
from coview.evaluate.base import Protocol, ScoreRow, Scores, Task
from coview.evaluate.ensemble import DEFAULT_WEIGHTS
from coview.evaluate.features import FeatureTable, gather_features, remarks_of, settings_of_features
from coview.evaluate.recall import RECALL_AT, bootstrap_error, chance_recall, recall_at_k
from coview.evaluate.sides import LEAVE_GROUP_OUT, SPLIT, Sides, choose_sides, group_of
from coview.evaluate.stage_curve import stage_curve

NUM_EXAMPLES, EXAMPLE_NEIGHBOURS = 6, 5


@dataclass(frozen=True)
class RetrievalSettings:
    """How retrieval is scored."""

    variant: Literal["auto", "split", "leave-group-out"] = "auto"
    """split: test videos query the training videos; leave-group-out: every labelled video queries those of all other
    groups, the steadier measure of a small data set; auto: split where the data set has splits."""
    baselines: bool = True
    """Also score random weights and the pixel baselines."""
    stages: bool = True
    """Also score the run as it was after each finished stage; encoders that a stage did not train are not run again."""
    workers: int = 2
    """Threads that read videos for the pixel baselines."""
    weights: Mapping[str, NonNegativeFloat] = field(default_factory=lambda: dict(DEFAULT_WEIGHTS))
    """View name -> weight of its cosines in "weighted views"; a view that is not named weighs 1, 0 leaves it out."""


class Retrieval(Protocol):
    """R@{1, 5, 10, 20, 50} per view, for their mean and weighted: test videos query the training videos."""

    Settings = RetrievalSettings

    def score(self, task: Task) -> Scores:
        """Score a run; see `Protocol.score`."""
        chosen = self.settings
        variant = chosen.variant
        if variant == "auto":
            variant = SPLIT if task.data.splits else LEAVE_GROUP_OUT
        sides = choose_sides(task.data, task.split, variant=variant)
        tables = gather_features(
            task, sides, weights=chosen.weights, baselines=chosen.baselines, workers=chosen.workers
        )
        rows, examples = [], {}
        for table in tables:
            more, found = _rows(table, sides, seed=task.run.config.seed)
            rows += more
            examples.update(found if table.kind == "trained" else {})
        seed = task.run.config.seed
        curve = (
            stage_curve(task, sides, tables, lambda table: _rows(table, sides, seed=seed)[0]) if chosen.stages else ()
        )
        rows.append(ScoreRow("chance", "chance", chance_recall(**sides.names()), description="random order"))
        return Scores(
            rows=tuple(rows),
            counts=sides.counts,
            settings={
                **as_plain(chosen),
                "variant": variant,
                **settings_of_features(task),
                "standard_error": "bootstrap of R@1 over whole groups of queries",
            },
            split=task.split if variant == SPLIT else None,
            variant="" if variant == SPLIT else variant,
            examples=examples,
            remarks=remarks_of(task),
            curve=curve,
        )


def _rows(table: FeatureTable, sides: Sides, *, seed: int) -> tuple[list[ScoreRow], dict[str, Any]]:
    """Score each set of features and each ensemble of views."""
    names = sides.names()
    groups = [group_of(sides.entries[i]) for i in sides.queries]
    rows, examples = [], {}
    for name, (vectors, description) in table.with_joined_views().items():
        queries, gallery = vectors[list(sides.queries)], vectors[list(sides.gallery)]
        metrics, hits, neighbours = recall_at_k(queries, gallery, **names)
        error = {f"R@{RECALL_AT[0]}": bootstrap_error(hits[:, 0], groups, seed=seed)}
        rows.append(ScoreRow(table.kind, name, metrics, error, description))
        examples[name] = _examples(sides, neighbours, vectors)
    return rows, examples


def _examples(sides: Sides, neighbours: NDArray[np.int64], vectors: NDArray[np.float32]) -> list[dict[str, Any]]:
    """Return a few queries, evenly spread and not chosen by success, with their nearest videos."""
    rows = np.unique(np.linspace(0, len(sides.queries) - 1, NUM_EXAMPLES).round().astype(int)).tolist()
    examples = []
    for row in rows:
        query = sides.queries[row]
        found = [sides.gallery[i] for i in neighbours[row, :EXAMPLE_NEIGHBOURS].tolist() if i != NOBODY]
        cosines = vectors[found] @ vectors[query]
        named = [
            {"id": sides.entries[i].id, "label": sides.entries[i].label, "cosine": round(float(cosine), 4)}
            for i, cosine in zip(found, cosines, strict=True)
        ]
        entry = sides.entries[query]
        examples.append({"id": entry.id, "label": entry.label, "neighbours": named})
    return examples
