"""What the header of a video file says, without decoding more than its first picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av

from coview.errors import VideoError
from coview.video.header import FALLBACK_FPS, file_seconds, known_rate, stream_seconds
from coview.video.opening import opened_video
from coview.video.orientation import picture_orientation
from coview.video.pictures import PictureReader
from coview.video.source_settings import SourceSettings

_FEW_PACKETS = 17
_DOUBTFUL = 2.5
"""A rate is measured over the whole file where it differs by this factor from that of its first packets."""


@dataclass(frozen=True)
class VideoInfo:
    """A video file in short."""

    path: Path
    """The file."""
    codec: str
    """FFmpeg's name of the decoder, such as "h264"."""
    pixel_format: str
    """FFmpeg's name of the decoded format, such as "yuv420p"."""
    width: int
    """Of the picture as shown, after rotation, in pixels as stored (a pixel may be meant to be shown oblong)."""
    height: int
    """Of the picture as shown, after rotation, in pixels as stored."""
    rotation: int
    """Degrees by which pictures are turned clockwise to be shown: 0, 90, 180 or 270."""
    fps: float
    """Frames a second on average: as the header says where the time stamps do not belie it; else 25."""
    num_frames_header: int | None
    """Frames that the header promises; None where it does not."""
    duration_seconds: float | None
    """Length that the header promises; None where it does not."""
    is_variable_rate: bool | None
    """Whether frames last unequally long, as far as the header tells; None where it does not."""


def probe(path: Path, *, source: SourceSettings | None = None) -> VideoInfo:
    """Read the header and decode the first picture.

    Args:
        path: a video file.
        source: which of several videos in it is meant, and whether damage at its beginning is borne.

    Raises:
        VideoError: the file cannot be opened, holds no pictures or its first one cannot be decoded.
    """
    source = source or SourceSettings()
    with opened_video(path, stream=source.stream) as (container, stream):
        first = next(iter(PictureReader(path, container, stream, keep_sound=source.damaged == "keep")), None)
        if first is None:
            raise VideoError("no_frames", path, "its video stream is empty")
        orientation = picture_orientation(first)
        sides = (first.height, first.width) if orientation.swaps_sides else (first.width, first.height)
        average, base = known_rate(stream.average_rate), known_rate(stream.base_rate)
        stated = average or base or FALLBACK_FPS
        return VideoInfo(
            path=path,
            codec=stream.codec_context.name,
            pixel_format=first.format.name,
            width=sides[0],
            height=sides[1],
            rotation=90 * orientation.quarter_turns,
            fps=stated if stream.frames or path.is_dir() else _measured_rate(path, source.stream, stated=stated),
            num_frames_header=stream.frames or None,
            duration_seconds=stream_seconds(container, stream) or file_seconds(container),
            is_variable_rate=None if average is None or base is None else abs(average / base - 1) > 0.01,
        )


def _measured_rate(path: Path, stream_index: int | None, *, stated: float) -> float:
    """Return the rate of a file that does not count its frames: as stated, unless the time stamps belie it."""
    with opened_video(path, stream=stream_index) as (container, stream):
        if stream.time_base is None:
            return stated
        stamps: list[int] = []
        try:
            for packet in container.demux(stream):
                if packet.pts is not None:
                    stamps.append(packet.pts)
                if len(stamps) == _FEW_PACKETS and not _is_doubtful(stamps, stream.time_base, stated):
                    return stated
        except av.FFmpegError:  # met again, and told, when the pictures are decoded
            return stated
        return _rate_of(stamps, stream.time_base) if _is_doubtful(stamps, stream.time_base, stated) else stated


def _is_doubtful(stamps: Sequence[int], time_base: Fraction, stated: float) -> bool:
    measured = _rate_of(stamps, time_base)
    return measured > 0 and not 1 / _DOUBTFUL < measured / stated < _DOUBTFUL


def _rate_of(stamps: Sequence[int], time_base: Fraction) -> float:
    """Return the average rate of time stamps in any order; 0 where they say nothing."""
    ticks = max(stamps, default=0) - min(stamps, default=0)
    return (len(stamps) - 1) / float(ticks * time_base) if ticks else 0.0
