"""A run of random weights, six small videos to index, and an index of vectors that were made up."""

from pathlib import Path

import numpy as np
import pytest

from coview.collection.local_store import LocalStore
from coview.collection.store import NewVideo, VideoFacts, VideoVectors, mean_vector
from coview.video.stored import write_rgb
from small_run import SmallRun, moving_square, small_run

__all__ = ["random_video", "small_run", "store", "videos", "write_square"]


def write_square(path: Path, seed: int, *, repeats: int = 1) -> None:
    """Write 20 frames of a square that moves over noise, at 25 frames a second; or several of other seeds in a row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = [
        frame for number in range(repeats) for frame in moving_square(seed + 100 * number, is_fast=bool(seed % 2))
    ]
    write_rgb(iter(frames), path, fps=25.0, gop=8)


@pytest.fixture
def videos(tmp_path: Path, small_run: SmallRun) -> Path:
    """Six videos in two class folders."""
    folder = tmp_path / "videos"
    for seed in range(6):
        write_square(folder / ("fast" if seed % 2 else "slow") / f"v{seed}.mp4", seed)
    return folder


def random_video(generator: np.random.Generator, name: str, *, windows: int, size: int = 16, **facts) -> NewVideo:
    """A video whose windows are random unit vectors, one a second and two seconds long."""
    rows = generator.standard_normal((windows, size)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    starts = np.arange(windows, dtype=np.float64)
    made = VideoFacts(id=name, path=f"../videos/{name}.mp4", content=name, duration_seconds=windows + 1.0, **facts)
    return NewVideo(made, VideoVectors({"rgb": rows}, starts, starts + 2.0, {"rgb": mean_vector(rows)}))


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """An empty store of one view of 16 numbers."""
    return LocalStore(tmp_path / "idx", {"rgb": 16}, identity={"index": "x"}, create=True)
