"""Does an exported graph do what the run does, and how fast? The same frames through both, and the clock."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from coview.augmentation.batch import centre
from coview.clips.windows import WindowDataset, evaluation_batches
from coview.datasets.prepared import PreparedDataset
from coview.datatypes import ClipBatch
from coview.embedding.extract import window_features
from coview.embedding.run import Run
from coview.errors import UserError
from coview.exports.description import Description
from coview.exports.frames import cropped_windows
from coview.views.opened import open_views
from coview.wording import counted

TOLERANCE = 1e-4
"""The largest difference in any number of a unit vector, or of probabilities."""
_REPEATS = 7

Frames = Mapping[str, NDArray[np.generic]]
Answers = Mapping[str, NDArray[np.float32]]
Model = Callable[[Frames], Answers]


@dataclass(frozen=True)
class Parity:
    """What came of the trial.

    Attributes:
        difference: the largest between the run and the exported graph.
        clips: "real" or "random".
        batches: sizes that were tried.
        eager_ms: median milliseconds of a batch of one clip through the run, in PyTorch without compiling.
        exported_ms: and through the exported graph.
        threads: of either.
    """

    difference: float
    clips: str
    batches: tuple[int, ...]
    eager_ms: float
    exported_ms: float
    threads: int

    def describe(self) -> str:
        """Say it in a line or two."""
        return (
            f"parity: largest difference {self.difference:.1e} on {self.clips} clips, batches of "
            f"{', '.join(map(str, self.batches))} (allowed: {TOLERANCE:.0e})\n"
            f"speed: {self.eager_ms:.0f} ms a clip in PyTorch, {self.exported_ms:.0f} ms exported: "
            f"{self.eager_ms / self.exported_ms:.1f}x on {counted(self.threads, 'thread')}"
        )


def check_parity(run: Run, description: Description, exported: Model, clips: Frames, *, kind: str) -> Parity:
    """Send frames through a run as it embeds or classifies, and through its exported graph.

    Args:
        run: on the CPU.
        description: of the graph.
        exported: the graph.
        clips: view -> (n, T, size, size, C) as the graph takes them.
        kind: "real" or "random", for the report.

    Raises:
        UserError: they differ by more than `TOLERANCE`; that is a fault of the exporter and not of the user.
    """
    total = len(next(iter(clips.values())))
    batches = tuple(sorted({1, 2, total}))
    worst = 0.0
    for size in batches:
        few = {view: frames[:size] for view, frames in clips.items()}
        expected, found = answer_eagerly(run, description, few), exported(few)
        for view in description.views:
            if found[view].shape != expected[view].shape or not np.isfinite(found[view]).all():
                raise UserError(
                    f"the exported graph gives {found[view].shape} of {view}, expected finite numbers "
                    f"{expected[view].shape}; nothing is kept. Try another --format"
                )
            worst = max(worst, float(np.abs(found[view] - expected[view]).max()))
    if worst > TOLERANCE:
        raise UserError(
            f"the exported graph differs from the run by {worst:.1e}, more than {TOLERANCE:.0e}; nothing is kept. Try "
            "another --format, and please report it with the versions that coview doctor shows"
        )
    one = {view: frames[:1] for view, frames in clips.items()}
    eager, own = _milliseconds_in_turns(lambda: answer_eagerly(run, description, one), lambda: exported(one))
    return Parity(worst, kind, batches, eager, own, torch.get_num_threads())


@torch.inference_mode()
def answer_eagerly(run: Run, description: Description, frames: Frames) -> dict[str, NDArray[np.float32]]:
    """Return view -> (B, D) as the run itself makes them of these frames, by the code that evaluation uses."""
    views = open_views(run.resolved["data"]["views"], description.views)
    answers = {}
    for given in description.inputs:
        own = torch.from_numpy(frames[given.view])
        if given.dtype == "uint8":
            count, length = own.shape[:2]
            batch = ClipBatch(
                views={given.view: own[:, None]},
                frame_sizes={given.view: torch.full((count, 2), given.size)},
                entry_indices=torch.arange(count),
                random_keys=torch.zeros(count, 3, dtype=torch.int64),
                frame_indices=torch.arange(length).expand(count, 1, length),
            )
            clips = centre(batch, views, run.config.views, device=torch.device("cpu")).clips[given.view][:, 0]
        else:
            clips = own.permute(0, 4, 1, 2, 3)
        if description.output == "probabilities":
            made = run.method.class_scores(given.view, clips).float().softmax(dim=1)  # type: ignore[operator]
        else:
            made = window_features(run.encoders[given.view], clips, clip=run.config.clip, pool=run.method.pool)
        answers[given.view] = made.numpy()
    return answers


def random_clips(description: Description, *, count: int, seed: int = 0) -> dict[str, NDArray[np.generic]]:
    """Return view -> (count, T, size, size, C) of noise that moves slowly, in the type that the graph takes."""
    generator = np.random.default_rng(seed)
    clips: dict[str, NDArray[np.generic]] = {}
    for given in description.inputs:
        still = generator.random((count, 1, *given.shape[1:]), dtype=np.float32)
        moving = generator.random((count, *given.shape), dtype=np.float32)
        mixed = 0.7 * still + 0.3 * moving
        clips[given.view] = (mixed * 255).astype(np.uint8) if given.dtype == "uint8" else mixed
    return clips


def real_clips(
    run: Run, data: PreparedDataset, description: Description, *, count: int
) -> dict[str, NDArray[np.generic]]:
    """Return view -> (n, T, size, size, C): the first window of up to `count` videos of a data set.

    Raises:
        UserError: it lacks a view, or holds no ready video.
    """
    data.require_files(description.views)
    if not data.ready:
        raise UserError(f"{data.root} has no video that is ready")
    views = open_views(data.view_options, description.views)
    windows = WindowDataset(data, data.ready[:count], views, run.config.clip, max_windows=1)
    (batch,) = evaluation_batches(windows, batch_size=count)
    clips: dict[str, NDArray[np.generic]] = {}
    for given in description.inputs:
        if given.dtype == "float32":
            rendered = centre(batch, views, run.config.views, device=torch.device("cpu")).clips[given.view][:, 0]
            clips[given.view] = rendered.permute(0, 2, 3, 4, 1).contiguous().numpy()
            continue
        clips[given.view] = cropped_windows(batch, given.view, size=given.size)
    return clips


def _milliseconds_in_turns(one: Callable[[], object], other: Callable[[], object]) -> tuple[float, float]:
    """Return the median times of two functions, called in turns so that both meet the machine as it is."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(_REPEATS + 1):
        for function, own in zip((one, other), times, strict=True):
            start = time.perf_counter()
            function()
            own.append(1000 * (time.perf_counter() - start))
    return statistics.median(times[0][1:]), statistics.median(times[1][1:])
