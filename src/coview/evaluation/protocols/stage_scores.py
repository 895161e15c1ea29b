"""How scores grew from stage to stage of a run: the final checkpoint of each finished stage under one protocol."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from coview.embedding.run import Run
from coview.evaluation.features import FeatureTable, encode_with
from coview.evaluation.protocols.base import Task
from coview.evaluation.query_gallery import EvaluationVideos
from coview.evaluation.results.result import ScoreRow, StageScore
from coview.training.checkpoint import checkpoints, read_position

_START = "random weights"


def score_stages(
    task: Task,
    videos: EvaluationVideos,
    tables: Sequence[FeatureTable],
    score: Callable[[FeatureTable], Sequence[ScoreRow]],
) -> tuple[StageScore, ...]:
    """Score a run after each of its finished stages; nothing where it has fewer than two.

    Only encoders that a stage trained are run again; the other views keep the features they had before it.

    Args:
        task: run and data.
        videos: the videos.
        tables: features of this run and, where they were asked for, of random weights: what views not trained yet
            have. Without them such views are left out.
        score: gives the rows of a table of features.
    """
    finished = _finished_stages(task.run)
    if len(finished) < 2:
        return ()
    own = next(table for table in tables if table.kind == "trained")
    random = next((table for table in tables if table.kind == "random"), None)
    features: dict[str, NDArray[np.float32]] = dict(random.features) if random is not None else {}
    curve = []
    if random is not None:
        curve.append(StageScore(_START, "", (), tuple(score(FeatureTable("trained", features, own.ensembles)))))
    for stage in task.run.stages:
        if stage.name not in finished:
            continue
        checkpoint, trained = finished[stage.name], stage.trained_views
        if checkpoint == task.run.checkpoint.name:
            learnt = {view: own.features[view] for view in trained}
        else:
            learnt = encode_with(Run.load(task.run.path, checkpoint), task, videos, views=trained)
        features = {**features, **learnt}
        is_complete = features.keys() >= own.features.keys()
        table = FeatureTable("trained", features, own.ensembles if is_complete else {})
        curve.append(StageScore(stage.name, checkpoint, trained, tuple(score(table))))
    return tuple(curve)


def _finished_stages(run: Run) -> dict[str, str]:
    """Return stage -> its last checkpoint, of those that are finished, up to the run's own checkpoint."""
    found = {}
    for path in checkpoints(run.path):
        position = read_position(path)
        if position.is_stage_finished and position.stage_index <= run.position.stage_index:
            found[position.stage] = path.name
    return found
