"""Views for the moment: made of the frames that will be read alone, and kept as they are instead of encoded."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coview.datasets.prepared import stored_path
from coview.datatypes import Frame
from coview.files import atomic_path
from coview.video.decode import decode_frames
from coview.video.probe import VideoInfo
from coview.video.raw_frames import RAW_SUFFIX, write_frames
from coview.views.base import SourceVideo, StorageSettings, View

Indices = NDArray[np.int64]
UsedFrames = Callable[[int], Indices]
"""Number of frames of a video -> which of them will be read, in any order and shape."""

_MOST_BYTES = 256 * 2**20
"""Of the pictures of one video that are kept in memory; of a longer one the views are encoded as ever."""


@dataclass(frozen=True)
class DecodedVideo:
    """The frames of one video that are needed.

    Attributes:
        frames: number -> (H, W, 3) uint8.
        num_frames: of the whole video.
        remark: see `coview.video.decode.DecodedFrames`.
    """

    frames: Mapping[int, Frame]
    num_frames: int
    remark: str


def decode_used(
    path: Path,
    storage: StorageSettings,
    views: Sequence[View],
    used: UsedFrames,
    *,
    info: VideoInfo,
    on_frame: Callable[[], None],
) -> DecodedVideo | None:
    """Decode a video, keeping the frames from which those of the views are made that will be read.

    Args:
        path: the video.
        storage: size and rate of the frames.
        views: to be made.
        used: which frames will be read.
        info: what the file's header promises: only the frames needed are scaled, if it promises right.
        on_frame: called for every frame of the video.

    Returns:
        None where they are too many to be kept.

    Raises:
        VideoError: it cannot be decoded.
    """
    promised = info.num_frames_header if storage.fps is None else None
    needed = _needed(views, used, promised) if promised else None
    decoded = _decode(path, storage, needed, on_frame)
    if decoded is None or decoded.num_frames in (0, promised) or needed is None:
        return decoded
    return _decode(path, storage, _needed(views, used, decoded.num_frames), on_frame)


def _decode(
    path: Path, storage: StorageSettings, needed: set[int] | None, on_frame: Callable[[], None]
) -> DecodedVideo | None:
    numbers: list[int] = []

    def is_needed(number: int) -> bool:
        on_frame()
        if needed is not None and number not in needed:
            return False
        numbers.append(number)
        return True

    frames: list[Frame] = []
    decoded = decode_frames(
        path, short_side=storage.short_side, fps=storage.fps, source=storage.source, wanted=is_needed
    )
    with contextlib.closing(decoded):
        for frame in decoded:
            frames.append(frame)
            if max(len(frames), len(needed or ())) * frame.nbytes > _MOST_BYTES:
                return None
    return DecodedVideo(dict(zip(numbers, frames, strict=True)), decoded.num_frames, decoded.remark)


def _needed(views: Sequence[View], used: UsedFrames, num_frames: int) -> set[int] | None:
    """Return the frames of which the used ones of every view are made; None: all."""
    needed: set[int] = set()
    for view in views:
        if view.reach is None:
            return None
        for first, stop, _ in stretches(np.unique(used(num_frames)), num_frames, reach=view.reach):
            needed.update(range(first, stop))
    return needed


def stretches(used: Indices, num_frames: int, *, reach: int) -> Iterator[tuple[int, int, Indices]]:
    """Yield (first frame, the one after the last, used frames) of the stretches that a view is made of.

    Args:
        used: (n,) ascending, none twice.
        num_frames: of the video.
        reach: of the view.
    """
    gaps = np.flatnonzero(np.diff(used) > 1) + 1
    for own in np.split(used, gaps):
        stop = min(int(own[-1]) + reach + 1, num_frames)
        first = min(int(own[0]), max(stop - 1 - reach, 0))  # the last frames of a view are made of those before
        yield first, stop, own


def store_used(
    video: DecodedVideo,
    views: Mapping[str, View],
    used: UsedFrames,
    about: SourceVideo,
    *,
    out: Path,
    fps: float,
    storage: StorageSettings,
    on_frame: Callable[[], None],
) -> None:
    """Make views of a decoded video and write them, each under the path of a stored view with the suffix ".frames".

    Views without a reach are made as a whole and stored as ever.
    """
    kept = np.unique(used(video.num_frames))
    for name, view in views.items():
        if view.reach is None:
            with atomic_path(stored_path(out, name, about.id, view.suffix)) as aside:
                made = view.extract(_told(video.frames.values(), on_frame), about)
                view.write(made, aside, fps=fps, storage=storage)
            continue
        rows: list[NDArray[Any]] = []
        for first, stop, own in stretches(kept, video.num_frames, reach=view.reach):
            pictures = _told([video.frames[number] for number in range(first, stop)], on_frame)
            stretch = SourceVideo(about.id, about.path, about.width, about.height, about.views, first_frame=first)
            made_here = list(view.extract(pictures, stretch))
            rows += [made_here[number - first] for number in own.tolist()]
        path = stored_path(out, name, about.id, RAW_SUFFIX)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_frames(path, kept, rows)


def _told(frames: Any, on_frame: Callable[[], None]) -> Iterator[Frame]:
    for frame in frames:
        on_frame()
        yield frame
