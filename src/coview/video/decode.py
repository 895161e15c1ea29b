"""A video file of any kind -> pictures as a player shows them, at the size and rate that we store."""

from collections.abc import Callable, Generator, Iterable, Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

import av
from av.container import InputContainer

from coview.datatypes import Frame
from coview.errors import VideoError
from coview.video.deinterlacing import Deinterlacer
from coview.video.header import FALLBACK_FPS, known_rate
from coview.video.opening import opened_video
from coview.video.orientation import picture_orientation
from coview.video.pictures import PictureReader
from coview.video.probe import VideoInfo
from coview.video.scaling import NEARLY_SQUARE, scaled_size, shown_size
from coview.video.source_pictures import Conversion, Forms, SourcePicture, convert_to_rgb, convert_to_store
from coview.video.source_settings import SourceSettings
from coview.video.streams import remark_choice
from coview.video.timing import LONGEST_PAUSE_SECONDS, MAX_GAP_SECONDS, JoinedStamps, TimeStampError, resampled
from coview.video.tone_mapping import TRANSFERS

_WITH_JOINTS = frozenset({"mpegts", "mpeg", "mpegvideo"})
"""Formats whose recordings are joined by writing one after the other."""
Made = TypeVar("Made")


class DecodedFrames(Iterator[Made], Generic[Made]):
    """The frames of one video, decoded as they are asked for. The file closes at the end, at an error, or by `close`.

    Args:
        conversion: makes what is handed out of what is decoded; the other arguments are those of `decode_frames`.

    Attributes:
        num_frames: once all frames are out, how many the video has, those included that were not wanted.
        remark: once all frames are out, how the file fell short of what it promises ("truncated: the end is missing:
            the header promises 260 frames, 156 decoded") and what was done about its peculiarities ("interlaced: ...");
            empty for a plain video.
    """

    def __init__(
        self,
        path: Path,
        *,
        short_side: int | None,
        fps: float | None,
        source: SourceSettings,
        conversion: Conversion[Made],
        wanted: Callable[[int], bool] | None = None,
    ) -> None:
        self.remark = ""
        self.num_frames = 0
        made = _FrameMaker(path, short_side, source, conversion)
        self._frames = self._decode(path, made, fps=fps, source=source, wanted=wanted)

    def __next__(self) -> Made:
        return next(self._frames)

    def close(self) -> None:
        """Close the file before all its frames are out."""
        self._frames.close()

    def _decode(
        self,
        path: Path,
        frames: "_FrameMaker[Made]",
        *,
        fps: float | None,
        source: SourceSettings,
        wanted: Callable[[int], bool] | None,
    ) -> Generator[Made, None, None]:
        with opened_video(path, stream=source.stream) as (container, stream):
            reader = PictureReader(path, container, stream, keep_sound=source.damaged == "keep")
            usual_gap = 1 / (known_rate(stream.average_rate) or FALLBACK_FPS)
            timed = _timed(reader, stream.time_base or Fraction(1), usual_gap)
            fields = Deinterlacer(timed, stream, is_on=source.deinterlace == "auto")
            joined = JoinedStamps(fields, usual_gap=usual_gap, longest_pause=_longest_pause(container))
            pictures = resampled(joined, fps=fps) if fps else (picture for picture, _ in fields)
            try:
                yield from frames.make(pictures, stream.sample_aspect_ratio, wanted)
            except TimeStampError as error:
                raise VideoError("too_sparse", path, str(error)) from None
            self.num_frames = frames.count
            told = (
                reader.remark(),
                remark_choice(container, stream),
                joined.remark(),
                fields.remark(),
                frames.remark(),
            )
            self.remark = "; ".join(remark for remark in told if remark)


def decode_frames(
    path: Path,
    *,
    short_side: int | None = None,
    fps: float | None = None,
    source: SourceSettings | None = None,
    wanted: Callable[[int], bool] | None = None,
) -> DecodedFrames[Frame]:
    """Decode all frames of a video in presentation order, one in memory at a time.

    Args:
        path: a video file of any kind that FFmpeg reads.
        short_side: scale to this height or width, whichever is smaller, with even sizes; not given: as stored, but
            for pixels that are to be shown oblong, of which there are more then.
        fps: resample in time by time stamps, see `coview.video.timing`; not given: every frame once.
        source: what to do about several videos in a file, interlaced, oblong, HDR and damaged pictures.
        wanted: asked for each frame by its number, in order, whether it is to be made; not given: all are.

    Returns:
        An iterator over (H, W, 3) uint8 RGB: turned upright, 10 bits rounded to 8, alpha dropped, all of one size;
        its `remark` says at the end whether the file fell short, and what was done about it.

    Raises:
        VideoError: from the first frame asked for on. "corrupt" when damage is met with more of the video behind it.
    """
    source = source or SourceSettings()
    return DecodedFrames(path, short_side=short_side, fps=fps, source=source, conversion=convert_to_rgb, wanted=wanted)


