"""The work on one video: decode it once, make each view that is missing, put the files in place together."""

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from coview.datasets.prepared import stored_checksum, stored_path
from coview.datatypes import Frame, VideoEntry
from coview.errors import VideoError
from coview.files import atomic_path, disk_errors
from coview.preparation.outcomes import VideoOutcome, source_stamp
from coview.preparation.used_frames import UsedFrames, decode_used, store_used
from coview.remote import local_copy
from coview.video.decode import decode_to_store, stored_fps
from coview.video.probe import VideoInfo, probe
from coview.video.source_pictures import Forms, SourcePicture
from coview.views import VIEWS
from coview.views.base import SourceVideo, StorageSettings, StoresSource, View

_KEPT_BYTES = 128 * 2**20
_UNKNOWN_NUM_FRAMES = 3600
_LONGEST_FRAME_SECONDS = 10.0


@dataclass(frozen=True)
class VideoTask:
    """One video to prepare, as it is sent to a worker process or another machine."""

    entry: VideoEntry
    """The video."""
    out: Path
    """The prepared data set."""
    options: Mapping[str, Any]
    """Every view of the data set -> its `Options`, in the order in which they are made."""
    missing: tuple[str, ...]
    """The views to make now."""
    before: VideoOutcome | None
    """What is known of the views that are stored already; None where there are none."""
    storage: StorageSettings
    """Size, rate and key frames."""
    timeout_seconds: float
    """How long the video may go without a new frame; all of it may take ten times that and a second a frame."""
    used: UsedFrames | None = None
    """Which frames will be read: views for the moment, see `coview.preparation.used_frames`. None: stored for good."""


def paths_to_make(task: VideoTask) -> dict[str, Path]:
    """Return view name -> where it will be stored, for the missing views of a video."""
    return {name: stored_path(task.out, name, task.entry.id, VIEWS.load(name).suffix) for name in task.missing}


def nobody_told() -> None:
    """Stand where nobody counts frames or waits for signs of life."""


def prepare_video(
    task: VideoTask, *, on_frame: Callable[[], None] = nobody_told, on_piece: Callable[[], None] = nobody_told
) -> VideoOutcome:
    """Store the missing views of one video.

    Args:
        task: what to do.
        on_frame: called for every frame that goes into a view; for views of the moment as it is decoded, too.
        on_piece: called whenever more of a video that lies elsewhere has come.

    Returns:
        The outcome: ready, or failed with "kind: cause" when the video itself is at fault.

    Raises:
        UserError: the disk is full or refuses; other videos would fare no better.
    """
    try:
        with disk_errors(task.out), local_copy(task.entry.path, on_piece=on_piece) as path:
            return _prepare(replace(task, entry=replace(task.entry, path=str(path))), on_frame)
    except VideoError as error:
        return failed(task, error.kind, error.cause)


def failed(task: VideoTask, kind: str, cause: str) -> VideoOutcome:
    """Return the outcome of a video that cannot be prepared; views stored earlier stay."""
    return replace(
        task.before or VideoOutcome(id=task.entry.id, status="failed"),
        status="failed",
        reason=f"{kind}: {' '.join(cause.split())}",
        source_stamp=source_stamp(task.entry.path),
        finished_at=time.time(),
    )


class SourceFrames:
    """The frames of one video at the stored size, for several views in turn.

    Decoded once when they fit in memory (about a minute of video), once for each view when they do not.

    Args:
        path: the video.
        storage: size and rate of the frames.
        views: what will be made, each in a pass of its own.
        on_frame: called for every frame that goes into a view.

    Attributes:
        num_frames: counted in the first pass, None before.
        frame_size: (height, width) of the frames, None before the first one.
        remark: after the first pass, how the file fell short of what its header promises; else empty.
    """

    def __init__(
        self, path: Path, storage: StorageSettings, views: Sequence[View], *, on_frame: Callable[[], None]
    ) -> None:
        self.num_frames: int | None = None
        self.frame_size: tuple[int, int] | None = None
        self.remark = ""
        self._path = path
        self._storage = storage
        self._on_frame = on_frame
        self._needs_rgb = not all(isinstance(view, StoresSource) for view in views)
        self._needs_yuv = any(isinstance(view, StoresSource) for view in views)
        self._passes_left = len(views)
        self._kept: list[SourcePicture] | None = None

    def rgb(self) -> Iterator[Frame]:
        """Yield (H, W, 3) uint8 frames."""
        for picture in self._pass(needs_yuv=False):
            assert picture.rgb is not None
            yield picture.rgb

    def yuv(self) -> Iterator[av.VideoFrame]:
        """Yield yuv420p pictures, BT.601 in limited range."""
        for picture in self._pass(needs_yuv=True):
            assert picture.yuv is not None
            yield picture.yuv

    def _pass(self, *, needs_yuv: bool) -> Iterator[SourcePicture]:
        self._passes_left -= 1
        for picture in self._kept if self._kept is not None else self._decode(needs_yuv):
            self._on_frame()
            yield picture

    def _decode(self, needs_yuv: bool) -> Iterator[SourcePicture]:
        storage, is_first = self._storage, self.num_frames is None
        kept: list[SourcePicture] | None = [] if is_first and self._passes_left else None

        def wanted() -> Forms:
            return (not needs_yuv, needs_yuv) if kept is None else (self._needs_rgb, self._needs_yuv)

        decoded = decode_to_store(
            self._path,
            short_side=storage.short_side,
            fps=storage.fps,
            source=storage.source,
            wanted=wanted,
        )
        count = 0
        for picture in decoded:
            self.frame_size = picture.size
            count += 1
            if kept is not None:
                kept.append(picture)
                kept = kept if count * picture.nbytes <= _KEPT_BYTES else None
            yield picture
        self.num_frames = count
        self.remark = decoded.remark
        self._kept = kept


