"""A run of random weights, six small videos to index, and an index of vectors that were made up."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from coview.collection.local_store import LocalStore
from coview.collection.store import NewVideo, VideoFacts, VideoVectors, mean_vector
from coview.video.stored import write_rgb
from small_run import SmallRun, moving_square, small_run

__all__ = ["assert_same", "contents", "random_video", "small_run", "store", "videos", "write_square"]


def write_square(path: Path, seed: int, *, repeats: int = 1) -> None:
    """Write 20 frames of a square that moves over noise, at 25 frames a second; or several of other seeds in a row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = [
        frame for number in range(repeats) for frame in moving_square(seed + 100 * number, is_fast=bool(seed % 2))
    ]
    write_rgb(iter(frames), path, fps=25.0, gop=8)


def contents(index):
    """All that an index says of its videos, by path: facts without the file's time, windows, vectors."""
    found = {}
    for row in index.store.rows():
        facts = replace(row.facts, mtime_ns=0)
        vectors = index.store.get(row.number) if row.num_windows else None
        found[row.facts.path] = facts, vectors
    return found


def assert_same(one, other):
    first, second = contents(one), contents(other)
    assert first.keys() == second.keys()
    for path, (facts, vectors) in first.items():
        assert facts == second[path][0]
        if vectors is not None:
            np.testing.assert_array_equal(vectors.starts, second[path][1].starts)
            np.testing.assert_array_equal(vectors.ends, second[path][1].ends)
            for view in vectors.windows:
                # Batches of another size may round otherwise: 2e-4 of a unit vector, and a step of float16.
                np.testing.assert_allclose(vectors.windows[view], second[path][1].windows[view], atol=1e-3)
                np.testing.assert_allclose(vectors.whole[view], second[path][1].whole[view], atol=1e-3)


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
