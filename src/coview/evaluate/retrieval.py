"""Protocol "retrieval": does the nearest video show the same action? Beside random weights, pixels and chance."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from coview.config import as_plain
from coview.datatypes import Embeddings
from coview.embed.cache import FOLDER, cached_embeddings, data_identity, remembered
from coview.embed.search import NOBODY, joined
from coview.evaluate.base import Protocol, RowKind, ScoreRow, Scores, Task
from coview.evaluate.baselines import BASELINES, baseline_embeddings
from coview.evaluate.recall import RECALL_AT, bootstrap_error, chance_recall, recall_at_k
from coview.evaluate.sides import LEAVE_GROUP_OUT, SPLIT, Sides, choose_sides, group_of
from coview.views.opened import open_views

MEAN_OF_VIEWS = "mean of views"
NUM_EXAMPLES, EXAMPLE_NEIGHBOURS = 6, 5
_ENCODER = "per window: mean of the encoder's pooled block features, unit; per video: mean over windows, unit; cosine"


@dataclass(frozen=True)
class RetrievalSettings:
    """How retrieval is scored."""

    variant: Literal["auto", "split", "leave-group-out"] = "auto"
    """split: test videos query the training videos; leave-group-out: every labelled video queries those of all other
    groups, the steadier measure of a small data set; auto: split where the data set has splits."""
    baselines: bool = True
    """Also score random weights and the pixel baselines."""
    workers: int = 2
    """Threads that read videos for the pixel baselines."""


class Retrieval(Protocol):
    """R@{1, 5, 10, 20, 50} per view and for the mean of views: test videos query the training videos."""

    Settings = RetrievalSettings

    def score(self, task: Task) -> Scores:
        """Score a run; see `Protocol.score`."""
        variant = self.settings.variant
        if variant == "auto":
            variant = SPLIT if task.data.splits else LEAVE_GROUP_OUT
        sides = choose_sides(task.data, task.split, variant=variant)
        trained = cached_embeddings(task.run, task.data, sides.entries, device=task.device, progress=task.progress)
        rows, examples = _rows("trained", trained, sides, seed=task.run.config.seed, descriptions={})
        remarks = list(task.run.differences(task.data))
        untrained = [view for view in task.run.views if view not in task.run.trained_views]
        if untrained:
            remarks.append(f"not trained yet at this checkpoint, still random: {', '.join(untrained)}")
        if self.settings.baselines:
            rows += self._baselines(task, sides)
        rows.append(ScoreRow("chance", "chance", chance_recall(**sides.names()), description="random order"))
        return Scores(
            rows=tuple(rows),
            counts=sides.counts,
            settings={
                **as_plain(self.settings),
                "variant": variant,
                "clip": as_plain(task.run.config.clip),
                "views": as_plain(task.run.config.views),
                "max_windows": task.run.config.evaluation.max_windows,
                "windows": "uniform, half overlapping, centre crop",
                "standard_error": "bootstrap of R@1 over whole groups of queries",
            },
            split=task.split if variant == SPLIT else None,
            variant="" if variant == SPLIT else variant,
            examples=examples,
            remarks=tuple(remarks),
        )

    def _baselines(self, task: Task, sides: Sides) -> list[ScoreRow]:
        """Score the weights that training began from, and pixels."""
        run, data, seed = task.run, task.data, task.run.config.seed
        random = cached_embeddings(
            run, data, sides.entries, weights="random", device=task.device, progress=task.progress
        )
        identity = {"pixels": BASELINES, "data": data_identity(data, sides.entries, ("rgb",))}
        rgb = open_views(data.view_options, ("rgb",))["rgb"]
        pixels = remembered(
            run.path / FOLDER,
            identity,
            lambda: baseline_embeddings(
                data, sides.entries, rgb, workers=self.settings.workers, progress=task.progress
            ),
        )
        rows, _ = _rows("random", random, sides, seed=seed, descriptions={})
        return rows + _rows("pixels", pixels, sides, seed=seed, descriptions=BASELINES)[0]


def _rows(
    kind: RowKind, embeddings: Embeddings, sides: Sides, *, seed: int, descriptions: Mapping[str, str]
) -> tuple[list[ScoreRow], dict[str, Any]]:
    """Score each set of features and, for encoders, the mean of the views' cosines."""
    features = dict(embeddings.features)
    if kind != "pixels" and len(features) > 1:
        features[MEAN_OF_VIEWS] = joined(features, list(features))
    names = sides.names()
    groups = [group_of(sides.entries[i]) for i in sides.queries]
    rows, examples = [], {}
    for name, vectors in features.items():
        queries, gallery = vectors[list(sides.queries)], vectors[list(sides.gallery)]
        metrics, hits, neighbours = recall_at_k(queries, gallery, **names)
        error = {f"R@{RECALL_AT[0]}": bootstrap_error(hits[:, 0], groups, seed=seed)}
        default = "mean of the views' cosine matrices" if name == MEAN_OF_VIEWS else _ENCODER
        rows.append(ScoreRow(kind, name, metrics, error, descriptions.get(name, default)))
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
