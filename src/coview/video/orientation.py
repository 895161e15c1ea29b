"""How a camera was held: the display matrix in a file -> quarter turns and mirroring of its pictures."""

from dataclasses import dataclass

import av
import numpy as np
from av.sidedata.sidedata import Type as SideDataType

from coview.datatypes import Frame


@dataclass(frozen=True)
class Orientation:
    """What to do with a decoded picture before it is shown.

    Attributes:
        is_mirrored: swap left and right, first.
        quarter_turns: then turn clockwise by 90 degrees this many times, 0 to 3.
    """

    is_mirrored: bool = False
    quarter_turns: int = 0

    @property
    def swaps_sides(self) -> bool:
        """Return whether height and width change places."""
        return self.quarter_turns % 2 == 1

    def apply(self, frame: Frame) -> Frame:
        """Turn a picture (H, W, C)."""
        turned = np.rot90(frame[:, ::-1] if self.is_mirrored else frame, -self.quarter_turns)
        return np.ascontiguousarray(turned)


def picture_orientation(picture: av.VideoFrame) -> Orientation:
    """Return the orientation that a decoded picture asks for; upright where it has no matrix or an odd one."""
    data = picture.side_data.get(SideDataType.DISPLAYMATRIX)
    return Orientation() if data is None else matrix_orientation(np.frombuffer(bytes(data), "<i4")[:9].tolist())


def matrix_orientation(matrix: list[int]) -> Orientation:
    """Return the orientation of a display matrix.

    Args:
        matrix: nine numbers in rows, of which the first two of the first two rows, a b and c d, are 16.16 fixed point:
            the pixel (x, y) is shown at (a x + c y, b x + d y), y pointing down (ISO/IEC 14496-12, 6.2.2).
    """
    a, b, c, d = (round(value / 65536) for value in (matrix[0], matrix[1], matrix[3], matrix[4]))
    is_mirrored = a * d - b * c < 0
    if is_mirrored:  # undo the mirror, which comes first and turns x into -x
        a, b = -a, -b
    turns = {(1, 0, 0, 1): 0, (0, 1, -1, 0): 1, (-1, 0, 0, -1): 2, (0, -1, 1, 0): 3}
    if (a, b, c, d) not in turns:
        return Orientation()
    return Orientation(is_mirrored, turns[a, b, c, d])
