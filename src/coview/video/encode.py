"""Frames -> a small H.264 file in which any frame is reached by decoding a few others, playable in a browser."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray

from coview.datatypes import Frame, check_shape

SMPTE170M = 6
"""ITU-T H.273 code of BT.601 (525 lines) for matrix, transfer and primaries: the matrix that the reader inverts."""
Preset = Literal["veryfast", "medium"]
"""x264's trades of time for size that are used here."""
PRESET: Preset = "veryfast"
_MORE = {"veryfast": ":subme=4"}
"""Motion is refined by a step more than the preset takes: 2 % fewer bytes at 2 % less error."""


@dataclass(frozen=True)
class Encoding:
    """How the pictures of one stored file are coded.

    Attributes:
        fps: frames a second.
        gop: frames from one key frame to the next.
        crf: quality, 0 is lossless.
        tune: x264's tuning besides "fastdecode", such as "psnr"; empty for none.
        color_range: full (0 to 255) or limited ("MPEG", 16 to 235) luma.
        preset: x264's trade of time for size.
    """

    fps: float
    gop: int
    crf: float
    tune: str
    color_range: ColorRange
    preset: Preset = PRESET

    @property
    def rate(self) -> Fraction:
        """Return `fps` as the ratio that time stamps are counted in; 29.97... becomes 30000/1001."""
        rate = Fraction(self.fps).limit_denominator(1001)
        if not 0 < rate <= 1000:
            raise ValueError(f"fps is {self.fps}, expected more than 0 and at most 1000")
        return rate

    @property
    def options(self) -> dict[str, str]:
        """Return the options of libx264: closed groups of exactly `gop` frames, each frame predicted from the past."""
        groups = f"keyint={self.gop}:min-keyint={self.gop}:scenecut=0:bframes=0:open-gop=0:ref=1"
        return {
            "preset": self.preset,
            "tune": f"{self.tune},fastdecode" if self.tune else "fastdecode",
            "crf": str(self.crf),
            # x264's macroblock tree reads memory that it never wrote where it has AVX-512: of 40 videos prepared
            # twice, 3 differed. Without it a file is a function of its pictures.
            "x264-params": f"{groups}:mbtree=0{_MORE.get(self.preset, '')}",
        }


def encode_pictures(pictures: Iterable[av.VideoFrame], path: Path, encoding: Encoding) -> int:
    """Write yuv420p pictures of one size; picture t gets time stamp t / fps. Return how many there were.

    Nothing is written when there are none.
    """
    remaining = iter(pictures)
    first = next(remaining, None)
    if first is None:
        return 0
    rate = encoding.rate
    # The track counts in 1 / rate.numerator seconds, so that every frame lasts a whole number of ticks.
    muxing = {"movflags": "+faststart", "video_track_timescale": str(rate.numerator)}
    with av.open(str(path), "w", format="mp4", options=muxing) as container:
        stream = container.add_stream("libx264", rate=rate, options=encoding.options)
        stream.width, stream.height, stream.pix_fmt = first.width, first.height, "yuv420p"
        stream.time_base = 1 / rate
        context = stream.codec_context
        context.thread_count = 1
        context.color_range = encoding.color_range
        context.colorspace = context.color_primaries = context.color_trc = SMPTE170M
        count = 0
        for picture in _with_first(first, remaining):
            picture.pts, picture.time_base = count, 1 / rate
            container.mux(stream.encode(picture))
            count += 1
        container.mux(stream.encode(None))
    return count


def _with_first(first: av.VideoFrame, others: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    yield first
    yield from others


def rgb_pictures(frames: Iterable[Frame]) -> Iterator[av.VideoFrame]:
    """Convert (H, W, 3) RGB to BT.601 limited range; a chroma sample is the mean of its four pixels."""
    convert = YuvConverter()
    for frame in same_size(frames, channels=3):
        yield convert(frame)


class YuvConverter:
    """Turns (H, W, 3) uint8 RGB into the yuv420p pictures that are stored."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def __call__(self, frame: Frame) -> av.VideoFrame:
        """Return one picture, BT.601 in limited range; a chroma sample is the mean of its four pixels."""
        # Averaging down here and repeating on the way back loses least of all pairs of filters; exact rounding has no
        # bias.
        averaging = Interpolation.AREA | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INP
        return self._reformatter.reformat(
            av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), "rgb24"),
            format="yuv420p",
            dst_colorspace=Colorspace.SMPTE170M,
            dst_color_range=ColorRange.MPEG,
            interpolation=averaging,
            threads=1,
        )


def plane_pictures(frames: Iterable[Frame]) -> Iterator[av.VideoFrame]:
    """Stack the C planes of (H, W, C) one above the other in the luma of a grey picture."""
    buffer: NDArray[np.uint8] | None = None
    for frame in same_size(frames, channels=None):
        height, width, channels = frame.shape
        rows = channels * height
        if buffer is None:
            buffer = np.full((rows * 3 // 2, width), 128, np.uint8)  # chroma 128 is no colour
        buffer[:rows] = frame.transpose(2, 0, 1).reshape(rows, width)
        picture = av.VideoFrame.from_ndarray(buffer, "yuv420p")
        picture.color_range = ColorRange.JPEG
        yield picture


def same_size(frames: Iterable[Frame], *, channels: int | None) -> Iterator[Frame]:
    """Pass frames on, checking that they are uint8, even in size and all alike.

    Raises:
        ValueError: a frame that cannot be stored.
    """
    shape: tuple[int, ...] | None = None
    for frame in frames:
        if shape is None:
            check_shape("frame", frame, None, None, channels)
            shape = frame.shape
            if shape[0] % 2 or shape[1] % 2 or 0 in shape:
                raise ValueError(f"frames of {shape[1]}x{shape[0]} cannot be stored: width and height must be even")
        if frame.shape != shape or frame.dtype != np.uint8:
            raise ValueError(f"a frame is {frame.shape} {frame.dtype}, expected {shape} uint8 like the first")
        yield frame
