"""The samples of a decoded picture as arrays, without a copy."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def plane_samples(plane: Any, *, height: int, width: int) -> NDArray[np.uint8]:
    """Return the first `width` bytes of each row of an `av.video.plane.VideoPlane`, (height, width) uint8.

    The array holds the plane, and so its picture, alive.
    """
    return np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[:height, :width]
