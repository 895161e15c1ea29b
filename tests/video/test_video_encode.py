"""A stored file is a function of its pictures: whatever lies in memory, and however often it is written."""

import contextlib
import ctypes
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from coview.video.stored import write_planes, write_rgb

M_PERTURB = -6
SIZE = (144, 192)  # of 9 x 12 macroblocks: no multiple of what AVX-512 takes at once


def scene(channels: int) -> list[np.ndarray]:
    """Noise that drifts over a still background, with a black border, as sports on television."""
    generator = np.random.default_rng(0)
    height, width = SIZE
    still = generator.integers(60, 120, (height, width, channels), dtype=np.uint8)
    ball = generator.integers(0, 256, (40, 40, channels), dtype=np.uint8)
    frames = []
    for t in range(40):
        frame = still.copy()
        frame[:, :12] = 0
        frame[20 + t : 60 + t, 3 * t : 3 * t + 40] = ball
        frames.append(frame)
    return frames


def write_some_rgb(path: Path) -> None:
    write_rgb(scene(3), path, fps=25, gop=8)


def write_some_planes(path: Path) -> None:
    write_planes(scene(2), path, fps=25, gop=8, crf=14)


@contextlib.contextmanager
def memory_filled_with(byte: int) -> Iterator[None]:
    """Let glibc fill all memory that it gives out; elsewhere nothing happens."""
    change = getattr(ctypes.CDLL(None), "mallopt", lambda option, value: None)
    change(M_PERTURB, byte ^ 0xFF)
    try:
        yield
    finally:
        change(M_PERTURB, 0)


@pytest.mark.parametrize("write", [write_some_rgb, write_some_planes])
def test_bytes_do_not_depend_on_what_lies_in_memory(tmp_path: Path, write: Callable[[Path], None]) -> None:
    found = set()
    for byte in (0xAA, 0xFE, 0xFE, 0x7F):
        with memory_filled_with(byte):
            write(tmp_path / "stored.mp4")
        found.add((tmp_path / "stored.mp4").read_bytes())
    assert len(found) == 1
    # On processors on which the bytes would not show it: the encoder looks at nothing that was never written.
    assert b" mbtree=0 " in found.pop()
