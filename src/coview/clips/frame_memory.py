"""Decoded frames kept in memory, where all of a data set's fit: each is decoded once in a run."""

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coview.clips.frame_cache import VIDEO_SUFFIX
from coview.clips.sampling import Indices
from coview.datasets.video_rows import numbers_of
from coview.datatypes import VideoEntry
from coview.views.base import View

MOST_BYTES = 4 * 2**30
SHARE_OF_FREE = 0.25
"""Of the memory that is free, up to `MOST_BYTES`, frames take this much if nobody says how much."""
_MEMORY_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_MEMORY_USED = ("/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory/memory.usage_in_bytes")


class FrameMemory:
    """Frames by view and video, decoded when they are first asked for, with those between them.

    Decoding reaches a frame through the ones before it, so that those cost little more. Threads may share the object.
    """

    def __init__(self) -> None:
        self._videos: dict[tuple[str, str], tuple[NDArray[Any], NDArray[np.bool_]]] = {}
        self._adding = threading.Lock()

    def read(
        self, key: tuple[str, str], frame_indices: Indices, *, num_frames: int, read: Callable[[Indices], NDArray[Any]]
    ) -> NDArray[Any]:
        """Return frames (T, H, W, C) of a video, as `read` does, and raise as it does.

        Args:
            key: (view, video id).
            frame_indices: (T,) integers, ascending, repeats allowed.
            num_frames: of the video.
            read: decodes frames.
        """
        kept = self._videos.get(key)
        missing = frame_indices if kept is None else frame_indices[~kept[1][frame_indices]]
        if len(missing):
            span = np.arange(missing[0], missing[-1] + 1)
            frames = read(span)
            with self._adding:
                if key not in self._videos:
                    room = np.empty((num_frames, *frames.shape[1:]), frames.dtype)
                    self._videos[key] = room, np.zeros(num_frames, np.bool_)
            kept = self._videos[key]
            kept[0][span] = frames
            kept[1][span] = True  # after the frames are there: another thread may look
        assert kept is not None
        chosen: NDArray[Any] = kept[0][frame_indices]
        return chosen


def decoded_bytes(entries: Sequence[VideoEntry], views: Sequence[View]) -> int | None:
    """Return the bytes of all frames of some videos' views, decoded; None where sizes are not known."""
    channels = sum(view.channels for view in views if view.suffix == VIDEO_SUFFIX)
    width, height, count = (numbers_of(entries, name).astype(np.int64) for name in ("width", "height", "num_frames"))
    if not (width.all() and height.all() and count.all()):
        return None
    return channels * int((width * height * count).sum())


def room_for_frames() -> int:
    """Return how many bytes of frames this process, of all that torchrun started here, may keep: of what is free."""
    free, processes = free_memory(), int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    return 0 if free is None else min(MOST_BYTES, int(SHARE_OF_FREE * free)) // processes


def free_memory() -> int | None:
    """Return the bytes of memory that this process may still take, by the system and its container; None: unknown."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        if not hasattr(os, "sysconf") or "SC_AVPHYS_PAGES" not in os.sysconf_names:
            return None
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for limit, used in zip(_MEMORY_LIMITS, _MEMORY_USED, strict=True):
        try:
            most, taken = (int(Path(path).read_text(encoding="utf-8")) for path in (limit, used))
        except (OSError, ValueError):  # no container, or no limit ("max")
            continue
        free = min(free, max(0, most - taken))
    return free
