"""Files of chosen frames of a view as they are, not encoded: for views that are made to be read once and forgotten."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coview.errors import VideoError

RAW_SUFFIX = ".frames"


def write_frames(path: Path, frame_indices: NDArray[np.int64], frames: Sequence[NDArray[Any]]) -> None:
    """Write frames (H, W, C) uint8 with their numbers in the video, (n,) ascending."""
    with path.open("wb") as file:
        np.save(file, np.stack(frames))
        np.save(file, frame_indices)


def read_frames(path: Path, frame_indices: NDArray[Any]) -> NDArray[np.uint8]:
    """Return frames (T, H, W, C) uint8 by their numbers in the video, in any order.

    Raises:
        VideoError: the file does not hold one of them.
    """
    frames = np.load(path, mmap_mode="r")
    with path.open("rb") as file:
        file.seek(frames.offset + frames.nbytes)
        held = np.load(file)
    places = np.searchsorted(held, frame_indices)
    if not np.array_equal(held[np.minimum(places, len(held) - 1)], frame_indices):
        raise VideoError("missing", path, "frames were asked for that are not used otherwise")
    chosen: NDArray[np.uint8] = np.asarray(frames[places])
    return chosen
