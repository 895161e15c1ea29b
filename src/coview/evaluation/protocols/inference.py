"""Protocol "inference": a fine-tuned run classifies the test videos. Moving windows, several crops, mean of softmax."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from coview.augmentation.batch import cropped
from coview.augmentation.geometry import crops_of_a_picture
from coview.clips.windows import WindowDataset, evaluation_batches
from coview.config import NonNegativeFloat, RunConfig, as_plain
from coview.datasets.prepared import PreparedDataset
from coview.datatypes import VideoEntry
from coview.embedding.class_windows import NamesClasses
from coview.embedding.run import Run
from coview.errors import UserError
from coview.evaluation.ensembles import (
    DEFAULT_WEIGHTS,
    ENSEMBLE,
    average_scores,
    choose_ensembles,
    describe_shares,
    shares_of_members,
)
from coview.evaluation.features import describe_features
from coview.evaluation.metrics.accuracy import accuracy_of_scores, chance_accuracy
from coview.evaluation.protocols.aggregation import aggregate_folds, describe_errors, keep_predictions
from coview.evaluation.protocols.base import TEST_ROLES, Protocol, Scores, Task
from coview.evaluation.query_gallery import EvaluationVideos, choose_videos
from coview.evaluation.results.result import RowKind, ScoreRow
from coview.methods import METHODS, Method
from coview.methods.base import reached_views
from coview.training.distributed import choose_device
from coview.training.video_feed import choose_workers
from coview.views.opened import open_views

NumCrops = Literal[1, 3, 5, 10]
_CROPS: Mapping[str, NumCrops] = {"features": 10, "context": 1}
"""Head of the classifier -> crops: ViCC's ten, CoCon's one."""


@dataclass(frozen=True)
class InferenceSettings:
    """Over what the scores of a video are averaged."""

    crops: NumCrops | None = None
    """Of each window: 1: centre; 3: along the longer side; 5: centre and corners; 10: those and their mirrors.
    Not set: 10 for a classifier of features (ViCC), 1 for one of contexts (CoCon)."""
    weights: Mapping[str, NonNegativeFloat] = field(default_factory=lambda: dict(DEFAULT_WEIGHTS))
    """View name -> weight of its probabilities in "weighted views"; one that is not named weighs 1, 0 leaves it out."""


class Inference(Protocol):
    """Top-1, top-5 and accuracy per class of a fine-tuned run: windows x crops, mean of softmax, ensembles of views."""

    Settings = InferenceSettings
    takes_members = True

    def score(self, task: Task) -> Scores:
        """Score a run; see `Protocol.score`."""
        chosen = self.settings
        for run in task.runs:
            _classifier_of(replace(task, run=run))
        videos = choose_videos(task.data, task.split, along_with=task.along_with)
        found = classify_videos(task, videos, crops=chosen.crops, weights=chosen.weights)
        guessed = chance_accuracy([entry.label or "" for entry in videos.tested], _classifier_of(task).classes)
        chance = ScoreRow("chance", "chance", guessed, description="in random order")
        return replace(found, rows=(*found.rows, chance), settings={**as_plain(chosen), **found.settings})


def classify_videos(
    task: Task,
    videos: EvaluationVideos,
    *,
    crops: int | None,
    weights: Mapping[str, float],
    kind: RowKind = "trained",
) -> Scores:
    """Let a fine-tuned run, or views of several, classify the test videos, and judge it, without the row of chance.

    Args:
        task: that run, or these members, and the data.
        videos: the videos; the queries are tested.
        crops: of each window; None: as its head is usually tested.
        weights: of the views in the weighted ensemble.
        kind: of the rows.

    Raises:
        UserError: a run is no classifier, or two of them know different classes.
    """
    run, classes = task.run, _classifier_of(task).classes
    count = crops or _CROPS[run.method.classification_head]
    scores = _probabilities_by_name(task, videos.tested, crops=count)
    words = f"mean softmax over half-overlapping windows, {_describe_crops(count)}"
    descriptions = dict.fromkeys(scores, words)
    mixes = {ENSEMBLE: shares_of_members(task.members)} if task.members else choose_ensembles(run.views, weights)
    for name, shares in mixes.items():
        descriptions[name] = f"weighted mean of the views' softmax: {describe_shares(shares)}"
    scores |= {name: average_scores(scores, shares) for name, shares in mixes.items()}
    labels = [entry.label or "" for entry in videos.tested]
    rows, given = [], {}
    for name, words in descriptions.items():
        values = accuracy_of_scores(scores[name], labels, classes)
        rows.append(aggregate_folds(kind, name, videos, [values], seed=run.config.seed, description=words))
        given[name] = values.predicted
    settings = {
        "crops": count,
        **describe_features(task),
        "windows": f"uniform, half overlapping, {_describe_crops(count)}",
        "standard_error": describe_errors(videos, rows[0].first_metric, tested="test videos"),
    }
    return Scores(
        rows=tuple(rows),
        counts=_count_training_videos(run, task.data, videos),
        settings=settings,
        split=task.split,
        predictions=keep_predictions(videos, given).packed(),
        remarks=_remarks(task, labels, classes),
    )


def _probabilities_by_name(task: Task, entries: Sequence[VideoEntry], *, crops: int) -> dict[str, NDArray[np.float32]]:
    """Return the class probabilities (n, C) of the run's views, or of each member of an ensemble by its name."""
    if not task.members:
        return _class_probabilities(task, entries, crops=crops)
    classes = _classifier_of(task).classes
    by_run: dict[int, dict[str, NDArray[np.float32]]] = {}
    for run in task.runs:
        own = _classifier_of(replace(task, run=run)).classes
        if set(own) != set(classes):
            raise UserError(
                f"{task.run.path} and {run.path} tell different classes apart ({', '.join(classes)}; "
                f"{', '.join(own)}); an ensemble needs runs trained on the same classes"
            )
        columns = [own.index(name) for name in classes]
        found = _class_probabilities(replace(task, run=run), entries, crops=crops)
        by_run[id(run)] = {view: scores[:, columns] for view, scores in found.items()}
    return {member.name: by_run[id(member.run)][member.view] for member in task.members}


