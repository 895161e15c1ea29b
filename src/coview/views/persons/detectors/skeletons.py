"""Keypoints of other skeletons -> the 17 of COCO."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

COCO_17 = tuple(range(17))
BLAZEPOSE_33 = (0, 2, 5, 7, 8, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28)
OPENPOSE_18 = (0, 15, 14, 17, 16, 5, 2, 6, 3, 7, 4, 11, 8, 12, 9, 13, 10)
BODY_25 = (0, 16, 15, 18, 17, 5, 2, 6, 3, 7, 4, 12, 9, 13, 10, 14, 11)

SKELETONS: Mapping[int, Sequence[int]] = MappingProxyType(
    {
        17: COCO_17,
        18: OPENPOSE_18,
        25: BODY_25,
        33: BLAZEPOSE_33,
        133: COCO_17,  # COCO-WholeBody begins with the body
    }
)
"""Number of points -> where each of COCO's 17 (nose; left and right eye, ear, shoulder, elbow, wrist, hip, knee, ankle)
stands among them. The neck of OpenPose has no place in COCO."""


def as_coco(keypoints: NDArray[np.float32]) -> NDArray[np.float32]:
    """Choose the 17 points of COCO.

    Args:
        keypoints: (..., K, 3), K one of `SKELETONS`.

    Returns:
        (..., 17, 3).

    Raises:
        ValueError: no skeleton with K points is known.
    """
    points = keypoints.shape[-2]
    if points not in SKELETONS:
        known = "17 (COCO), 18 (OpenPose), 25 (BODY_25), 33 (BlazePose), 133 (COCO-WholeBody)"
        raise ValueError(f"{points} keypoints are no skeleton that is known: {known}")
    return keypoints[..., list(SKELETONS[points]), :]
