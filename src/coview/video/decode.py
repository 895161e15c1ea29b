"""A video file of any kind -> RGB pictures, turned upright, at the size and rate that we store."""

from collections.abc import Generator, Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av

from coview.datatypes import Frame
from coview.errors import VideoError
from coview.video.header import FALLBACK_FPS, known_rate
from coview.video.opening import opened_video
from coview.video.orientation import picture_orientation
from coview.video.pictures import PictureReader
from coview.video.probe import VideoInfo
from coview.video.scaling import RgbConverter, scaled_size
from coview.video.timing import TimeStampError, resampled


class DecodedFrames(Iterator[Frame]):
    """The frames of one video, decoded as they are asked for. The file closes at the end, at an error, or by `close`.

    Attributes:
        remark: once all frames are out, how the file fell short of what it promises ("truncated: the header promises
            260 frames, 156 decoded"); empty if it did not.
    """

    def __init__(self, path: Path, *, short_side: int | None, fps: float | None) -> None:
        self.remark = ""
        self._frames = self._decode(path, short_side=short_side, fps=fps)

    def __next__(self) -> Frame:
        return next(self._frames)

    def close(self) -> None:
        """Close the file before all its frames are out."""
        self._frames.close()

    def _decode(self, path: Path, *, short_side: int | None, fps: float | None) -> Generator[Frame, None, None]:
        with opened_video(path) as (container, stream):
            reader = PictureReader(path, container, stream)
            timed = _timed(reader, stream.time_base or Fraction(1), stream.average_rate)
            pictures = resampled(timed, fps=fps) if fps else (picture for picture, _ in timed)
            try:
                yield from _converted(path, pictures, short_side)
            except TimeStampError as error:
                raise VideoError("corrupt", path, str(error)) from None
            self.remark = reader.remark()


def decode_frames(path: Path, *, short_side: int | None = None, fps: float | None = None) -> DecodedFrames:
    """Decode all frames of a video in presentation order, one in memory at a time.

    Args:
        path: a video file of any kind that FFmpeg reads.
        short_side: scale to this height or width, whichever is smaller, with even sizes; not given: as stored. The
            shape of a stored pixel is taken as square.
        fps: resample in time by time stamps, see `coview.video.timing`; not given: every frame once.

    Returns:
        An iterator over (H, W, 3) uint8 RGB: turned upright, 10 bits rounded to 8, alpha dropped, all of one size;
        its `remark` says at the end whether the file fell short.

    Raises:
        VideoError: from the first frame asked for on. "corrupt" when damage is met with more of the video behind it.
    """
    return DecodedFrames(path, short_side=short_side, fps=fps)


def stored_fps(info: VideoInfo, fps: float | None) -> float:
    """Return the rate of the frames of `decode_frames(info.path, fps=fps)`, for those who store them."""
    return fps if fps else info.fps


def _timed(
    pictures: Iterable[av.VideoFrame], time_base: Fraction, rate: Fraction | None
) -> Iterator[tuple[av.VideoFrame, float]]:
    """Pair each picture with its time stamp in seconds; one without follows the picture before at the usual rate."""
    usual_gap = 1 / (known_rate(rate) or FALLBACK_FPS)
    seconds = -usual_gap
    for picture in pictures:  # its own time base is lost where the decoder held it back to the end
        seconds = seconds + usual_gap if picture.pts is None else float(picture.pts * time_base)
        yield picture, seconds


def _converted(path: Path, pictures: Iterable[av.VideoFrame], short_side: int | None) -> Iterator[Frame]:
    """Turn pictures into frames; one that comes several times in a row is converted once."""
    converter: RgbConverter | None = None
    previous: av.VideoFrame | None = None
    for picture in pictures:
        if converter is None:
            orientation = picture_orientation(picture)
            try:
                size = scaled_size(picture.width, picture.height, short_side) if short_side else None
            except ValueError as error:
                raise VideoError("too_large", path, str(error)) from None
            converter = RgbConverter(size or (picture.width, picture.height))
        if picture is not previous:
            frame = orientation.apply(converter(picture))
            previous = picture
        yield frame
