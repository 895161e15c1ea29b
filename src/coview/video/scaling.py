"""Sizes of stored pictures, and the scaling and colour conversion of decoded ones to RGB."""

from pathlib import Path

import av
from av.video.reformatter import Interpolation, VideoReformatter

from coview.datatypes import Frame
from coview.errors import VideoError
from coview.video.planes import plane_samples

MAX_PIXELS = 2 * 8192 * 4320
"""Largest picture that is decoded, twice an 8K one: 200 MB as RGB."""
MAX_ASPECT = 16
"""Longest stored picture: its long side is this many times its short side."""

_EXACT = Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT


def scaled_size(width: int, height: int, short_side: int) -> tuple[int, int]:
    """Return the even width and height with this short side, keeping the aspect ratio as well as even sizes can.

    Raises:
        ValueError: the picture is more than 16 times as long as it is wide, or the short side is below 2.
    """
    if short_side < 2:
        raise ValueError(f"short_side is {short_side}, expected at least 2 pixels")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise ValueError(f"{width}x{height} pictures are more than {MAX_ASPECT} times as long as they are wide")
    scale = short_side / min(width, height)
    return _even(width * scale), _even(height * scale)


def _even(length: float) -> int:
    return max(2 * round(length / 2), 2)


def check_size(path: Path, width: int, height: int) -> None:
    """Raise `VideoError` for pictures that are too large to decode."""
    if width * height > MAX_PIXELS:
        raise VideoError("too_large", path, f"{width}x{height} pictures, at most {MAX_PIXELS} pixels are decoded")


class RgbConverter:
    """Turns decoded pictures of any format into RGB of one size.

    Args:
        size: (width, height) before any turning.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self._width, self._height = size
        self._reformatter = VideoReformatter()

    def __call__(self, picture: av.VideoFrame) -> Frame:
        """Return (height, width, 3) uint8. Shrinks by area, enlarges bilinearly; alpha is dropped.

        Colours follow the matrix and range that the file states, BT.601 and limited range where it is silent.
        """
        shrinks = picture.width > self._width or picture.height > self._height
        converted = self._reformatter.reformat(
            picture,
            width=self._width,
            height=self._height,
            format="rgb24",
            interpolation=(Interpolation.AREA if shrinks else Interpolation.BILINEAR) | _EXACT,
            threads=1,
        )
        rows = plane_samples(converted.planes[0], height=self._height, width=3 * self._width)
        return rows.reshape(self._height, self._width, 3).copy()
