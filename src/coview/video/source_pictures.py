"""What is made of a decoded picture: an RGB frame, the yuv420p picture that is stored, or both."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import av
from av.video.frame import PictureType
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from coview.datatypes import Frame
from coview.video.encode import YuvConverter
from coview.video.orientation import Orientation
from coview.video.scaling import RgbConverter
from coview.video.tone_mapping import TRANSFERS

Made = TypeVar("Made")
Conversion = Callable[[tuple[int, int], Orientation, bool], Callable[[av.VideoFrame], Made]]
"""(width and height before turning, how to turn, whether HDR is tone-mapped) -> decoded picture -> what is made."""

Forms = tuple[bool, bool]
"""Whether the RGB frame is wanted, and whether the picture for storage is."""

_DIRECT = frozenset({"yuv420p", "yuvj420p", "nv12"})
"""Formats of which the stored one is a smaller copy: others have colours to be averaged or bits to be rounded first."""
_EXACT = Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP


@dataclass(frozen=True)
class SourcePicture:
    """One frame of a source video at the stored size, in the forms that were asked for.

    Attributes:
        rgb: (H, W, 3) uint8.
        yuv: yuv420p, BT.601 in limited range.
    """

    rgb: Frame | None
    yuv: av.VideoFrame | None

    @property
    def size(self) -> tuple[int, int]:
        """Return (height, width)."""
        if self.yuv is not None:
            return self.yuv.height, self.yuv.width
        assert self.rgb is not None
        return self.rgb.shape[0], self.rgb.shape[1]

    @property
    def nbytes(self) -> int:
        """Return how much memory it takes."""
        height, width = self.size
        return height * width * (3 * (self.rgb is not None) + 3 * (self.yuv is not None) // 2)


def convert_to_rgb(
    size: tuple[int, int], orientation: Orientation, maps_tones: bool
) -> Callable[[av.VideoFrame], Frame]:
    """Return what makes (H, W, 3) uint8 RGB of decoded pictures."""
    convert = RgbConverter(size, maps_tones=maps_tones)
    return lambda picture: orientation.apply(convert(picture))


def convert_to_store(
    size: tuple[int, int], orientation: Orientation, maps_tones: bool, *, wanted: Callable[[], Forms]
) -> Callable[[av.VideoFrame], SourcePicture]:
    """Return what makes pictures for storage; yuv420p straight from what was decoded, where that can be.

    A picture that is to be turned or tone-mapped, and one of another kind of format, goes through RGB.
    """
    to_rgb = convert_to_rgb(size, orientation, maps_tones)
    scale, to_yuv = _YuvScaler(size), YuvConverter()

    def convert(picture: av.VideoFrame) -> SourcePicture:
        is_mapped = maps_tones and int(picture.color_trc) in TRANSFERS
        is_direct = picture.format.name in _DIRECT and orientation == Orientation() and not is_mapped
        as_rgb, as_yuv = wanted()
        rgb = to_rgb(picture) if as_rgb or not is_direct else None
        yuv = None
        if as_yuv:
            yuv = to_yuv(rgb) if rgb is not None and not is_direct else scale(picture)
        return SourcePicture(rgb if as_rgb else None, yuv)

    return convert


class _YuvScaler:
    """Scales yuv420p pictures of any matrix and range to those that are stored, (width, height)."""

    def __init__(self, size: tuple[int, int]) -> None:
        self._width, self._height = size
        self._reformatter = VideoReformatter()

    def __call__(self, picture: av.VideoFrame) -> av.VideoFrame:
        shrinks = picture.width > self._width or picture.height > self._height
        scaled = self._reformatter.reformat(
            picture,
            width=self._width,
            height=self._height,
            format="yuv420p",
            dst_colorspace=Colorspace.SMPTE170M,
            dst_color_range=ColorRange.MPEG,
            interpolation=(Interpolation.AREA if shrinks else Interpolation.BILINEAR) | _EXACT,
            threads=1,
        )
        if scaled is picture:  # nothing was to be done; the decoder's own picture is not to be changed
            scaled = av.VideoFrame.from_ndarray(picture.to_ndarray(), "yuv420p")
        scaled.pict_type = PictureType.NONE  # else the encoder would follow the source's key frames
        return scaled
