"""Which of the videos in a file is meant: the one that players show."""

from collections.abc import Sequence
from pathlib import Path

from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from coview.errors import VideoError

_NOT_THE_VIDEO = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.dependent
"""Covers of songs, previews for a player's time line, and layers that are nothing without another stream."""


def choose_stream(path: Path, container: InputContainer, wanted: int | None = None) -> VideoStream:
    """Return the stream of moving pictures to read.

    Of several, those of more than one picture come first, then those that the file marks as default, then the largest
    pictures, then the longest.

    Args:
        path: the file, for messages.
        container: opened.
        wanted: number of a stream, as ffprobe counts, for files that hold several; not given: chosen.

    Raises:
        VideoError: no_video_stream: none at all, or not the one that is wanted; corrupt: none that can be decoded.
    """
    streams = _videos(container)
    if not streams:
        kinds = ", ".join(sorted({stream.type for stream in container.streams}))
        raise VideoError("no_video_stream", path, f"it holds {kinds or 'nothing'} only")
    if wanted is not None and len(streams) > 1:
        streams = [stream for stream in streams if stream.index == wanted]
        if not streams:
            there = ", ".join(map(_described, _videos(container)))
            raise VideoError("no_video_stream", path, f"stream {wanted} is none of its videos, which are: {there}")
    decodable = [stream for stream in streams if stream.codec_context is not None]
    if not decodable:
        raise VideoError("corrupt", path, "its pictures are in a format that FFmpeg cannot decode")
    return max(decodable, key=_rank)


def remark_choice(container: InputContainer, chosen: VideoStream) -> str:
    """Return what to tell the user of a file with several videos; empty for one."""
    others = [stream for stream in _videos(container) if stream.index != chosen.index]
    if not others:
        return ""
    return f"several videos: {_described(chosen)} was read, not {', '.join(map(_described, others))}"


def _videos(container: InputContainer) -> Sequence[VideoStream]:
    return [stream for stream in container.streams.video if not stream.disposition & _NOT_THE_VIDEO]


def _rank(stream: VideoStream) -> tuple[bool, bool, int, float, int]:
    is_picture = stream.frames == 1 or bool(stream.disposition & Disposition.still_image)
    pixels = (stream.codec_context.width or 0) * (stream.codec_context.height or 0)
    seconds = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else 0.0
    is_default = bool(stream.disposition & Disposition.default)
    return not is_picture, is_default, pixels, seconds, -stream.index


def _described(stream: VideoStream) -> str:
    context = stream.codec_context
    size = f" {context.width}x{context.height} {context.name}" if context is not None else ""
    return f"stream {stream.index}{size}"
