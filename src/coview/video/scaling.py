"""Sizes of stored pictures, and the scaling and colour conversion of decoded ones to RGB."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from coview.datatypes import Frame
from coview.errors import VideoError
from coview.video.planes import plane_samples
from coview.video.tone_mapping import BT2020, TRANSFERS, ToneMapper

MAX_PIXELS = 2 * 8192 * 4320
"""Largest picture that is decoded, twice an 8K one: 200 MB as RGB."""
MAX_ASPECT = 16
"""Longest stored picture: its long side is this many times its short side."""
NEARLY_SQUARE = 0.02
"""Pixels that differ by less from a square were meant to be one: sizes had to be rounded."""

_EXACT = Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT


def scaled_size(width: float, height: float, short_side: int) -> tuple[int, int]:
    """Return the even width and height with this short side, keeping the aspect ratio as well as even sizes can.

    Raises:
        ValueError: the picture is more than 16 times as long as it is wide, or the short side is below 2.
    """
    if short_side < 2:
        raise ValueError(f"short_side is {short_side}, expected at least 2 pixels")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise ValueError(f"{width:.0f}x{height:.0f} pictures are more than {MAX_ASPECT} times as long as they are wide")
    scale = short_side / min(width, height)
    return _even(width * scale), _even(height * scale)


def _even(length: float) -> int:
    return max(2 * round(length / 2), 2)


def shown_size(width: int, height: int, pixel_shape: Fraction | None) -> tuple[float, float]:
    """Return the width and height at which a player shows a picture, without loss of pixels.

    Args:
        width: of the stored picture.
        height: of the stored picture.
        pixel_shape: width : height of one stored pixel; None, nearly 1, or more than 1 : 4 or 4 : 1 is taken as 1.
    """
    if pixel_shape is None or abs(pixel_shape - 1) < NEARLY_SQUARE or not Fraction(1, 4) <= pixel_shape <= 4:
        return width, height
    return (width * float(pixel_shape), height) if pixel_shape >= 1 else (width, height / float(pixel_shape))


def check_size(path: Path, width: int, height: int) -> None:
    """Raise `VideoError` for pictures that are too large to decode."""
    if width * height > MAX_PIXELS:
        raise VideoError("too_large", path, f"{width}x{height} pictures, at most {MAX_PIXELS} pixels are decoded")


class RgbConverter:
    """Turns decoded pictures of any format into RGB of one size.

    Args:
        size: (width, height) before any turning.
        maps_tones: make HDR pictures ordinary ones (`coview.video.tone_mapping`); else their values are kept.
    """

    def __init__(self, size: tuple[int, int], *, maps_tones: bool) -> None:
        self._width, self._height = size
        self._reformatter = VideoReformatter()
        self._maps_tones = maps_tones
        self._tone_mappers: dict[tuple[int, bool], ToneMapper] = {}

    def __call__(self, picture: av.VideoFrame) -> Frame:
        """Return (height, width, 3) uint8. Shrinks by area, enlarges bilinearly; alpha is dropped.

        Colours follow the matrix and range that the file states, BT.601 and limited range where it is silent.
        """
        transfer = int(picture.color_trc)
        if self._maps_tones and transfer in TRANSFERS:
            kind = transfer, int(picture.color_primaries) == BT2020
            if kind not in self._tone_mappers:
                self._tone_mappers[kind] = ToneMapper(transfer, is_wide=kind[1])
            samples = self._rgb(picture, "rgb48le").view("<u2")
            return self._tone_mappers[kind](samples.reshape(self._height, self._width, 3))
        return self._rgb(picture, "rgb24").reshape(self._height, self._width, 3).copy()

    def _rgb(self, picture: av.VideoFrame, format: str) -> NDArray[np.uint8]:
        """Return the rows of a scaled picture, (height, bytes in a row) uint8."""
        shrinks = picture.width > self._width or picture.height > self._height
        converted = self._reformatter.reformat(
            picture,
            width=self._width,
            height=self._height,
            format=format,
            interpolation=(Interpolation.AREA if shrinks else Interpolation.BILINEAR) | _EXACT,
            threads=1,
        )
        samples = 6 if format == "rgb48le" else 3
        return plane_samples(converted.planes[0], height=self._height, width=samples * self._width)
