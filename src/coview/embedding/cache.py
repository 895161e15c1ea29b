"""Embeddings made once: RUN/embeddings/<key>.parquet, where the key is a hash of all that they depend on."""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch

from coview.clips.frame_memory import FrameMemory
from coview.config import as_plain
from coview.datasets.prepared import PreparedDataset
from coview.datatypes import ProgressSink, VideoEntry
from coview.embedding.embeddings import Embeddings
from coview.embedding.run import Run
from coview.embedding.shares import in_shares, own_places
from coview.encoders import Encoder
from coview.errors import UserError
from coview.files import hash_file
from coview.training.checkpoint import WEIGHTS
from coview.training.distributed import choose_device
from coview.views import VIEWS

logger = logging.getLogger(__name__)

FOLDER = "embeddings"


def cached_embeddings(
    run: Run,
    data: PreparedDataset,
    entries: Sequence[VideoEntry],
    *,
    weights: Literal["trained", "random"] = "trained",
    views: Sequence[str] | None = None,
    head: tuple[str, Mapping[str, Encoder]] | None = None,
    clip_seed: int | None = None,
    frame_memory: FrameMemory | None = None,
    shard: str | None = None,
    device: str = "auto",
    progress: ProgressSink | None = None,
) -> Embeddings:
    """Embed ready videos with a run's encoders, or with the weights they began from; reuse what an earlier call made.

    Only those of `views`, where given; with a head of the same weights on them, where that is given as its name and
    the encoders with it; with `clip_seed` of one clip a video, drawn by it. Reused only when weights, settings, the
    videos' rows and stored files (size and time) and the device are the same. Frames are read through `frame_memory`,
    where one is given; with `shard`, "i/n", only that share of the videos is embedded (`coview.embedding.shares`).

    Raises:
        ShareKept: other shares are not done yet.
        UserError: the data set lacks a view of the run.
    """
    identity = identity_of(run, data, entries, weights=weights, device=device)
    if views is not None:
        identity["views"] = list(views)
    if head is not None:
        identity["head"] = head[0]
    if clip_seed is not None:
        identity["clip_seed"] = clip_seed

    def make(chosen: Sequence[VideoEntry]) -> Embeddings:
        if head is not None:
            encoders = head[1]
        else:
            own = run.encoders if weights == "trained" else run.random_encoders()
            encoders = {view: own[view] for view in (views or run.views)}
        return run.embed_entries(
            data,
            chosen,
            encoders=encoders,
            device=device,
            clip_seed=clip_seed,
            frame_memory=frame_memory,
            progress=progress,
        )

    return remembered_of(run.path / FOLDER, identity, entries, make, shard=shard)


def way_of(run: Run) -> int:
    """Return the number of the way in which features are made, to be raised with it: older ones are made again then.

    2: every window by itself; 3: windows of several blocks start whole blocks apart.
    """
    return 3 if run.config.clip.num_blocks > 1 else 2


def identity_of(
    run: Run,
    data: PreparedDataset,
    entries: Sequence[VideoEntry],
    *,
    weights: Literal["trained", "random"],
    device: str,
) -> dict[str, Any]:
    """Return all that the features of some videos depend on: weights, settings, rows and stored files, device.

    Raises:
        UserError: the data set lacks a view of the run.
    """
    data.require_files(run.views)
    low = [view for view, name in run.embedding_dtypes(device).items() if name == "bf16"]
    return {
        "format": way_of(run),
        "weights": hash_file(run.checkpoint / WEIGHTS) if weights == "trained" else "random",
        "config": _what_features_depend_on(run),
        "torch": torch.__version__,
        "device": choose_device(device).type,
        **({"bf16": low} if low else {}),
        "data": data_identity(data, entries, run.views),
    }


def remembered_of(
    folder: Path,
    identity: Mapping[str, Any],
    entries: Sequence[VideoEntry],
    make: Callable[[Sequence[VideoEntry]], Embeddings],
    *,
    shard: str | None,
) -> Embeddings:
    """Return the embeddings of this identity from a folder, or make those of a share, or of all, of the videos.

    Raises:
        ShareKept: other shares are not done yet.
    """
    if shard is None:
        return remembered(folder, identity, lambda: make(entries))
    places = own_places(len(entries), shard)
    path = _path_of(folder, identity)

    def make_share() -> tuple[Embeddings, range]:
        return make([entries[place] for place in places]), places

    found = _found(path)
    if found is None:
        with in_shares(path, shard, make_share, whole=path.stem) as found:
            found.save(path)
    return found


def _path_of(folder: Path, identity: Mapping[str, Any]) -> Path:
    """Return where the embeddings of an identity are kept."""
    text = json.dumps(as_plain(identity), sort_keys=True)
    return folder / f"{hashlib.sha256(text.encode()).hexdigest()[:20]}.parquet"


def remembered(folder: Path, identity: Mapping[str, Any], make: Callable[[], Embeddings]) -> Embeddings:
    """Return the embeddings of this identity from a folder, or make and keep them there."""
    path = _path_of(folder, identity)
    found = _found(path)
    if found is None:
        found = make()
        found.save(path)
    return found


def _found(path: Path) -> Embeddings | None:
    """Return what is kept there; None where that is nothing, or damaged."""
    if not path.is_file():
        return None
    try:
        return Embeddings.load(path)
    except UserError as error:
        logger.warning("making these embeddings again: %s", error)
        return None


def data_identity(data: PreparedDataset, entries: Sequence[VideoEntry], views: Sequence[str]) -> dict[str, Any]:
    """Return what tells one state of some videos of a data set from another: rows, how and when views were stored."""
    digest = hashlib.sha256()
    for entry in entries:
        stamps = []
        for view in views:
            stamps.append(data.stored_stamp(view, entry, VIEWS.load(view).suffix))
        row = (entry.id, entry.path, entry.label, entry.group, entry.num_frames, stamps)
        digest.update(json.dumps(row).encode() + b"\n")
    return {
        "root": str(data.root.resolve()),
        "views": {view: data.view_options[view] for view in views},
        "storage": data.info.get("storage"),
        "num_videos": len(entries),
        "videos": digest.hexdigest(),
    }


def _what_features_depend_on(run: Run) -> dict[str, Any]:
    """Return the settings that features depend on, with the seed, by which random weights are drawn."""
    config = as_plain(run.config)
    names = ("seed", "views", "method", "encoder", "clip", "evaluation")
    return {**{name: config[name] for name in names}, "channels": dict(run.resolved["channels"])}
