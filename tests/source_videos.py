"""Small source videos, as a user has them."""

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest


def _write_clip(path: Path, *, num_frames: int = 12, height: int = 48, width: int = 64) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows, columns = np.mgrid[:height, :width]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        for index in range(num_frames):
            wave = 127 + 100 * np.sin((columns + 2 * index) / 7 + rows / 11)
            frame = np.stack([wave, 255 - wave, np.full_like(wave, 90)], axis=-1).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))


@pytest.fixture(scope="session")
def write_clip() -> Callable[..., None]:
    """Write a moving pattern: write_clip(path, num_frames=12, height=48, width=64)."""
    return _write_clip


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Six clips in two class folders."""
    folder = tmp_path / "videos"
    for index in range(6):
        _write_clip(folder / ("walk" if index % 2 else "jump") / f"clip{index}.mp4", num_frames=8 + index)
    return folder
