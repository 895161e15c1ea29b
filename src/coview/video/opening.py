"""Open a video file for reading: every way in which that fails is one `VideoError` with its kind."""

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from coview.datasets.frames import find_frames
from coview.errors import VideoError
from coview.video.streams import choose_stream

_INDIRECT_FORMATS = frozenset({"hls", "dash", "concat", "imf", "applehttp"})
"""Lists that name other files or addresses: what such a file shows is not what it holds."""
_LIST_BEGINNINGS = (b"#EXTM3U", b"ffconcat", b"<?xml", b"<MPD")
_TEXT_FORMATS = frozenset({"tty", "bin", "xbin", "adf", "idf", "ffmetadata"})
"""Readers that take any bytes and draw them as letters."""


@contextmanager
def opened_video(
    path: Path, *, format: str | None = None, options: Mapping[str, str] | None = None, stream: int | None = None
) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open the video of a file (`coview.video.streams`), to be decoded on one thread; close it afterwards.

    Args:
        path: a local file, or a folder of frames (`coview.datasets.frames`), which are read at 25 a second.
        format: container format, where it is known; not given: found out from the file's beginning.
        options: of FFmpeg's demuxer.
        stream: number of the stream to read in a file that holds several videos; not given: as players choose.

    Yields:
        The container and its stream.

    Raises:
        VideoError: missing, unreadable, empty, not_a_video, no_video_stream or corrupt.
    """
    place = path
    if path.is_dir():
        place, format, options = _sequence(path)
    else:
        _check_file(path)
    given = {"protocol_whitelist": "file", **(options or {})}
    try:
        # An absolute path cannot be taken for an address such as "concat:".
        container = av.open(str(place.absolute()), format=format, options=given, metadata_errors="replace")
    except av.FFmpegError as error:
        raise _not_opened(path, error) from None
    with container:
        yield container, _video_stream(path, container, stream)


def _sequence(folder: Path) -> tuple[Path, str, dict[str, str]]:
    """Return path, format and options with which FFmpeg reads a folder of frames."""
    try:
        frames = find_frames(os.listdir(folder))  # noqa: PTH208
    except OSError as error:
        raise VideoError("unreadable", folder, error.strerror or str(error)) from None
    if frames is None:
        cause = "it is a folder without pictures numbered from 0 or 1 without a gap, expected a video file"
        raise VideoError("unreadable", folder, cause)
    place = str(folder.absolute()).replace("%", "%%")
    options = {"pattern_type": "sequence", "start_number": str(frames.start)}
    return Path(place, frames.pattern), "image2", options


def _check_file(path: Path) -> None:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise VideoError("unreadable", path, "it is a device or pipe, expected a file")
        with path.open("rb"):
            pass
    except FileNotFoundError:
        raise VideoError("missing", path, "no such file") from None
    except OSError as error:
        raise VideoError("unreadable", path, error.strerror or str(error)) from None
    if status.st_size == 0:
        raise VideoError("empty", path, "the file has zero bytes")


def _not_opened(path: Path, error: av.FFmpegError) -> VideoError:
    """Say what a file is that FFmpeg does not open, by its first bytes."""
    if path.is_dir():
        return VideoError("corrupt", path, f"its first frame cannot be read: {error.strerror}")
    with path.open("rb") as file:
        start = file.read(64)
    if start.startswith(b"version https://git-lfs"):
        cause = "it is a Git LFS pointer; fetch the file itself with: git lfs pull"
        return VideoError("not_a_video", path, cause)
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        cause = "it is an animated WebP, which the FFmpeg of this PyAV does not read; convert it to .mp4 or .gif"
        return VideoError("unreadable", path, cause)
    if start.startswith(_LIST_BEGINNINGS):
        return VideoError("not_a_video", path, "it is a list that names other files")
    if start[4:8] in (b"ftyp", b"moov", b"mdat") or start.startswith((b"RIFF", b"\x1a\x45\xdf\xa3")):
        return VideoError("corrupt", path, "it begins like a video, but its index is damaged or cut off")
    if isinstance(error, av.InvalidDataError):
        return VideoError("not_a_video", path, "no container format that FFmpeg knows fits its content")
    return VideoError("corrupt", path, f"it cannot be opened: {error.strerror}")


def _video_stream(path: Path, container: InputContainer, wanted: int | None) -> VideoStream:
    if set(container.format.name.split(",")) & (_INDIRECT_FORMATS | _TEXT_FORMATS):
        raise VideoError(
            "not_a_video", path, f"it is read as {container.format.name!r}, which holds no pictures itself"
        )
    stream = choose_stream(path, container, wanted)
    stream.codec_context.thread_type = "NONE"
    stream.codec_context.thread_count = 1
    return stream
