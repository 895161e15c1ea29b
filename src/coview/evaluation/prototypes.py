"""The prototypes that a method has learnt, as clusters: which one is nearest to each video."""

import typing
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from coview.datatypes import VideoEntry
from coview.embedding.cache import cached_embeddings
from coview.encoders import Encoder
from coview.errors import UserError
from coview.evaluation.base import RowKind, ScoreRow, Task
from coview.evaluation.cluster_metrics import cluster_metrics
from coview.evaluation.features import Weights
from coview.methods import Method


@typing.runtime_checkable
class HasPrototypes(typing.Protocol):
    """A method whose features are compared with prototypes."""

    def projected(self, view: str) -> Encoder:
        """Return what makes the features of a view that are compared with its prototypes."""

    def prototype_cosines(self, view: str, projected: torch.Tensor) -> torch.Tensor:
        """Return the cosines of features (n, D) with each of a view's prototypes, (n, K)."""


def prototype_rows(kind: RowKind, task: Task, method: Method, entries: list[VideoEntry]) -> list[ScoreRow]:
    """Score the prototypes of every view as clusters; see `prototypes_of_videos`."""
    labels = [entry.label or "" for entry in entries]
    rows = []
    weights: Weights = "trained" if kind == "trained" else "random"
    for view, nearest in prototypes_of_videos(task, method, entries, weights=weights).items():
        used = len(np.unique(nearest))
        words = f"nearest of the view's prototypes for each video's mean projected feature; {used} prototypes in use"
        rows.append(ScoreRow(kind, view, cluster_metrics(nearest, labels), {}, words))
    return rows


def prototypes_of_videos(
    task: Task, method: Method, entries: list[VideoEntry], *, weights: Weights = "trained"
) -> dict[str, NDArray[np.int64]]:
    """Return view -> (n,) int64, the prototype nearest to each video.

    A video's feature is the mean of the projected unit features of its windows, made unit again.

    Args:
        task: run and data.
        method: the run's own, or one with the weights that its training began from.
        entries: n ready videos.
        weights: which of the two, by which the features are kept.

    Raises:
        UserError: the method has no prototypes.
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
    nearest: dict[str, Any] = {}
    method.to("cpu")
    with torch.inference_mode():
        for view, features in made.features.items():
            nearest[view] = method.prototype_cosines(view, torch.tensor(features)).argmax(dim=1).numpy()
    return nearest