def names_classes(config: RunConfig) -> bool:
    """Whether the method of a run is a classifier, to be scored by this protocol."""
    return hasattr(METHODS.load(str(config.method.get("name"))), NamesClasses.class_scores.__name__)


def _count_training_videos(run: Run, data: PreparedDataset, videos: EvaluationVideos) -> dict[str, Any]:
    """Return the counts of a classifier's result: of the training videos, those that it learnt from."""
    learnt = run.resolved["data"]
    counts = {**videos.counts, "roles": list(TEST_ROLES)}
    if learnt["root"] == str(data.root.resolve()):
        counts["gallery_used"] = learnt["num_train"] + learnt["num_validation"]
    return counts


def _describe_crops(count: int) -> str:
    """Return what is seen of each window."""
    return {
        1: "centre crop",
        3: "3 crops along the longer side",
        5: "5 crops: centre and corners",
        10: "10 crops: centre and corners, plain and mirrored",
    }[count]


def _classifier_of(task: Task) -> NamesClasses:
    """Return the method of a run that names classes.

    Raises:
        UserError: the run is no classifier; says how to make one of it.
    """
    method = task.run.method
    if not isinstance(method, NamesClasses):
        run, data = task.run.path, task.data.root
        raise UserError(
            f"{run} is a run of method {task.run.config.method.get('name')}, which names no classes. Fine-tune and "
            f"score it with: coview evaluate {run} --protocol finetune --data {data}; or make a classifier of it with: "
            f"coview pretrain FINETUNE-CONFIG --data {data} --start-from {run} --out OUT (coview list configs)"
        )
    return method


@torch.inference_mode()
def _class_probabilities(task: Task, entries: Sequence[VideoEntry], *, crops: int) -> dict[str, NDArray[np.float32]]:
    """Return view -> (n, C): each video's softmax, averaged over all its windows and crops.

    Every frame is decoded once for all windows and crops that show it, but where a long video spans two batches.

    Args:
        task: a run whose method `NamesClasses`, and the data.
        entries: n ready videos.
        crops: 1, 3, 5 or 10.

    Raises:
        UserError: the data set lacks a view, or a stored view cannot be read.
    """
    run, method, device = task.run, _classifier_of(task), choose_device(task.device)
    assert isinstance(method, Method)
    task.data.require_files(run.views)
    views = open_views(task.data.view_options, run.views)
    windows = WindowDataset(task.data, entries, views, run.config.clip, max_windows=run.config.evaluation.max_windows)
    rows = {int(row): place for place, row in enumerate(windows.videos.entry_indices)}
    method.to(device)
    sums = {view: torch.zeros(len(entries), len(method.classes), device=device) for view in run.views}
    num_windows = torch.zeros(len(entries), 1, device=device)
    (workers, kind), size = choose_workers(run.config), run.config.evaluation.batch_size
    for batch in evaluation_batches(windows, batch_size=size, workers=workers, kind=kind):
        places = torch.tensor([rows[row] for row in batch.entry_indices.tolist()], device=device)
        num_windows.index_add_(0, places, torch.ones(len(places), 1, device=device))
        for crop in crops_of_a_picture(crops):
            clips = cropped(batch, views, run.config.views, crop=crop, device=device).clips
            for view in run.views:
                scores = method.class_scores(view, clips[view][:, 0])  # (W, C)
                sums[view].index_add_(0, places, scores.float().softmax(dim=1))
        if task.progress is not None:
            task.progress(int(places[-1]) + 1, len(entries), {"windows": float(num_windows.sum())})
    return {view: (total / (num_windows * crops)).cpu().numpy() for view, total in sums.items()}


def _remarks(task: Task, labels: Sequence[str], classes: Sequence[str]) -> tuple[str, ...]:
    """Say what a reader of these numbers should know."""
    remarks: list[str] = []
    for run in task.runs:
        remarks += run.differences(task.data)
        reached = reached_views(run.stages, run.position.stage_index)
        untrained = [view for view in run.views if view not in reached]
        if untrained:
            remarks.append(f"not trained yet in {run.path.name}, its classifier is random: {', '.join(untrained)}")
    unknown = sum(label not in classes for label in labels)
    if unknown:
        remarks.append(
            f"{unknown} of {len(labels)} test videos are of classes that the run was not trained on: all missed"
        )
    return tuple(remarks)