class _FrameCountChangedError(Exception):
    """The source no longer has the frames of which other views are stored."""


def _prepare(task: VideoTask, on_frame: Callable[[], None]) -> VideoOutcome:
    path = Path(task.entry.path)
    stamp = source_stamp(path)
    info = probe(path, source=task.storage.source)
    fps = stored_fps(info, task.storage.fps)
    if task.used is not None:
        outcome = _prepare_used(task, task.used, info, fps=fps, on_frame=_within_limit(task, info, on_frame))
        if outcome is not None:
            return replace(outcome, source_stamp=stamp)
    views = {name: VIEWS.load(name)(task.options[name]) for name in task.missing}
    limited = _within_limit(task, info, on_frame)
    frames = SourceFrames(path, task.storage, tuple(views.values()), on_frame=limited)
    try:
        num_frames, counts, checksums = _store(task, views, frames, info=info, fps=fps)
    except _FrameCountChangedError:
        return _prepare(replace(task, missing=tuple(task.options), before=None), on_frame)
    height, width = frames.frame_size or (None, None)
    return VideoOutcome(
        id=task.entry.id,
        status="ready",
        views=tuple(task.options),
        reason=frames.remark,
        num_frames=num_frames,
        fps=fps,
        width=width,
        height=height,
        counts={**(task.before.counts if task.before is not None else {}), **counts},
        checksums={**(task.before.checksums if task.before is not None else {}), **checksums},
        source_stamp=stamp,
    )


def _prepare_used(
    task: VideoTask, used: UsedFrames, info: VideoInfo, *, fps: float, on_frame: Callable[[], None]
) -> VideoOutcome | None:
    """Make views for the moment; None where the video is too long for that."""
    views = {name: VIEWS.load(name)(task.options[name]) for name in task.missing}
    decoded = decode_used(info.path, task.storage, tuple(views.values()), used, info=info, on_frame=on_frame)
    if decoded is None:
        return None
    if not decoded.frames:
        raise VideoError("no_frames", task.entry.path, "not one frame could be decoded")
    about = SourceVideo(task.entry.id, info.path, info.width, info.height, tuple(views.values()))
    store_used(decoded, views, used, about, out=task.out, fps=fps, storage=task.storage, on_frame=on_frame)
    height, width = next(iter(decoded.frames.values())).shape[:2]
    return VideoOutcome(
        id=task.entry.id,
        status="ready",
        views=tuple(task.options),
        reason=decoded.remark,
        num_frames=decoded.num_frames,
        fps=fps,
        width=width,
        height=height,
    )


def _store(
    task: VideoTask, views: Mapping[str, View], frames: SourceFrames, *, info: VideoInfo, fps: float
) -> tuple[int, Counter[str], dict[str, str]]:
    """Write all missing views aside, check them, and let them take their places together.

    Returns:
        The number of frames, what the views count, and view -> checksum of its file.
    """
    video = SourceVideo(task.entry.id, info.path, info.width, info.height, tuple(views.values()))
    counts: Counter[str] = Counter()
    checksums = {}
    with contextlib.ExitStack() as asides:
        for name, path in paths_to_make(task).items():
            view = views[name]
            aside = asides.enter_context(atomic_path(path))
            if isinstance(view, StoresSource):
                count = view.write_source(frames.yuv(), aside, fps=fps, storage=task.storage)
            else:
                made = _counted(view, view.extract(frames.rgb(), video), counts)
                count = view.write(made, aside, fps=fps, storage=task.storage)
            if count == 0:
                raise VideoError("no_frames", task.entry.path, "not one frame could be decoded")
            if count != frames.num_frames:
                raise RuntimeError(f"view {name} made {count} frames of the {frames.num_frames} of {task.entry.path}")
            if task.before is not None and task.before.num_frames != count:
                raise _FrameCountChangedError
            view.read(aside, np.array([count - 1]))  # an encoder or disk that lost the end shows here
            checksums[name] = stored_checksum(aside)
    return count, counts, checksums


def _counted(view: View, made: Iterator[NDArray[Any]], counts: Counter[str]) -> Iterator[NDArray[Any]]:
    """Pass on a view's frames, adding up what the view counts of them; a count of 0 is a count too."""
    for frame in made:
        for what, count in view.counts(frame).items():
            counts[f"{view.name}.{what}"] += count
        yield frame


def _within_limit(task: VideoTask, info: VideoInfo, on_frame: Callable[[], None]) -> Callable[[], None]:
    """Return `on_frame` with a bound on the whole: a stream without an end must not hold a worker for ever."""
    expected = info.num_frames_header or _UNKNOWN_NUM_FRAMES
    limit_seconds = 10 * task.timeout_seconds + float(expected * len(task.missing))
    looked_at, own_seconds = time.monotonic(), 0.0

    def count_frame() -> None:
        nonlocal looked_at, own_seconds
        before, looked_at = looked_at, time.monotonic()
        own_seconds += min(looked_at - before, _LONGEST_FRAME_SECONDS)  # more is time in which this process was paused
        if own_seconds > limit_seconds:
            raise VideoError("too_slow", task.entry.path, f"not finished after {limit_seconds:.0f} s")
        on_frame()

    return count_frame
