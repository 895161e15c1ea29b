"""The vectors a protocol scores: this run's, beside those of random weights and of plain pixels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from coview.config import as_plain
from coview.datasets.prepared import PreparedDataset
from coview.datatypes import ProgressSink, VideoEntry
from coview.embedding.cache import FOLDER, cached_embeddings, data_identity, remembered
from coview.embedding.embeddings import Embeddings, join_views
from coview.embedding.run import Run
from coview.evaluation.base import RowKind, Task
from coview.evaluation.baselines import BASELINES, baseline_embeddings
from coview.evaluation.ensemble import ensembles, in_words
from coview.evaluation.members import ENSEMBLE, described, shares_of_members
from coview.evaluation.sides import Sides
from coview.views.opened import open_views

Weights = Literal["trained", "random"]
ENCODER = "per window: mean of the encoder's pooled block features, unit; per video: mean over windows, unit; cosine"


@dataclass(frozen=True)
class FeatureTable:
    """One kind of features of all videos that take part.

    Attributes:
        kind: whose they are.
        features: name -> (n, D) float32 unit rows, in the order of `Sides.entries`; views, members of an ensemble, or
            pixel baselines.
        ensembles: ensemble name -> name -> share; none for pixels.
        descriptions: what vector and what similarity, for those whose vectors are no encoder's.
    """

    kind: RowKind
    features: Mapping[str, NDArray[np.float32]]
    ensembles: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    descriptions: Mapping[str, str] = field(default_factory=dict)

    def describe(self, name: str) -> str:
        """Say what vector a view or baseline has."""
        return self.descriptions.get(name, ENCODER)

    def with_joined_views(self) -> dict[str, tuple[NDArray[np.float32], str]]:
        """Return name -> ((n, D) unit rows, description), ensembles as vectors whose cosine is the views' mean."""
        found = {name: (vectors, self.describe(name)) for name, vectors in self.features.items()}
        for name, shares in self.ensembles.items():
            vectors = join_views(self.features, list(shares), shares)
            found[name] = (vectors, f"weighted mean of the views' cosine matrices: {in_words(shares)}")
        return found


def gather_features(
    task: Task, sides: Sides, *, weights: Mapping[str, float], baselines: bool, workers: int
) -> list[FeatureTable]:
    """Embed the videos of both sides, or take what an earlier evaluation kept.

    Args:
        task: run and data.
        sides: the videos.
        weights: of the views in the weighted ensemble.
        baselines: also with the weights that training began from, and from pixels.
        workers: threads that read videos for the pixel baselines.

    Returns:
        "trained" and, with baselines, "random" and "pixels".

    Raises:
        UserError: the data set lacks a view, or a weight cannot be used.
    """
    mixes = {ENSEMBLE: shares_of_members(task.members)} if task.members else ensembles(task.run.views, weights)
    tables = [FeatureTable("trained", encoded(task, sides, weights="trained"), mixes)]
    if baselines:
        tables.append(FeatureTable("random", encoded(task, sides, weights="random"), mixes))
        tables.append(FeatureTable("pixels", _pixels(task, sides, workers=workers), descriptions=BASELINES))
    return tables


def embedded(
    run: Run,
    task: Task,
    sides: Sides,
    *,
    weights: Weights = "trained",
    views: Sequence[str] | None = None,
    clip_seed: int | None = None,
) -> dict[str, NDArray[np.float32]]:
    """Return view name -> (n, D) features of one run in the order of `Sides.entries`, from one data set or two."""
    parts = [
        cached_embeddings(
            run,
            data,
            entries,
            weights=weights,
            views=views,
            clip_seed=clip_seed,
            device=task.device,
            progress=task.progress,
        ).features
        for data, entries in sides.by_data(task.data)
    ]
    return {view: np.concatenate([part[view] for part in parts]) for view in parts[0]}


def encoded(
    task: Task, sides: Sides, *, weights: Weights, clip_seed: int | None = None
) -> dict[str, NDArray[np.float32]]:
    """Return the features of the run's views, or of each member of an ensemble by its name; of windows or one clip."""
    if not task.members:
        return embedded(task.run, task, sides, weights=weights, clip_seed=clip_seed)
    by_run = {id(run): embedded(run, task, sides, weights=weights, clip_seed=clip_seed) for run in task.runs}
    return {member.name: by_run[id(member.run)][member.view] for member in task.members}


def settings_of_features(task: Task) -> dict[str, Any]:
    """Return what the features depend on besides run and data, for the result."""
    config = task.run.config
    settings = {
        "clip": as_plain(config.clip),
        "views": as_plain(config.views),
        "max_windows": config.evaluation.max_windows,
        "windows": "uniform, half overlapping, centre crop",
    }
    if task.members:
        settings["members"] = [described(member) for member in task.members]
    return settings


def remarks_of(task: Task) -> tuple[str, ...]:
    """Say what a reader of any score of this run, or of these members, on this data should know."""
    remarks: list[str] = []
    for run in task.runs:
        remarks += run.differences(task.data)
        used = [member.view for member in task.members if member.run is run] or run.views
        untrained = [view for view in dict.fromkeys(used) if view not in run.trained_views]
        if untrained:
            of_run = f" of {run.path.name}" if task.members else ""
            remarks.append(f"not trained yet at this checkpoint{of_run}, still random: {', '.join(untrained)}")
    return tuple(dict.fromkeys(remarks))


def _pixels(task: Task, sides: Sides, *, workers: int) -> dict[str, NDArray[np.float32]]:
    parts = [
        cached_pixels(task.run, data, entries, workers=workers, progress=task.progress).features
        for data, entries in sides.by_data(task.data)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def cached_pixels(
    run: Run, data: PreparedDataset, entries: Sequence[VideoEntry], *, workers: int, progress: ProgressSink | None
) -> Embeddings:
    """Return the pixel baselines of some videos, computed once and kept with the run's embeddings.

    Raises:
        VideoError: a stored file is damaged.
    """
    identity = {"pixels": BASELINES, "data": data_identity(data, entries, ("rgb",))}
    rgb = open_views(data.view_options, ("rgb",))["rgb"]
    return remembered(
        run.path / FOLDER,
        identity,
        lambda: baseline_embeddings(data, entries, rgb, workers=workers, progress=progress),
    )
