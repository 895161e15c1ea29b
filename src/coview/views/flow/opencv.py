"""Optical flow by the algorithms that OpenCV brings: Farneback (CoCon on Kinetics) and DIS."""

import cv2
import numpy as np
from numpy.typing import NDArray

from coview.datatypes import check_shape

Motion = NDArray[np.float32]  # (H, W, 2), u to the right and v down, in pixels
DIS_MIN_SIDE = 16
"""DIS compares patches of 8 pixels on halved pictures and refuses smaller ones."""


def farneback_pair(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> Motion:
    """Estimate motion by Farneback's polynomial expansion (2003).

    Args:
        first: (H, W) uint8, grey.
        second: likewise.

    Returns:
        (H, W, 2) float32, u to the right and v down, in pixels.
    """
    check_shape("second", second, *first.shape)
    flow = cv2.calcOpticalFlowFarneback(
        first, second, None, pyr_scale=0.5, levels=4, winsize=15, iterations=3, poly_n=5, poly_sigma=1.2, flags=0
    )
    return np.asarray(flow, np.float32)


def dis_pair(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> Motion:
    """Estimate motion by dense inverse search (Kroeger et al. 2016), the "medium" preset.

    Args:
        first: (H, W) uint8, grey; pictures smaller than 16 pixels are extended by repeating their border.
        second: likewise.

    Returns:
        (H, W, 2) float32, u to the right and v down, in pixels.
    """
    check_shape("second", second, *first.shape)
    height, width = first.shape
    below, right = max(DIS_MIN_SIDE - height, 0), max(DIS_MIN_SIDE - width, 0)
    a, b = (cv2.copyMakeBorder(picture, 0, below, 0, right, cv2.BORDER_REPLICATE) for picture in (first, second))
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return np.ascontiguousarray(search.calc(a, b, None)[:height, :width], np.float32)
