"""Decoded frames of whole videos on disk: many times the size of the stored views, and far faster to read at random."""

import contextlib
import logging
import os
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from coview.clips.sampling import Indices
from coview.views.base import View

logger = logging.getLogger(__name__)

VIDEO_SUFFIX = ".mp4"
"""Only views stored as video are worth it."""
_AT_ONCE = 256
"""Frames decoded at a time while a video enters the cache."""


class FrameCache:
    """`View.read` through a folder of decoded videos, each filled when its first frame is asked for.

    A file is whole or not there, and named after the stored file it was made from: where that changes, it is made
    anew. Several processes, and runs that follow one another, may share a folder. When it cannot be written (a full
    disk), reading goes on without it. Copies of the object in worker processes are independent of each other.

    Args:
        folder: made when needed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.is_writable = True

    def read(self, view: View, path: Path, frame_indices: Indices, *, num_frames: int) -> NDArray[Any]:
        """Return frames of a stored file, as `view.read(path, frame_indices)` does, and raise as it does.

        Args:
            view: whose file it is.
            path: the file.
            frame_indices: (T,) integers, ascending, repeats allowed.
            num_frames: of the video.
        """
        if view.suffix != VIDEO_SUFFIX:
            return view.read(path, frame_indices)
        kept = self._kept(view, path)
        frames = _opened(kept)
        if frames is None and self.is_writable and self._fill(kept, view, path, num_frames=num_frames):
            frames = _opened(kept)
        if frames is None or frame_indices[-1] >= len(frames):  # its error names what is wrong
            return view.read(path, frame_indices)
        chosen: NDArray[Any] = np.asarray(frames[frame_indices])
        return chosen

    def _kept(self, view: View, path: Path) -> Path:
        about = path.stat()
        return self.folder / view.name / f"{path.stem}-{about.st_size:x}-{about.st_mtime_ns:x}.npy"

    def _fill(self, kept: Path, view: View, path: Path, *, num_frames: int) -> bool:
        """Decode a whole video into the cache; return whether that could be written."""
        aside = kept.with_name(f".{kept.name}.{os.getpid()}.tmp")
        try:
            kept.parent.mkdir(parents=True, exist_ok=True)
            with aside.open("wb") as file:
                for start in range(0, num_frames, _AT_ONCE):
                    frames = view.read(path, np.arange(start, min(start + _AT_ONCE, num_frames)))
                    if start == 0:
                        _write_header(file, frames.dtype, (num_frames, *frames.shape[1:]))
                    file.write(np.ascontiguousarray(frames).data)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(kept)
        except OSError as error:
            self.is_writable = False
            logger.warning(
                "the frame cache %s cannot be written (%s): going on without it", self.folder, error.strerror or error
            )
            return False
        finally:
            with contextlib.suppress(OSError):
                aside.unlink(missing_ok=True)
        return True


def _write_header(file: BinaryIO, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    header = np.lib.format
    about = {"descr": header.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}  # type: ignore[no-untyped-call]
    header.write_array_header_1_0(file, about)  # type: ignore[no-untyped-call]


def _opened(kept: Path) -> NDArray[Any] | None:
    try:
        frames: NDArray[Any] = np.load(kept, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError):
        return None
    return frames
