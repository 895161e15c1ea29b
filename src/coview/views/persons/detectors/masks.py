"""Person masks of any size and kind -> uint8 at the stored size."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray


def resized_mask(mask: NDArray[Any], height: int, width: int) -> NDArray[np.uint8]:
    """Bring a mask to another size.

    Args:
        mask: (h, w): bool, uint8 0 .. 255, or float 0 .. 1.
        height: of the result.
        width: of the result.

    Returns:
        (height, width) uint8, 255 where a person surely is.
    """
    if mask.dtype != np.uint8:
        mask = np.rint(np.clip(np.nan_to_num(mask.astype(np.float32)), 0, 1) * 255).astype(np.uint8)
    if mask.shape == (height, width):
        return mask
    shrinks = mask.shape[0] > height or mask.shape[1] > width
    resized = cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return np.asarray(resized, np.uint8)