def decode_to_store(
    path: Path,
    *,
    short_side: int | None = None,
    fps: float | None = None,
    source: SourceSettings | None = None,
    wanted: Callable[[], Forms],
) -> DecodedFrames[SourcePicture]:
    """Decode all frames as `decode_frames` does, in the forms that views are made of.

    Args:
        path: and the next three: as for `decode_frames`.
        short_side: see there.
        fps: see there.
        source: see there.
        wanted: asked for each picture: is the RGB frame wanted, and the picture that the encoder takes? That one is
            scaled from the decoded one without a detour through RGB where that is possible.
    """
    conversion = partial(convert_to_store, wanted=wanted)
    return DecodedFrames(path, short_side=short_side, fps=fps, source=source or SourceSettings(), conversion=conversion)


def stored_fps(info: VideoInfo, fps: float | None) -> float:
    """Return the rate of the frames of `decode_frames(info.path, fps=fps)`, for those who store them."""
    return fps if fps else info.fps


def _longest_pause(container: InputContainer) -> float:
    return LONGEST_PAUSE_SECONDS if container.format.name in _WITH_JOINTS else MAX_GAP_SECONDS


def _timed(
    pictures: Iterable[av.VideoFrame], time_base: Fraction, usual_gap: float
) -> Iterator[tuple[av.VideoFrame, float]]:
    """Pair each picture with its time stamp in seconds; one without follows the picture before at the usual rate."""
    seconds = -usual_gap
    for picture in pictures:  # its own time base is lost where the decoder held it back to the end
        seconds = seconds + usual_gap if picture.pts is None else float(picture.pts * time_base)
        yield picture, seconds


class _FrameMaker(Generic[Made]):
    """Turns pictures into frames, all of the size that follows from the first one."""

    def __init__(
        self, path: Path, short_side: int | None, source: SourceSettings, conversion: Conversion[Made]
    ) -> None:
        self._path = path
        self._short_side = short_side
        self._pixel_shape = Fraction(1)
        self._source = source
        self._conversion = conversion
        self._transfer = ""
        self.count = 0

    def make(
        self,
        pictures: Iterable[av.VideoFrame],
        pixel_shape: Fraction | None,
        wanted: Callable[[int], bool] | None = None,
    ) -> Iterator[Made]:
        """Yield a frame for each wanted picture; one that comes several times in a row is converted once."""
        convert: Callable[[av.VideoFrame], Made] | None = None
        previous: av.VideoFrame | None = None
        self._pixel_shape = pixel_shape or Fraction(1)
        for picture in pictures:
            if convert is None:
                maps_tones = self._source.tone_map == "auto"
                convert = self._conversion(self._size(picture), picture_orientation(picture), maps_tones)
                self._transfer = TRANSFERS.get(int(picture.color_trc), "")
            self.count += 1
            if wanted is not None and not wanted(self.count - 1):
                continue
            if picture is not previous:
                frame = convert(picture)
                previous = picture
            yield frame

    def _size(self, picture: av.VideoFrame) -> tuple[int, int]:
        """Return the width and height to scale to, before any turning."""
        is_square = self._source.pixel_shape == "square"
        width, height = shown_size(picture.width, picture.height, self._pixel_shape if is_square else None)
        if self._short_side is None:
            return round(width), round(height)
        try:
            return scaled_size(width, height, self._short_side)
        except ValueError as error:
            raise VideoError("too_large", self._path, str(error)) from None

    def remark(self) -> str:
        """Say what was done about oblong pixels and HDR; empty for ordinary pictures."""
        told = []
        if abs(self._pixel_shape - 1) >= NEARLY_SQUARE:
            is_done = self._source.pixel_shape == "square" and shown_size(1, 1, self._pixel_shape) != (1, 1)
            what = "stretched to be square" if is_done else "taken as square"
            told.append(f"oblong pixels, {self._pixel_shape.numerator}:{self._pixel_shape.denominator}: {what}")
        if self._transfer:
            is_done = self._source.tone_map == "auto"
            told.append(f"HDR ({self._transfer}): {'tone-mapped' if is_done else 'values kept as they are'}")
        return "; ".join(told)
