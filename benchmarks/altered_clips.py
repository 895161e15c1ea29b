"""Copies of clips as they are found in the wild: encoded again, cropped, mirrored, cut to half, sped up."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from coview.video.decode import decode_frames
from coview.video.probe import probe
from coview.video.stored import write_rgb

Frames = Iterable[NDArray[np.uint8]]


def halve(frames: Frames) -> Iterator[NDArray[np.uint8]]:
    """Half the size; the coarse encoding comes with it."""
    for frame in frames:
        height, width = frame.shape[0] // 4 * 2, frame.shape[1] // 4 * 2
        yield np.asarray(cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def crop(frames: Frames) -> Iterator[NDArray[np.uint8]]:
    """Without 10 % of the width and of the height, more on the left and at the bottom."""
    for frame in frames:
        height, width = frame.shape[:2]
        rows, columns = round(height * 0.45) * 2, round(width * 0.45) * 2
        top, left = round(height * 0.03), round(width * 0.07)
        yield np.ascontiguousarray(frame[top : top + rows, left : left + columns])


def mirror(frames: Frames) -> Iterator[NDArray[np.uint8]]:
    for frame in frames:
        yield np.ascontiguousarray(frame[:, ::-1])


def cut(frames: Frames) -> Iterator[NDArray[np.uint8]]:
    """The half from one third on."""
    every = list(frames)
    first = len(every) // 3
    yield from every[first : first + len(every) // 2]


def speed_up(frames: Frames) -> Iterator[NDArray[np.uint8]]:
    """1.25 times as fast: every fifth frame left out."""
    for number, frame in enumerate(frames):
        if number % 5 != 2:
            yield frame


ALTERED: dict[str, tuple[Callable[[Frames], Iterator[NDArray[np.uint8]]], float]] = {
    "encoded_again": (halve, 32.0),
    "cropped": (crop, 23.0),
    "mirrored": (mirror, 23.0),
    "cut_to_half": (cut, 23.0),
    "sped_up": (speed_up, 23.0),
}
"""Name -> (what becomes of the frames, quality of H.264)."""


def write_copies(clip: Path, folder: Path) -> dict[str, Path]:
    """Write all altered copies of a clip; return name -> file."""
    fps = probe(clip).fps
    made = {}
    for name, (alter, crf) in ALTERED.items():
        made[name] = folder / f"{clip.stem}-{name}.mp4"
        write_rgb(alter(decode_frames(clip, short_side=144)), made[name], fps=fps, gop=50, crf=crf, preset="veryfast")
    return made
