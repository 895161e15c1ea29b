"""Protocol "prototypes": do prototypes gather the videos of a class? Hard assignments against labels."""

import typing
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from coview.config import as_plain
from coview.datatypes import VideoEntry
from coview.encoders import Encoder
from coview.errors import UserError
from coview.evaluate.base import Protocol, RowKind, ScoreRow, Scores, Task
from coview.evaluate.cluster_metrics import cluster_metrics
from coview.evaluate.features import remarks_of, settings_of_features
from coview.evaluate.sides import LEAVE_GROUP_OUT, SPLIT, choose_sides
from coview.methods import Method


@typing.runtime_checkable
class HasPrototypes(typing.Protocol):
    """A method whose features are compared with prototypes."""

    def projected(self, view: str) -> Encoder:
        """Return what makes the features of a view that are compared with its prototypes."""

    def nearest_prototypes(self, view: str, projected: torch.Tensor) -> torch.Tensor:
        """Return the nearest of a view's prototypes for features (n, D), (n,) int64."""


@dataclass(frozen=True)
class PrototypeSettings:
    """How prototypes are scored as clusters."""

    baseline: bool = True
    """Also score random weights and prototypes."""


class Prototypes(Protocol):
    """Accuracy, NMI, ARI, entropy and purity of videos by their nearest prototype, per view (ViCC, Table 6)."""

    Settings = PrototypeSettings

    def score(self, task: Task) -> Scores:
        """Score a run; see `Protocol.score`."""
        variant = SPLIT if task.data.splits else LEAVE_GROUP_OUT
        sides = choose_sides(task.data, task.split, variant=variant)
        entries = [sides.entries[i] for i in sides.queries]
        rows = _rows("trained", task, task.run.method, entries)
        if self.settings.baseline:
            rows += _rows("random", task, task.run.untrained(), entries)
        return Scores(
            rows=tuple(rows),
            counts={**sides.counts, "roles": ("clustered", "other"), "gallery": 0, "gallery_used": 0},
            settings={**as_plain(self.settings), **settings_of_features(task), "standard_error": ""},
            split=task.split if variant == SPLIT else None,
            variant="",
            remarks=remarks_of(task),
        )


def _rows(kind: RowKind, task: Task, method: Method, entries: list[VideoEntry]) -> list[ScoreRow]:
    """Score the prototypes of every view."""
    labels = [entry.label or "" for entry in entries]
    rows = []
    for view, nearest in prototypes_of_videos(task, method, entries).items():
        used = len(np.unique(nearest))
        words = f"nearest of the view's prototypes for each video's mean projected feature; {used} prototypes in use"
        rows.append(ScoreRow(kind, view, cluster_metrics(nearest, labels), {}, words))
    return rows


def prototypes_of_videos(task: Task, method: Method, entries: list[VideoEntry]) -> dict[str, NDArray[np.int64]]:
    """Return view -> (n,) int64, the prototype nearest to each video.

    A video's feature is the mean of the projected unit features of its windows, made unit again.

    Args:
        task: run and data.
        method: the run's own, or one with other weights.
        entries: n ready videos.

    Raises:
        UserError: the method has no prototypes.
    """
    if not isinstance(method, HasPrototypes):
        name = task.run.config.method.get("name")
        raise UserError(f"method {name} has no prototypes to score; --protocol clusters makes clusters of any features")
    projected = {view: method.projected(view).eval() for view in task.run.views}
    made = task.run.embed_entries(task.data, entries, encoders=projected, device=task.device, progress=task.progress)
    nearest: dict[str, Any] = {}
    method.to("cpu")
    with torch.inference_mode():
        for view, features in made.features.items():
            nearest[view] = method.nearest_prototypes(view, torch.from_numpy(features)).numpy()
    return nearest
