"""Encoders and windows in, one unit vector a video or window out; memory holds the clips of a few windows at a time."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from einops import rearrange, reduce
from numpy.typing import NDArray
from torch import Tensor

from coview.augmentation.batch import centre_windows
from coview.clips.frame_memory import FrameMemory
from coview.clips.windows import VideoWindows, WindowDataset, window_batches
from coview.config import ClipSettings, RunConfig, as_plain
from coview.datasets.prepared import PreparedDataset
from coview.datatypes import ProgressSink, VideoEntry, unit
from coview.embedding.embeddings import Embeddings
from coview.embedding.precision import place_encoder
from coview.encoders import Encoder
from coview.training.video_feed import choose_workers
from coview.views.opened import open_views

Pool = Callable[[Tensor], Tensor]
"""Feature maps (n, D, T', S, S) to features (n, D): `Method.pool`."""


def window_features(encoder: Callable[[Tensor], Tensor], clips: Tensor, *, clip: ClipSettings, pool: Pool) -> Tensor:
    """Return one unit feature a window: the mean over its blocks of the encoder's pooled maps.

    Args:
        encoder: in eval mode.
        clips: (W, C, T, size, size) windows, T = N * L.
        clip: N and L.
        pool: the method's.

    Returns:
        (W, D) float32.
    """
    blocks = rearrange(clips, "w c (n l) h v -> (w n) c l h v", l=clip.block_length)  # (W*N, C, L, size, size)
    held = torch.arange(len(blocks), device=clips.device).view(-1, clip.num_blocks)
    return _mean_of_blocks(pool(encoder(blocks)), held)


def _mean_of_blocks(features: Tensor, held: Tensor) -> Tensor:
    """Return unit features (W, D) of windows from those of blocks (U, D); (W, N) says which of them a window holds."""
    return unit(reduce(features[held], "w n d -> w d", "mean"))


def _blocks_once(videos: Sequence[VideoWindows], length: int) -> tuple[list[VideoWindows], Tensor]:
    """Return the blocks of some videos' windows, each once, and (W, N) which of them each window holds."""
    distinct, held, seen = [], [], 0
    for windows in videos:
        blocks, rows = windows.distinct_blocks(length)
        distinct.append(blocks)
        held.append(rows + seen)
        seen += len(blocks)
    return distinct, torch.cat(held)


@torch.inference_mode()
def embed_entries(
    encoders: Mapping[str, Encoder],
    data: PreparedDataset,
    entries: Sequence[VideoEntry],
    *,
    config: RunConfig,
    pool: Pool,
    device: torch.device,
    dtypes: Mapping[str, str] | None = None,
    clip_seed: int | None = None,
    per_window: bool = False,
    frame_memory: FrameMemory | None = None,
    progress: ProgressSink | None = None,
) -> Embeddings:
    """Embed videos: each the mean of the unit features of its uniform half-overlapping windows, made unit again.

    Centre crop, no augmentation: the same numbers every time on the same machine.

    Args:
        encoders: view name -> encoder in eval mode; moved to the device.
        data: the prepared data set, with those views.
        entries: ready videos of it.
        config: clips, sizes of the views, windows.
        pool: the method's way from feature maps to features.
        device: where to compute.
        dtypes: view name -> "fp32" or "bf16", see `coview.embedding.precision`; not given: float32.
        clip_seed: in place of all windows, one clip a video at a place drawn by this seed.
        per_window: keep every window as a row of its own, with its start and end, in place of their mean.
        frame_memory: through which frames are read; not given: decoded for this call alone.
        progress: told (videos finished, videos in all, {"windows": so far}).

    Raises:
        UserError: a stored view cannot be read; names the video and what to do.
    """
    views = open_views(data.view_options, encoders)
    most = config.evaluation.max_windows
    windows = WindowDataset(
        data, entries, views, config.clip, max_windows=most, clip_seed=clip_seed, frame_memory=frame_memory
    )
    rows = {int(row): place for place, row in enumerate(windows.videos.entry_indices)}
    placed = {
        view: place_encoder(
            encoder, (dtypes or {}).get(view, "fp32"), view=view, config=config, pool=pool, device=device
        )
        for view, encoder in encoders.items()
    }
    totals = {
        view: torch.zeros(len(entries), encoder.feature_size, device=device) for view, encoder in encoders.items()
    }
    kept = _Windows(entries, list(encoders))
    num_windows = 0
    (workers, kind), size = choose_workers(config), config.evaluation.batch_size
    for videos in window_batches(windows, batch_size=size, workers=workers, kind=kind, finish=list):
        distinct, held = _blocks_once(videos, config.clip.block_length)
        blocks = centre_windows(distinct, views, config.views, device=device)
        held = held.to(device)
        owners = [rows[video.entry_index] for video in videos for _ in range(len(video))]
        places = torch.tensor(owners, device=device)
        for view, encoder in placed.items():
            features = _mean_of_blocks(pool(encoder(blocks[view])), held)  # (W, D)
            if per_window:
                kept.features[view].append(features.cpu().numpy())
            else:
                totals[view].index_add_(0, places, features)
        if per_window:
            kept.note(torch.cat([video.frame_indices for video in videos]), owners)
        num_windows += len(owners)
        if progress is not None:
            progress(owners[-1] + 1, len(entries), {"windows": num_windows})
    description = {"windows": num_windows, "clip": as_plain(config.clip), "views": as_plain(config.views)}
    description["precision"] = {view: encoder.precision.dtype_name for view, encoder in placed.items()}
    if per_window:
        return kept.embeddings(description)
    return Embeddings(
        ids=tuple(entry.id for entry in entries),
        features={view: unit(total).cpu().numpy() for view, total in totals.items()},
        labels=tuple(entry.label for entry in entries),
        groups=tuple(entry.group for entry in entries),
        paths=tuple(entry.path for entry in entries),
        description=description,
    )


class _Windows:
    """The windows of videos as rows of their own."""

    def __init__(self, entries: Sequence[VideoEntry], views: Sequence[str]) -> None:
        self.entries = entries
        self.features: dict[str, list[NDArray[np.float32]]] = {view: [] for view in views}
        self.owners: list[VideoEntry] = []
        self.starts: list[float] = []
        self.ends: list[float] = []

    def note(self, frames: Tensor, places: Sequence[int]) -> None:
        """Note whose windows (W, T) these are, and which seconds they show; nan where the frame rate is not known."""
        for place, first, last in zip(places, frames[:, 0].tolist(), frames[:, -1].tolist(), strict=True):
            entry = self.entries[place]
            fps = entry.fps or float("nan")
            self.owners.append(entry)
            self.starts.append(first / fps)
            self.ends.append((last + 1) / fps)

    def embeddings(self, description: Mapping[str, Any]) -> Embeddings:
        """Return them all."""
        return Embeddings(
            ids=tuple(entry.id for entry in self.owners),
            features={view: np.concatenate(rows) for view, rows in self.features.items()},
            labels=tuple(entry.label for entry in self.owners),
            groups=tuple(entry.group for entry in self.owners),
            paths=tuple(entry.path for entry in self.owners),
            description=description,
            start_seconds=np.array(self.starts),
            end_seconds=np.array(self.ends),
        )
