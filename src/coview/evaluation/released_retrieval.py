"""Retrieval as the released code of ViCC scores it: one random clip a gallery video, queries around their own mean."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from coview.evaluation.base import Task
from coview.evaluation.features import FeatureTable, Weights, encoded
from coview.evaluation.sides import Sides

RELEASED_CODE = "released-code"
WORDS = "a query: mean over its windows, minus the mean of all queries, unit; a gallery video: one random clip; cosine"


def as_released(task: Task, sides: Sides, table: FeatureTable) -> FeatureTable:
    """Return a table of features as the released code compares them; pixels stay as they are.

    Args:
        task: run and data; the run's seed draws the clips.
        sides: queries and gallery.
        table: the default features of the same videos.
    """
    if table.kind == "pixels":
        return table
    weights: Weights = "trained" if table.kind == "trained" else "random"
    clips = encoded(task, sides, weights=weights, clip_seed=task.run.config.seed)
    return replace(
        table,
        features=_compared(table.features, clips, sides),
        descriptions=dict.fromkeys(table.features, WORDS),
    )


def _compared(
    whole: Mapping[str, NDArray[np.float32]], clips: Mapping[str, NDArray[np.float32]], sides: Sides
) -> dict[str, NDArray[np.float32]]:
    found = {}
    queries = list(sides.queries)
    for name, rows in whole.items():
        both = clips[name].copy()
        both[queries] = around_their_mean(rows[queries])
        found[name] = both
    return found


def around_their_mean(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return rows (q, D) minus their mean, made unit again; a row that is the mean stays zero."""
    centred = features - features.mean(axis=0)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.asarray(centred / np.maximum(lengths, 1e-12), dtype=np.float32)
