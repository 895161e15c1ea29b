"""What a downloaded network makes of the same videos without any training: the row that training has to beat."""

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path

from coview.config import ClipSettings, RunConfig, ViewInput, as_plain
from coview.datasets.prepared import PreparedDataset
from coview.datatypes import ProgressSink, VideoEntry
from coview.embedding.cache import FOLDER, cached_embeddings, data_identity, remembered
from coview.embedding.embeddings import Embeddings
from coview.embedding.extract import embed_entries
from coview.embedding.run import Run
from coview.encoders.pretrained import FAMILIES, Pretrained, is_pretrained_folder, load_pretrained, read_folder
from coview.errors import UserError
from coview.files import hash_file
from coview.methods import Method
from coview.training.distributed import choose_device
from coview.training.runfolder import RESOLVED

VIEW = "rgb"
IMAGE_FRAMES = 8
"""Frames of a window that a network of pictures looks at."""


def embed_with_baseline(
    folder: Path,
    run: Run,
    data: PreparedDataset,
    entries: Sequence[VideoEntry],
    *,
    per_window: bool = False,
    device: str = "auto",
    progress: ProgressSink | None = None,
) -> Embeddings:
    """Embed videos with a frozen network of a folder, or with another run; kept with the run's own embeddings.

    A network of transformers sees the rgb view at its own size, in windows as long as the run's, of which it takes as
    many frames as it was trained with; another run sees what it always does.

    Args:
        folder: of a pretrained network, or of a run.
        run: whose windows are taken, and where the result is kept.
        data: the prepared data set.
        entries: ready videos of it.
        per_window: one row a window, in place of one a video; these are not kept.
        device: "auto", "cpu", "cuda" or "cuda:<n>".
        progress: told of the videos.

    Raises:
        UserError: it is neither, or the data set has no rgb view.
    """
    if (folder / RESOLVED).is_file():
        other = Run.load(folder)
        if per_window:
            made = other.embed_entries(data, entries, per_window=True, device=device, progress=progress)
        else:
            made = cached_embeddings(other, data, entries, device=device, progress=progress)
        return dataclasses.replace(made, features={f"{other.name}:{view}": made[view] for view in made.views})
    if not is_pretrained_folder(folder):
        read_folder(folder)  # says what is wrong with it
    if VIEW not in data.view_options:
        raise UserError(
            f"{data.root} has no rgb view, which the network of {folder} looks at; prepare it with --views rgb"
        )
    data.require_files([VIEW])
    name = folder.resolve().name
    encoder = load_pretrained(folder)
    config = baseline_config(encoder, run.config)
    identity = {
        "pretrained": hash_folder(folder),
        "config": as_plain({"clip": config.clip, "views": config.views, "evaluation": config.evaluation}),
        "device": choose_device(device).type,
        "data": data_identity(data, entries, [VIEW]),
    }

    def make() -> Embeddings:
        return embed_entries(
            {VIEW: encoder},
            data,
            entries,
            config=config,
            pool=Method.pool,
            device=choose_device(device),
            per_window=per_window,
            progress=progress,
        )

    made = make() if per_window else remembered(run.path / FOLDER, identity, make)
    return dataclasses.replace(made, features={name: made[VIEW]})


def baseline_config(encoder: Pretrained, like: RunConfig) -> RunConfig:
    """Return settings under which a frozen network sees windows as long as a run's, in its own frames and size."""
    frames = encoder.num_frames or (IMAGE_FRAMES if encoder.family.takes == "frames" else like.clip.num_frames)
    stride = max(1, round((like.clip.span - 1) / max(1, frames - 1)))
    return dataclasses.replace(
        like,
        views={VIEW: ViewInput(size=encoder.image_size)},
        clip=ClipSettings(num_blocks=1, block_length=frames, frame_stride=stride),
    )


def describe_baseline(folder: Path) -> str:
    """Say what vector it is, for a table."""
    if (folder / RESOLVED).is_file():
        return "another run, not trained further; cosine"
    kind = read_folder(folder)["model"]["model_type"]
    frames = "each frame by itself, " if FAMILIES[kind].takes == "frames" else ""
    return f"frozen {kind}, {frames}per window unit, per video: mean over windows, unit; cosine"


def hash_folder(folder: Path) -> str:
    """Return the SHA-256 of a pretrained network: its settings and all of its weights."""
    digest = hashlib.sha256()
    for path in sorted(
        [folder / "config.json", *folder.glob("*preprocessor_config.json"), *folder.glob("*.safetensors")]
    ):
        digest.update(f"{path.name} {hash_file(path)}\n".encode())
    return digest.hexdigest()
