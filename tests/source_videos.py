"""Small source videos, as a user has them."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from coview.datatypes import Frame

HEIGHT, WIDTH = 48, 64


def numbered(num_frames: int) -> list[Frame]:
    """Grey pictures whose brightness tells their number; the left upper corner is red, the right upper one blue."""
    frames = np.full((num_frames, HEIGHT, WIDTH, 3), 0, np.uint8)
    frames[:] = np.linspace(30, 220, num_frames).round()[:, None, None, None]
    frames[:, :16, :16] = (200, 30, 30)
    frames[:, :16, -16:] = (30, 30, 200)
    return list(frames)


def brightness(frames: Sequence[Frame]) -> list[float]:
    return [float(frame[frame.shape[0] // 2 :].mean()) for frame in frames]


def write_video(
    path: Path,
    frames: Sequence[NDArray[np.uint8]],
    *,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    stamps: Sequence[int] | None = None,
    turn: int = 0,
    options: dict[str, str] | None = None,
) -> Path:
    """Write frames at 25 a second, or at `stamps` in 1/1000 s."""
    with av.open(str(path), "w", options={"movflags": "faststart"} if path.suffix == ".mp4" else {}) as container:
        stream = container.add_stream(codec, rate=25, options=options or {})
        stream.height, stream.width, stream.pix_fmt = *frames[0].shape[:2], pixel_format
        time_base = Fraction(1, 25) if stamps is None else Fraction(1, 1000)
        stream.time_base = time_base
        if turn:
            stream.set_display_rotation(turn)
        for index, frame in enumerate(frames):
            layout = {2: "gray", 3: "rgb24", 4: "rgba"}[frame.shape[2] if frame.ndim == 3 else 2]
            picture = av.VideoFrame.from_ndarray(frame, layout).reformat(format=pixel_format)
            picture.pts = index if stamps is None else stamps[index]
            picture.time_base = time_base
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


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
