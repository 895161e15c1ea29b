"""A small data set of real stored views, and a run with real checkpoints, made in about a second."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from coview.config import (
    ClipSettings,
    EvaluationSettings,
    RunConfig,
    TrainingSettings,
    ViewInput,
    as_plain,
)
from coview.datasets.manifest import write_manifest
from coview.datasets.prepared import PreparedDataset, stored_path
from coview.datatypes import VideoEntry
from coview.training.building import build_method
from coview.training.checkpoint import Position, save_checkpoint
from coview.training.runfolder import FORMAT
from coview.views import VIEWS
from coview.views.base import StorageSettings

OPTIONS = {"rgb": {"crf": 18.0}, "flow": {"algorithm": "farneback", "bound": 20.0}}
FRAMES, HEIGHT, WIDTH = 20, 36, 48
STORAGE = StorageSettings(short_side=HEIGHT, fps=None, gop=8)


@dataclass(frozen=True)
class SmallRun:
    run: Path
    data: Path
    source: Path


def moving_square(seed: int, *, is_fast: bool) -> np.ndarray:
    """Frames of a bright square over noise; it moves fast or slowly."""
    generator = np.random.default_rng(seed)
    frames = np.repeat(generator.integers(0, 120, (1, HEIGHT, WIDTH, 3), dtype=np.uint8), FRAMES, axis=0)
    top = int(generator.integers(0, HEIGHT - 12))
    for t, frame in enumerate(frames):
        left = (t * (3 if is_fast else 1)) % (WIDTH - 12)
        frame[top : top + 12, left : left + 12] = 230
    return frames


def make_data(root: Path, source: Path) -> None:
    """Store 4 training and 4 test videos of two classes, one without a label, and one that failed."""
    views = {name: VIEWS.load(name) for name in OPTIONS}
    entries = []
    for number in range(9):
        is_fast, name = bool(number % 2), f"v{number}"
        frames = moving_square(number, is_fast=is_fast)
        for view_name, kind in views.items():
            view = kind(kind.Options(**OPTIONS[view_name]))
            path = stored_path(root, view_name, name, view.suffix)
            path.parent.mkdir(parents=True, exist_ok=True)
            view.write(view.extract(iter(frames)), path, fps=25.0, storage=STORAGE)
        entries.append(
            VideoEntry(
                id=name,
                path=str(source / f"{name}.mp4"),
                label=None if number == 8 else ("fast" if is_fast else "slow"),
                group=f"g{number // 2}",
                splits={"split1": "train" if number < 4 or number == 8 else "test"},
                status="ready",
                num_frames=FRAMES,
                fps=25.0,
                width=WIDTH,
                height=HEIGHT,
            )
        )
    broken = {"status": "failed", "reason": "corrupt: made so", "label": "slow", "splits": {"split1": "test"}}
    entries.append(VideoEntry(id="broken", path=str(source / "broken.mp4"), **broken))
    write_manifest(entries, root / "videos.parquet")
    info = {
        "format": 1,
        "coview": "0.1.0",
        "source": str(source),
        "layout": "folder",
        "storage": as_plain(STORAGE),
        "views": OPTIONS,
        "counts": {"listed": 10, "ready": 9, "failed": 1, "missing": 0, "by_reason": {"corrupt": 1}},
    }
    (root / "dataset.yaml").write_text(yaml.safe_dump(info, sort_keys=False))


def small_config() -> RunConfig:
    return RunConfig(
        preset="cpu",
        seed=3,
        views={"rgb": ViewInput(size=16), "flow": ViewInput(size=16)},
        method={"name": "cpc", "predict_blocks": 1},
        encoder={"name": "tiny3d"},
        clip=ClipSettings(num_blocks=2, block_length=4, frame_stride=1),
        training=TrainingSettings(workers=0),
        evaluation=EvaluationSettings(batch_size=4),
    )


def classifier_config() -> RunConfig:
    """The same, taught with labels."""
    method = {"name": "classify", "head": "context", "classes": ["fast", "slow"]}
    return replace(small_config(), method=method)


def make_run(run: Path, data: Path, config: RunConfig | None = None) -> None:
    """Write a run as training leaves it: after stage rgb, and after stage flow."""
    config, dataset = config or small_config(), PreparedDataset.open(data)
    channels = {"rgb": 3, "flow": 2}
    resolved = {
        "format": FORMAT,
        "config": as_plain(config),
        "data": {
            "root": str(data.resolve()),
            "num_train": 4,
            "num_validation": 0,
            "views": dict(dataset.view_options),
            "storage": dict(dataset.info["storage"]),
            "counts": dict(dataset.info["counts"]),
        },
        "channels": channels,
    }
    run.mkdir()
    (run / "resolved.yaml").write_text(yaml.safe_dump(resolved, sort_keys=False))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(99)
        method = build_method(config, channels)
        for index, stage in enumerate(("rgb", "flow")):
            at = Position(stage_index=index, stage=stage, step=10, global_step=10 * (index + 1), is_stage_finished=True)
            save_checkpoint(run, at, weights=method.state_dict(), state={}, keep=1)
            torch.nn.init.normal_(next(method.encoders["flow"].parameters()))


def place_small_run(root: Path) -> SmallRun:
    """Make the data that `make_run` can train a run on, and say where the run shall be."""
    made = SmallRun(root / "run", root / "data", root / "videos")
    made.data.mkdir()
    make_data(made.data, made.source)
    return made


@pytest.fixture(scope="module")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> SmallRun:
    """A run on a prepared data set; module-wide, so tests must not change it."""
    made = place_small_run(tmp_path_factory.mktemp("small"))
    make_run(made.run, made.data)
    return made
