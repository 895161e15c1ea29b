"""Keypoints of one video in one file: compressed, in parts, so that a few frames are read without unpacking all."""

import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coview.datatypes import check_shape
from coview.errors import VideoError

PART = 256
"""Frames that are compressed together."""
NUM_KEYPOINTS = 17


def write_keypoints(frames: Iterable[NDArray[Any]], path: Path) -> int:
    """Store the keypoints of a video as .npz: `persons` (T,), how many are in each frame, and their rows in parts.

    Args:
        frames: (R, 17, 3) float32 each, R any number.
        path: the file to write.

    Returns:
        T; when 0, no file is written.
    """
    rows = [np.asarray(frame, np.float32) for frame in frames]
    for row in rows:
        check_shape("keypoints", row, None, NUM_KEYPOINTS, 3)
    if not rows:
        return 0
    parts = {
        f"keypoints_{start // PART}": np.concatenate(rows[start : start + PART]) for start in range(0, len(rows), PART)
    }
    with path.open("wb") as file:
        np.savez_compressed(file, persons=np.array([len(row) for row in rows], np.uint16), **parts)
    return len(rows)


def read_keypoints(path: Path, frame_indices: NDArray[Any]) -> NDArray[np.float32]:
    """Read some frames of what `write_keypoints` wrote.

    Args:
        path: the file.
        frame_indices: (T,) integers, ascending, repeats allowed, T >= 1.

    Returns:
        (T, R, 17, 3), R the most persons in any frame of the video and at least 1; who is not there is all 0.

    Raises:
        VideoError: the file is damaged, not ours, or lacks a frame.
    """
    if not path.is_file():
        raise VideoError("missing", path, "no such file")
    try:
        with np.load(path, allow_pickle=False) as stored:
            return _chosen(stored, np.asarray(frame_indices))
    except IndexError as error:
        raise VideoError("corrupt", path, str(error)) from None
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise VideoError("corrupt", path, f"not the keypoints of a video: {error}") from error


def _chosen(stored: Any, indices: NDArray[Any]) -> NDArray[np.float32]:
    persons = stored["persons"].astype(np.int64)
    if indices[0] < 0 or indices[-1] >= len(persons):
        raise IndexError(f"it holds {len(persons)} frames, frame {indices[-1]} was asked for")
    ends = np.cumsum(persons)
    out = np.zeros((len(indices), max(1, int(persons.max())), NUM_KEYPOINTS, 3), np.float32)
    part, rows, first_row = -1, np.empty(0), 0
    for place, index in zip(out, indices.tolist(), strict=True):
        if index // PART != part:
            part = index // PART
            rows, first_row = stored[f"keypoints_{part}"], int(ends[part * PART - 1]) if part else 0
        stop = int(ends[index]) - first_row
        place[: persons[index]] = rows[stop - persons[index] : stop]
    return out
