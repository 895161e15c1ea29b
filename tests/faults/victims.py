"""A tiny data set of all views and a tiny run on it, really made: what the suite breaks."""

import contextlib
import io
import sqlite3
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from campaign import heard
from children import status_of

import coview
from coview.config import ClipSettings, EvaluationSettings, OptimiserSettings, RunConfig, TrainingSettings, ViewInput

VIEWS = ("rgb", "flow", "pose", "segmentation")
PREPARE = {
    "synthetic": {"num_videos": 6, "num_frames": 14, "height": 48, "width": 64},
    "storage.short_side": 36,
    "folds": 2,
    "flow.algorithm": "farneback",
    "workers": 0,
}


@dataclass(frozen=True)
class Victim:
    """Folders that events copy before they break them."""

    source: Path
    data: Path
    run: Path


def tiny_config(*, max_steps: int = 4) -> RunConfig:
    """Return settings of which a step takes milliseconds, with a checkpoint after each."""
    return RunConfig(
        preset="cpu",
        views={name: ViewInput(size=16) for name in VIEWS[:2]},
        method={"name": "cpc", "predict_blocks": 1, "epochs": 20, "temperature": 0.1},
        encoder={"name": "tiny3d", "widths": [2, 2, 4, 4]},
        clip=ClipSettings(num_blocks=2, block_length=4, frame_stride=1),
        optimiser=OptimiserSettings(learning_rate=0.01),
        training=TrainingSettings(
            batch_size=3,
            workers=0,
            precision="fp32",
            channels_last="never",
            max_steps=max_steps,
            log_every=1,
            checkpoint_every_steps=1,
            val_fraction=0.0,
        ),
        evaluation=EvaluationSettings(batch_size=8),
        split=None,
    )


def make_victim(folder: Path) -> Victim:
    """Prepare and train."""
    victim = Victim(folder / "videos", folder / "data", folder / "run")
    coview.prepare(victim.source, victim.data, PREPARE, views=VIEWS, layout="synthetic")
    coview.pretrain(tiny_config(), victim.data, victim.run, device="cpu")
    return victim


@dataclass(frozen=True)
class Collection:
    """What is made of a collection with a run: folders that events copy before they break them."""

    labels: Path
    index: Path
    head: Path
    hub: Path
    onnx: Path


def make_collection(victim: Victim, folder: Path, *, with_onnx: bool) -> Collection:
    """Index the videos, label them, fit a head, and export the run; to ONNX takes many seconds, and an extra.

    What was made there before is taken as it is.
    """
    made = Collection(*(folder / name for name in ("labels.csv", "idx", "head", "hub", "onnx")))
    if made.hub.exists():
        return made
    names = sorted(path.name for path in victim.source.glob("*.mp4"))
    rows = [f"videos/{name},,,{'even' if place % 2 else 'odd'}" for place, name in enumerate(names)]
    made.labels.write_text("\n".join(["path,start,end,label", *rows, f"videos/{names[0]},0.1,0.3,odd", ""]))
    for words in (
        ["index", victim.run, victim.source, made.index, "--workers", 0],
        ["labels", "import", made.index, made.labels],
        ["head", made.index, "--out", made.head],
        ["export", victim.run, "--out", made.hub, "--format", "hf"],
        *([["export", victim.run, "--out", made.onnx]] if with_onnx else []),
    ):
        with io.StringIO() as said, redirect_stdout(said), redirect_stderr(said), heard():
            assert status_of(words) == 0, said.getvalue()
    with contextlib.closing(sqlite3.connect(made.index / "index.sqlite")) as table:
        table.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # else damage is hidden behind the log of this process
    return made
