"""The vectors a protocol scores: this run's, beside those of random weights and of plain pixels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from coview.config import as_plain
from coview.datasets.prepared import PreparedDataset
from coview.datatypes import Embeddings, ProgressSink, VideoEntry
from coview.embed.cache import FOLDER, cached_embeddings, data_identity, remembered
from coview.embed.run import Run
from coview.embed.search import joined
from coview.evaluate.base import RowKind, Task
from coview.evaluate.baselines import BASELINES, baseline_embeddings
from coview.evaluate.ensemble import ensembles, in_words
from coview.evaluate.sides import Sides
from coview.views.opened import open_views

ENCODER = "per window: mean of the encoder's pooled block features, unit; per video: mean over windows, unit; cosine"


@dataclass(frozen=True)
class FeatureTable:
    """One kind of features of all videos that take part.

    Attributes:
        kind: whose they are.
        features: name -> (n, D) float32 unit rows, in the order of `Sides.entries`; views, or pixel baselines.
        ensembles: ensemble name -> view name -> share; none for pixels.
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
            vectors = joined(self.features, list(shares), shares)
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
    run, data = task.run, task.data
    mixes = ensembles(run.views, weights)
    trained = cached_embeddings(run, data, sides.entries, device=task.device, progress=task.progress)
    tables = [FeatureTable("trained", trained.features, mixes)]
    if baselines:
        random = cached_embeddings(
            run, data, sides.entries, weights="random", device=task.device, progress=task.progress
        )
        pixels = cached_pixels(run, data, sides.entries, workers=workers, progress=task.progress)
        tables.append(FeatureTable("random", random.features, mixes))
        tables.append(FeatureTable("pixels", pixels.features, descriptions=BASELINES))
    return tables


def settings_of_features(task: Task) -> dict[str, object]:
    """Return what the features depend on besides run and data, for the result."""
    return {
        "clip": as_plain(task.run.config.clip),
        "views": as_plain(task.run.config.views),
        "max_windows": task.run.config.evaluation.max_windows,
        "windows": "uniform, half overlapping, centre crop",
    }


def remarks_of(task: Task) -> tuple[str, ...]:
    """Say what a reader of any score of this run on this data should know."""
    remarks = list(task.run.differences(task.data))
    untrained = [view for view in task.run.views if view not in task.run.trained_views]
    if untrained:
        remarks.append(f"not trained yet at this checkpoint, still random: {', '.join(untrained)}")
    return tuple(remarks)


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
