"""What the header of a video file says, without decoding more than its first picture."""

from dataclasses import dataclass
from pathlib import Path

from coview.errors import VideoError
from coview.video.header import FALLBACK_FPS, file_seconds, known_rate, stream_seconds
from coview.video.opening import opened_video
from coview.video.orientation import picture_orientation
from coview.video.pictures import PictureReader


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
    """Frames a second on average; 25 where the file does not say."""
    num_frames_header: int | None
    """Frames that the header promises; None where it does not."""
    duration_seconds: float | None
    """Length that the header promises; None where it does not."""
    is_variable_rate: bool | None
    """Whether frames last unequally long, as far as the header tells; None where it does not."""


def probe(path: Path) -> VideoInfo:
    """Read the header and decode the first picture.

    Raises:
        VideoError: the file cannot be opened, holds no pictures or its first one cannot be decoded.
    """
    with opened_video(path) as (container, stream):
        first = next(iter(PictureReader(path, container, stream)), None)
        if first is None:
            raise VideoError("no_frames", path, "its video stream is empty")
        orientation = picture_orientation(first)
        sides = (first.height, first.width) if orientation.swaps_sides else (first.width, first.height)
        average, base = known_rate(stream.average_rate), known_rate(stream.base_rate)
        return VideoInfo(
            path=path,
            codec=stream.codec_context.name,
            pixel_format=first.format.name,
            width=sides[0],
            height=sides[1],
            rotation=90 * orientation.quarter_turns,
            fps=average or base or FALLBACK_FPS,
            num_frames_header=stream.frames or None,
            duration_seconds=stream_seconds(container, stream) or file_seconds(container),
            is_variable_rate=None if average is None or base is None else abs(average / base - 1) > 0.01,
        )
