"""How scores grew from stage to stage of a run: the final checkpoint of each finished stage under one protocol."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coview.embedding.run import Run
from coview.evaluation.base import ScoreRow, StageScore, Task
from coview.evaluation.features import FeatureTable, embedded
from coview.evaluation.sides import Sides
from coview.training.checkpoint import checkpoints, read_position

START = "random weights"


@dataclass(frozen=True)
class _Stage:
    """A finished stage: its name, its last checkpoint, and the views whose encoders it trained."""

    name: str
    checkpoint: str
    trained: tuple[str, ...]


def finished_stages(run: Run) -> tuple[_Stage, ...]:
    """Return the stages whose last checkpoint is there, in order, up to the run's own checkpoint."""
    found = {}
    for path in checkpoints(run.path):
        position = read_position(path)
        if position.is_stage_finished and position.stage_index <= run.position.stage_index:
            found[position.stage] = path.name
    return tuple(
        _Stage(stage.name, found[stage.name], stage.trained_views) for stage in run.stages if stage.name in found
    )


def stage_curve(
    task: Task,
    sides: Sides,
    tables: Sequence[FeatureTable],
    score: Callable[[FeatureTable], Sequence[ScoreRow]],
) -> tuple[StageScore, ...]:
    """Score a run after each of its finished stages; nothing where it has fewer than two.

    Only encoders that a stage trained are run again; the other views keep the features they had before it.

    Args:
        task: run and data.
        sides: the videos.
        tables: features of this run and, where they were asked for, of random weights: what views not trained yet
            have. Without them such views are left out.
        score: gives the rows of a table of features.
    """
    stages = finished_stages(task.run)
    if len(stages) < 2:
        return ()
    own = next(table for table in tables if table.kind == "trained")
    random = next((table for table in tables if table.kind == "random"), None)
    features: dict[str, NDArray[np.float32]] = dict(random.features) if random is not None else {}
    curve = []
    if random is not None:
        curve.append(StageScore(START, "", (), tuple(score(FeatureTable("trained", features, own.ensembles)))))
    for stage in stages:
        features = {**features, **_features_after(task, sides, stage, own)}
        is_complete = features.keys() >= own.features.keys()
        table = FeatureTable("trained", features, own.ensembles if is_complete else {})
        curve.append(StageScore(stage.name, stage.checkpoint, stage.trained, tuple(score(table))))
    return tuple(curve)


def _features_after(task: Task, sides: Sides, stage: _Stage, own: FeatureTable) -> Mapping[str, NDArray[np.float32]]:
    """Return the features of the views that a stage trained, as they were at its end."""
    if stage.checkpoint == task.run.checkpoint.name:
        return {view: own.features[view] for view in stage.trained}
    run = Run.load(task.run.path, stage.checkpoint)
    return embedded(run, task, sides, views=stage.trained)
