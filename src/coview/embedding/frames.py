"""Features of chosen frames of a few videos, in any order: blocks along a video, shuffled clips, still ones."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from coview.augmentation.batch import centre
from coview.clips.samples import ClipSample, VideoTable, collate
from coview.clips.sampling import Indices
from coview.config import ClipSettings, as_plain
from coview.datasets.prepared import PreparedDataset
from coview.datatypes import ProgressSink, VideoEntry, check_shape
from coview.embedding.cache import FOLDER, identity_of, remembered
from coview.embedding.embeddings import Embeddings
from coview.embedding.extract import window_features
from coview.embedding.precision import place_encoder
from coview.embedding.run import Run
from coview.training.distributed import choose_device
from coview.views.base import View
from coview.views.opened import open_views

ClipFeatures = dict[str, list[NDArray[np.float32]]]
"""View name -> for each video the (K, D) unit features of its K clips."""


def block_indices(num_frames: int, clip: ClipSettings, *, num_blocks: int) -> Indices:
    """Return the frames of blocks spread evenly over a whole video: (num_blocks, L).

    A block is L frames, `clip.frame_stride` apart as in training; in a short video they overlap, and the stride
    shrinks as it does in training.

    Args:
        num_frames: of the video.
        clip: L and the step.
        num_blocks: how many.
    """
    length = clip.block_length
    step = max(1, min(clip.frame_stride, (num_frames - 1) // max(1, length - 1)))
    last_start = max(0, num_frames - 1 - (length - 1) * step)
    starts = np.linspace(0, last_start, num_blocks).round().astype(np.int64)
    return np.minimum(starts[:, None] + step * np.arange(length), num_frames - 1)


def clip_features(
    run: Run,
    data: PreparedDataset,
    entries: Sequence[VideoEntry],
    frames: Sequence[Indices],
    *,
    num_blocks: int,
    weights: Literal["trained", "random"] = "trained",
    device: str = "auto",
    progress: ProgressSink | None = None,
) -> ClipFeatures:
    """Embed clips of chosen frames with a run's encoders, centre crop, as windows are; reuse what an earlier call made.

    Args:
        run: the run.
        data: the prepared data set.
        entries: ready videos of it.
        frames: for each video (K, T) frame indices of its clips, in any order, repeats allowed.
        num_blocks: N, blocks that a clip is cut into: 1 for frames of one block.
        weights: the run's, or those it began from.
        device: "auto", "cpu", "cuda" or "cuda:<n>".
        progress: told after every video.

    Raises:
        UserError: the data set lacks a view, or a stored view cannot be read.
    """
    identity = {**identity_of(run, data, entries, weights=weights, device=device), "frames": _hash(frames)}
    encoders = run.encoders if weights == "trained" else None
    made = remembered(
        run.path / FOLDER,
        {**identity, "num_blocks": num_blocks},
        lambda: _embed(
            run, data, entries, frames, num_blocks=num_blocks, encoders=encoders, device=device, progress=progress
        ),
    )
    ends = np.cumsum([len(clips) for clips in frames])[:-1]
    return {view: np.split(features, ends) for view, features in made.features.items()}


@torch.inference_mode()
def _embed(
    run: Run,
    data: PreparedDataset,
    entries: Sequence[VideoEntry],
    frames: Sequence[Indices],
    *,
    num_blocks: int,
    encoders: Mapping[str, Any] | None,
    device: str,
    progress: ProgressSink | None,
) -> Embeddings:
    """Embed all clips of all videos, those of one video at a time: one row a clip."""
    place = choose_device(device)
    encoders = run.random_encoders() if encoders is None else encoders
    views = open_views(data.view_options, encoders)
    dtypes, pool = run.embedding_dtypes(device), run.method.pool
    placed = {
        view: place_encoder(encoder, dtypes.get(view, "fp32"), view=view, config=run.config, pool=pool, device=place)
        for view, encoder in encoders.items()
    }
    table = VideoTable(data, entries)
    found: dict[str, list[NDArray[np.float32]]] = {view: [] for view in encoders}
    for index, clips in enumerate(frames):
        check_shape("frames", clips, None, None)
        shape = ClipSettings(num_blocks=num_blocks, block_length=clips.shape[1] // num_blocks)
        for start in range(0, len(clips), run.config.evaluation.batch_size):
            batch = collate(_read(table, views, index, clips[start : start + run.config.evaluation.batch_size]))
            rendered = centre(batch, views, run.config.views, device=place).clips
            for view, encoder in placed.items():
                rows = window_features(encoder, rendered[view][:, 0], clip=shape, pool=pool)
                found[view].append(rows.cpu().numpy())
        if progress is not None:
            progress(index + 1, len(entries), {})
    owners = [entry for entry, clips in zip(entries, frames, strict=True) for _ in clips]
    return Embeddings(
        ids=tuple(entry.id for entry in owners),
        features={view: np.concatenate(rows) for view, rows in found.items()},
        labels=tuple(entry.label for entry in owners),
        groups=tuple(entry.group for entry in owners),
        paths=tuple(entry.path for entry in owners),
        description={"num_blocks": num_blocks, "clip": as_plain(run.config.clip)},
    )


def _read(table: VideoTable, views: Mapping[str, View], index: int, clips: Indices) -> list[ClipSample]:
    """Read clips (K, T) of one video, each frame once, one sample a clip; views read in ascending order only."""
    wanted, places = np.unique(clips, return_inverse=True)
    places = places.reshape(clips.shape)
    raw = {name: table.read(view, index, wanted) for name, view in views.items()}
    return [
        ClipSample(
            views={name: frames[chosen][None] for name, frames in raw.items()},
            entry_index=int(table.entry_indices[index]),
            random_key=(0, 0, 0),
            frame_indices=clip[None],
        )
        for clip, chosen in zip(clips, places, strict=True)
    ]


def _hash(frames: Sequence[Indices]) -> str:
    digest = hashlib.sha256()
    for clips in frames:
        digest.update(str(clips.shape).encode() + np.ascontiguousarray(clips, dtype=np.int64).tobytes())
    return digest.hexdigest()
