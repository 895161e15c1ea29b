"""Pictures that the user has already: one array or video file for each source video, in step with its frames."""

import itertools
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coview.datasets.listing import is_video_name
from coview.datatypes import Frame
from coview.errors import VideoError
from coview.video.decode import decode_frames
from coview.views.base import SourceVideo

ARRAY_SUFFIXES = (".npy", ".npz")


def find_file(folder: Path | None, video: SourceVideo, *, with_videos: bool, beside: str = "") -> Path:
    """Return the user's file for a video: named after the video's id, or else after its file.

    Of `videos/walk/a.mp4` that is FOLDER/videos/walk/a, FOLDER/walk/a or FOLDER/a, whichever is there first.

    Args:
        folder: where the user's files lie; None: beside the videos alone.
        video: the source video.
        beside: a view; an array called <name of the video file>.<view> beside the video will do, too.
        with_videos: whether the file may be a video, too.

    Raises:
        VideoError: "unmatched", there is none.
    """
    for name in (video.id, *_endings(video.path)) if folder is not None else ():
        assert folder is not None
        place = folder / name
        candidates = [place.with_name(place.name + suffix) for suffix in ARRAY_SUFFIXES]
        if with_videos and place.parent.is_dir():
            candidates += sorted(p for p in place.parent.glob("*") if p.stem == place.name and is_video_name(p.name))
        found = next((path for path in candidates if path.is_file()), None)
        if found is not None:
            return found
    own = [video.path.with_name(f"{video.path.stem}.{beside}{suffix}") for suffix in ARRAY_SUFFIXES] if beside else []
    found = next((path for path in own if path.is_file()), None)
    if found is not None:
        return found
    if folder is None:
        raise VideoError("unmatched", video.path, f"there is no {own[0].name} beside it; or give --{beside}.folder DIR")
    kinds = ".npy, .npz or a video" if with_videos else ".npy or .npz"
    raise VideoError("unmatched", video.path, f"{folder} holds no {video.id} or {video.path.stem} with {kinds}")


def _endings(path: Path) -> list[str]:
    """Return a path without extension from each of its folders on, the longest first: a/b/c, b/c, c."""
    parts = [*path.parts[path.is_absolute() : -1], path.stem]
    return ["/".join(parts[place:]) for place in range(len(parts))]


def read_array(path: Path, video: SourceVideo, *, key: str) -> NDArray[Any]:
    """Read an array that belongs to a video.

    Args:
        path: .npy, or .npz with a single array or one called `key`.
        video: the source video, for messages.
        key: see above.

    Raises:
        VideoError: "unmatched", the file cannot be read.
    """
    try:
        stored = np.load(path, allow_pickle=False)
        if path.suffix == ".npy":
            return np.asarray(stored)
        with stored:
            names = list(stored)
            if key not in names and len(names) != 1:
                raise ValueError(f'it holds {", ".join(names) or "nothing"}, expected "{key}"')
            return np.asarray(stored[key if key in names else names[0]])
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise VideoError("unmatched", video.path, f"{path} cannot be read: {error}") from error


def read_pictures(
    folder: Path | None,
    video: SourceVideo,
    frames: Iterable[Frame],
    *,
    key: str,
    channels: int = 1,
    beside: str = "",
) -> Iterator[tuple[Frame, NDArray[Any]]]:
    """Yield each frame of a video with the user's picture of it, lazily.

    Args:
        folder: where the user's files lie.
        video: the source video.
        frames: (H, W, 3) uint8 RGB of that video.
        key: name of the array in an .npz file that holds several.
        channels: C; with more than one the file is an array.
        beside: see `find_file`.

    Yields:
        The frame, and the user's picture (h, w) or (h, w, C): of an array (T, h, w[, C]) as it is, of a video the green
        channel, which in a grey video is its brightness, uint8.

    Raises:
        VideoError: "unmatched", there is no such file, or it does not fit the video.
    """
    path = find_file(folder, video, with_videos=channels == 1, beside=beside)
    if path.suffix not in ARRAY_SUFFIXES:
        yield from _pictures_of_video(frames, path, video)
        return
    pictures = read_array(path, video, key=key)
    if channels == 1 and pictures.ndim == 4 and pictures.shape[3] == 1:
        pictures = pictures[..., 0]
    if pictures.ndim != (3 if channels == 1 else 4) or (channels > 1 and pictures.shape[3] != channels):
        shape = "(T, H, W)" if channels == 1 else f"(T, H, W, {channels})"
        raise VideoError("unmatched", video.path, f"{path} has shape {pictures.shape}, expected {key} {shape}")
    for index, frame in in_step(frames, len(pictures), source=path, video=video):
        yield frame, pictures[index]


def in_step(frames: Iterable[Frame], count: int, *, source: Path, video: SourceVideo) -> Iterator[tuple[int, Frame]]:
    """Number the frames of a video for which `source` holds `count` entries, one a frame.

    Raises:
        VideoError: "unmatched", at the end or where the entries end, if there are more or fewer frames.
    """
    if video.first_frame is not None:  # a stretch of the video, which may end anywhere
        for index, frame in enumerate(frames, start=video.first_frame):
            yield min(index, count - 1), frame
        return
    seen = 0
    for frame in frames:
        if seen < count:
            yield seen, frame
        seen += 1
    if seen != count:
        raise VideoError(
            "unmatched",
            video.path,
            f"{source} holds {count} frames, the video has {seen} (as stored; with a rate of its own, --fps, none fit)",
        )


def _pictures_of_video(
    frames: Iterable[Frame], path: Path, video: SourceVideo
) -> Iterator[tuple[Frame, NDArray[np.uint8]]]:
    pictures = itertools.islice(decode_frames(path), video.first_frame or 0, None)
    seen = 0
    for frame in frames:
        picture = next(pictures, None)
        if picture is None:
            raise VideoError("unmatched", video.path, f"{path} ends after {seen} frames, the video goes on")
        seen += 1
        yield frame, picture[..., 1]
    if video.first_frame is None and next(pictures, None) is not None:
        raise VideoError("unmatched", video.path, f"{path} goes on after the {seen} frames of the video")
