"""A fine-tuned run names the class of every window of a video, in place of embedding it."""

import typing
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from coview.augmentation.batch import centre
from coview.clips.windows import WindowDataset, evaluation_batches
from coview.datasets.prepared import PreparedDataset
from coview.datatypes import ClipBatch, VideoEntry
from coview.embedding.run import Run
from coview.errors import UserError
from coview.training.distributed import choose_device
from coview.views.opened import open_views


@typing.runtime_checkable
class NamesClasses(typing.Protocol):
    """A method that names the class of a clip."""

    classes: tuple[str, ...]
    """C names, in the order of the scores."""

    def class_scores(self, view: str, clips: Tensor) -> Tensor:
        """Return scores before softmax (B, C) of clips (B, C, T, size, size) of one view."""


def classifier_of(run: Run) -> NamesClasses:
    """Return the method of a run that names classes.

    Raises:
        UserError: it is no classifier.
    """
    if not isinstance(run.method, NamesClasses):
        raise UserError(
            f"{run.path} is a run of method {run.config.method.get('name')}, which names no classes. Make a classifier "
            f"of it with: coview finetune {run.path} --labels FILE --out MODEL; or "
            "fit a head: coview head INDEX --out HEAD"
        )
    return run.method


@torch.inference_mode()
def classify_windows(
    run: Run,
    data: PreparedDataset,
    entries: Sequence[VideoEntry],
    *,
    device: str,
    chances_of: Callable[[ClipBatch], NDArray[np.float32]] | None = None,
) -> list[tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float64]]]:
    """Return (probabilities (W, C), starts (W,), ends (W,) in seconds) of every half-overlapping window of each video.

    Centre crop; the mean of the views' softmax.

    Args:
        run: whose method names classes.
        data: a prepared data set with its views.
        entries: ready videos of it, whose frame rate is known.
        device: where to compute.
        chances_of: what names the classes of a batch of raw windows, (W, C), in place of the run itself.

    Raises:
        UserError: a stored view cannot be read, or the run is no classifier.
    """
    place, method = choose_device(device), classifier_of(run)
    run.method.to(place)
    views = open_views(data.view_options, run.views)
    windows = WindowDataset(data, entries, views, replace(run.config.clip, clips_per_video=1), max_windows=None)
    found: list[list[tuple[NDArray[np.float32], float, float]]] = [[] for _ in entries]
    rows = {int(row): at for at, row in enumerate(windows.videos.entry_indices)}
    for batch in evaluation_batches(windows, batch_size=run.config.evaluation.batch_size):
        if chances_of is not None:
            chances = chances_of(batch)  # (W, C)
        else:
            clips = centre(batch, views, run.config.views, device=place).clips
            scores = [method.class_scores(view, clips[view][:, 0]).float().softmax(dim=1) for view in run.views]
            chances = torch.stack(scores).mean(dim=0).cpu().numpy()  # (W, C)
        frames = batch.frame_indices[:, 0].numpy()  # (W, T)
        for row, chance, shown in zip(batch.entry_indices.tolist(), chances, frames, strict=True):
            fps = entries[rows[row]].fps or float("nan")
            found[rows[row]].append((chance, float(shown[0]) / fps, float(shown[-1] + 1) / fps))
    return [
        (
            np.stack([chance for chance, _, _ in one]),
            np.array([start for _, start, _ in one]),
            np.array([end for _, _, end in one]),
        )
        for one in found
    ]
