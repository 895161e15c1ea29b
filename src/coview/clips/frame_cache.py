"""Decoded frames of whole videos on disk: many times the size of the stored views, and far faster to read at random."""

import logging
import math
import mmap
import struct
import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coview.clips.sampling import Indices
from coview.datasets.prepared import stored_checksum
from coview.files import atomic_path, remove_parts
from coview.views.base import View

logger = logging.getLogger(__name__)

VIDEO_SUFFIX = ".mp4"
"""Only views stored as video are worth it."""
_AT_ONCE = 256
"""Frames decoded at a time while a video enters the cache."""
_END = struct.Struct("<4sIII")
"""The end of a file: "cov2", length of the header, CRC-32 of the header, CRC-32 of the table before."""
_MARK = b"cov2"
_STEP = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class _Frames:
    """A file of the cache: frames (T, H, W, C), and the sum of each (T,)."""

    frames: NDArray[Any]
    sums: NDArray[np.uint64]

    def read(self, frame_indices: Indices) -> NDArray[Any] | None:
        """Return frames; None where one of them is not what was written, or not there."""
        if frame_indices[-1] >= len(self.frames):
            return None
        chosen: NDArray[Any] = np.ascontiguousarray(self.frames[frame_indices])
        return chosen if (frame_sums(chosen) == self.sums[frame_indices]).all() else None


def frame_sums(frames: NDArray[Any]) -> NDArray[np.uint64]:
    """Return a number for each frame that damage changes: words of eight bytes, each times an odd number of its own.

    A change of one word always shows, any other but once in 2**64. A CRC-32 takes four times as long.

    Args:
        frames: (T, ...) contiguous.
    """
    content = frames.reshape(len(frames), -1).view(np.uint8)
    whole = content.shape[1] // 8 * 8
    weights = _odd_numbers(whole // 8 + 1)
    last = np.zeros((len(frames), 8), np.uint8)
    last[:, : content.shape[1] - whole] = content[:, whole:]
    rest: NDArray[np.uint64] = last.view("<u8")[:, 0] * weights[-1]
    return rest + np.array([np.dot(frame[:whole].view("<u8"), weights[:-1]) for frame in content], np.uint64)


@lru_cache(maxsize=4)
def _odd_numbers(count: int) -> NDArray[np.uint64]:
    odd: NDArray[np.uint64] = np.arange(1, count + 1, dtype=np.uint64) * _STEP | np.uint64(1)
    return odd


class FrameCache:
    """`View.read` through a folder of decoded videos, each filled when its first frame is asked for.

    A file is whole or not there, and named after the content of the stored file it was made from: where that changes,
    it is made anew, and two files of one content share it. A frame is given only if it is as it was written. Several
    processes, and runs that follow one another, may share a folder. When it cannot be written (a full disk), reading
    goes on without it. Threads may share the object; its copies in worker processes are independent of each other.

    Args:
        folder: made when needed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.is_writable = True
        for parts in folder.glob("*/"):  # of processes that were killed
            remove_parts(parts)

    def read(
        self,
        view: View,
        opened: Callable[[], AbstractContextManager[Path]],
        frame_indices: Indices,
        *,
        num_frames: int,
        checksum: str = "",
    ) -> NDArray[Any]:
        """Return frames of a stored file, as `view.read(path, frame_indices)` does, and raise as it does.

        Args:
            view: whose file it is.
            opened: gives the file's path for a block; not called for frames that are in the cache.
            frame_indices: (T,) integers, ascending, repeats allowed.
            num_frames: of the video.
            checksum: of the file, as `stored_checksum`; not given: taken of the file.
        """
        if view.suffix != VIDEO_SUFFIX:
            with opened() as path:
                return view.read(path, frame_indices)
        if not checksum:
            with opened() as path:
                checksum = stored_checksum(path)
        kept = self.folder / view.name / f"{checksum}.npy"
        chosen = self._chosen(kept, frame_indices)
        if chosen is not None:
            return chosen
        with opened() as path:
            if self.is_writable and self._fill(kept, view, path, num_frames=num_frames):
                chosen = self._chosen(kept, frame_indices)
            return view.read(path, frame_indices) if chosen is None else chosen  # its error names what is wrong

    def _chosen(self, kept: Path, frame_indices: Indices) -> NDArray[Any] | None:
        """Return frames from the cache; None where they are not there or damaged, which is told."""
        if not kept.exists():
            return None
        opened = _open(kept)
        chosen = None if opened is None else opened.read(frame_indices)
        if chosen is None:
            logger.warning("%s is damaged, or of an older coview: made anew", kept)
        return chosen

    def _fill(self, kept: Path, view: View, path: Path, *, num_frames: int) -> bool:
        """Decode a whole video into the cache; return whether that could be written."""
        try:
            with atomic_path(kept) as aside, aside.open("wb") as file:
                header, sums = b"", np.zeros(num_frames, "<u8")
                for start in range(0, num_frames, _AT_ONCE):
                    frames = view.read(path, np.arange(start, min(start + _AT_ONCE, num_frames)))
                    if start == 0:
                        header = _header(frames.dtype, (num_frames, *frames.shape[1:]))
                        file.write(header)
                    frames = np.ascontiguousarray(frames)
                    sums[start : start + len(frames)] = frame_sums(frames)
                    file.write(frames.data)
                table = sums.tobytes()
                file.write(table + _END.pack(_MARK, len(header), zlib.crc32(header), zlib.crc32(table)))
        except OSError as error:
            self.is_writable = False
            logger.warning(
                "the frame cache %s cannot be written (%s): going on without it", self.folder, error.strerror or error
            )
            return False
        return True


def _header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    header, file = np.lib.format, BytesIO()
    about = {"descr": header.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}  # type: ignore[no-untyped-call]
    header.write_array_header_1_0(file, about)  # type: ignore[no-untyped-call]
    return file.getvalue()


def _open(kept: Path) -> _Frames | None:
    """Return a file of the cache, its frames still on the disk; None for a damaged one."""
    try:
        with kept.open("rb") as file:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        mark, length, of_header, of_table = _END.unpack(content[-_END.size :])
        header = content[:length]
        if mark != _MARK or zlib.crc32(header) != of_header:
            return None
        shape, dtype = _shape_and_dtype(header)
        frames = np.frombuffer(content, dtype, math.prod(shape), offset=length).reshape(shape)
        table = content[length + frames.nbytes : -_END.size]
    except (OSError, ValueError, struct.error):
        return None
    is_sound = len(table) == 8 * len(frames) and zlib.crc32(table) == of_table
    return _Frames(frames, np.frombuffer(table, "<u8")) if is_sound else None


@lru_cache(maxsize=2**12)
def _shape_and_dtype(header: bytes) -> tuple[tuple[int, ...], np.dtype[Any]]:
    file = BytesIO(header)
    np.lib.format.read_magic(file)  # type: ignore[no-untyped-call]
    shape, _, dtype = np.lib.format.read_array_header_1_0(file)  # type: ignore[no-untyped-call]
    return shape, dtype
