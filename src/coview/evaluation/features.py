"""The vectors a protocol scores: this run's, beside those of random weights and of plain pixels."""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from coview.config import as_plain
from coview.embedding.cache import cached_embeddings
from coview.embedding.embeddings import Embeddings, join_views
from coview.embedding.run import Run
from coview.embedding.shares import make_all
from coview.evaluation.cost import Cost, measured
from coview.evaluation.ensembles import (
    ENSEMBLE,
    VIEWS_JOINED,
    choose_ensembles,
    describe_shares,
    shares_of_members,
)
from coview.evaluation.pixel_baselines import PIXEL_BASELINES, cached_pixels
from coview.evaluation.pretrained_baseline import describe_baseline, embed_with_baseline
from coview.evaluation.protocols.base import FeatureSettings, Task
from coview.evaluation.query_gallery import EvaluationVideos
from coview.evaluation.results.result import RowKind
from coview.wording import counted

logger = logging.getLogger(__name__)

Weights = Literal["trained", "random"]
_ENCODER = "per window: mean of the encoder's pooled block features, unit; per video: mean over windows, unit; cosine"


@dataclass(frozen=True)
class FeatureTable:
    """One kind of features of all videos of an evaluation.

    Attributes:
        kind: whose they are.
        features: name -> (n, D) float32 unit rows, in the order of `EvaluationVideos.entries`; views, members of an
            ensemble, or pixel baselines.
        ensembles: ensemble name -> name -> share; none for pixels.
        descriptions: what vector and what similarity, for those whose vectors are no encoder's.
    """

    kind: RowKind
    features: Mapping[str, NDArray[np.float32]]
    ensembles: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    descriptions: Mapping[str, str] = field(default_factory=dict)

    def describe(self, name: str, *, averaged: str = "cosine matrices") -> str:
        """Say what vector a view or baseline has, or what of the views an ensemble averages or a classifier reads."""
        if name == VIEWS_JOINED:
            return f"the vectors of {', '.join(self.features)} side by side, read by one classifier"
        if name in self.ensembles:
            return f"weighted mean of the views' {averaged}: {describe_shares(self.ensembles[name])}"
        return self.descriptions.get(name, _ENCODER)

    def join(self, name: str) -> NDArray[np.float32]:
        """Return the vectors (n, D) of that name; of an ensemble unit rows whose cosine is the mean of the views'."""
        shares = self.ensembles.get(name)
        return self.features[name] if shares is None else join_views(self.features, list(shares), shares)


def gather_features(task: Task, videos: EvaluationVideos, settings: FeatureSettings) -> list[FeatureTable]:
    """Embed the videos of an evaluation, or take what an earlier one kept.

    Args:
        task: run and data.
        videos: the videos.
        settings: weights of the views, and whether baselines are scored too.

    Returns:
        "trained", where a baseline is set "pretrained", and where baselines are asked for "random" (the weights that
        training began from) and "pixels".

    Raises:
        ShareKept: the task is a share, and others are not done yet.
    """
    mixes = choose_ensembles(task.run.views, settings.weights)
    if task.members:
        mixes = {ENSEMBLE: shares_of_members(task.members)}
    makers: list[Callable[[], FeatureTable]] = [partial(_encoded_table, task, videos, "trained", mixes)]
    if settings.baselines:
        makers += [
            partial(_encoded_table, task, videos, "random", mixes),
            partial(_pixels_table, task, videos, settings),
        ]
    made = make_all(makers)
    if settings.baseline is not None:
        made.insert(1, _pretrained_table(task, videos, Path(settings.baseline)))
    return made


def _encoded_table(
    task: Task, videos: EvaluationVideos, weights: Weights, mixes: Mapping[str, Mapping[str, float]]
) -> FeatureTable:
    return FeatureTable(weights, encode_videos(task, videos, weights=weights, shard=task.shard), mixes)


def _pixels_table(task: Task, videos: EvaluationVideos, settings: FeatureSettings) -> FeatureTable:
    pixels = make_all(
        partial(
            cached_pixels,
            task.run,
            data,
            entries,
            workers=settings.workers,
            frame_memory=task.frame_memory if data is task.data else None,
            shard=task.shard,
            progress=task.progress,
        )
        for data, entries in videos.by_data(task.data)
    )
    return FeatureTable("pixels", _concatenated(pixels), descriptions=PIXEL_BASELINES)


def _pretrained_table(task: Task, videos: EvaluationVideos, folder: Path) -> FeatureTable:
    parts, costs = [], list[Cost]()
    for data, entries in videos.by_data(task.data):
        with measured(f"{folder.resolve().name}, frozen: {counted(len(entries), 'video')}", costs) as meter:
            told = meter.watch(task.progress)
            parts.append(embed_with_baseline(folder, task.run, data, entries, device=task.device, progress=told))
    features = _concatenated(parts)
    for cost in costs:
        logger.info("%s", f"{cost.what}: embedded before" if math.isnan(cost.clips_per_second) else cost.describe())
    return FeatureTable("pretrained", features, descriptions=dict.fromkeys(features, describe_baseline(folder)))


def encode_videos(
    task: Task, videos: EvaluationVideos, *, weights: Weights, clip_seed: int | None = None, shard: str | None = None
) -> dict[str, NDArray[np.float32]]:
    """Return name -> (n, D) features of the run's views or of an ensemble's members, of all windows or of one clip."""
    if not task.members:
        return encode_with(task.run, task, videos, weights=weights, clip_seed=clip_seed, shard=shard)
    encode = partial(encode_with, task=task, videos=videos, weights=weights, clip_seed=clip_seed, shard=shard)
    encoded = make_all(partial(encode, run) for run in task.runs)
    by_run = {id(run): features for run, features in zip(task.runs, encoded, strict=True)}
    return {member.name: by_run[id(member.run)][member.view] for member in task.members}


def encode_with(
    run: Run,
    task: Task,
    videos: EvaluationVideos,
    *,
    weights: Weights = "trained",
    views: Sequence[str] | None = None,
    clip_seed: int | None = None,
    shard: str | None = None,
) -> dict[str, NDArray[np.float32]]:
    """Return view name -> (n, D) features of one run in the order of the entries, from one data set or two."""
    parts = make_all(
        partial(
            cached_embeddings,
            run,
            data,
            entries,
            weights=weights,
            views=views,
            clip_seed=clip_seed,
            frame_memory=task.frame_memory if data is task.data else None,
            shard=shard,
            device=task.device,
            progress=task.progress,
        )
        for data, entries in videos.by_data(task.data)
    )
    return _concatenated(parts)


def _concatenated(parts: Sequence[Embeddings]) -> dict[str, NDArray[np.float32]]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0].views}


def describe_features(task: Task) -> dict[str, Any]:
    """Return what the features depend on besides run and data, for the result."""
    config = task.run.config
    settings = {
        "clip": as_plain(config.clip),
        "views": as_plain(config.views),
        "max_windows": config.evaluation.max_windows,
        "windows": "uniform, half overlapping, centre crop",
    }
    if task.members:
        settings["members"] = [member.describe() for member in task.members]
    return settings


def remark_on_features(task: Task) -> tuple[str, ...]:
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
