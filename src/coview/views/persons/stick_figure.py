"""Keypoints as a stick figure, for people to look at."""

import colorsys
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from coview.datasets.synthetic.skeleton import COCO_KEYPOINTS
from coview.datatypes import Frame, check_shape

LIMBS = tuple(
    (COCO_KEYPOINTS.index(start), COCO_KEYPOINTS.index(stop))
    for start, stop in (
        *((f"{upper}_{side}", f"{lower}_{side}") for side in ("left", "right")
          for upper, lower in (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"),
                               ("shoulder", "hip"), ("eye", "ear"))),
        ("shoulder_left", "shoulder_right"), ("hip_left", "hip_right"),
        ("nose", "eye_left"), ("nose", "eye_right"), ("ear_left", "shoulder_left"), ("ear_right", "shoulder_right"),
    )
)  # fmt: skip
"""Pairs of keypoints with a line between them."""
BACKGROUND = 24
VISIBLE = 0.1
"""Points with a lower score are not drawn."""
LEFT, RIGHT, MIDDLE = (0.08, 0.55, 0.33)
"""Hues: the person's left is orange, the right is blue."""
_PLACES = 4
"""OpenCV draws at fractions of 1/16 pixel."""


def draw_stick_figures(keypoints: NDArray[Any], *, height: int, width: int) -> Frame:
    """Draw persons.

    Args:
        keypoints: (R, 17, 3), x and y as fractions, score; a fainter line for a lower score.
        height: of the picture.
        width: of the picture.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    check_shape("keypoints", keypoints, None, len(COCO_KEYPOINTS), 3)
    picture = np.full((height, width, 3), BACKGROUND, np.uint8)
    thickness = max(1, round(min(height, width) / 100))
    for person in keypoints:
        places = _subpixels(person, height=height, width=width)
        for start, stop in LIMBS:
            score = float(min(person[start, 2], person[stop, 2]))
            if score >= VISIBLE:
                colour = _colour(start, stop, score)
                cv2.line(picture, places[start], places[stop], colour, thickness, cv2.LINE_AA, _PLACES)
    return picture


def _subpixels(person: NDArray[Any], *, height: int, width: int) -> list[tuple[int, int]]:
    """Return the places of the points in sixteenths of a pixel; far outside is drawn no further than two pictures."""
    inside = np.clip(person[:, :2], -1, 2) * (width, height) - 0.5  # fractions run from edge to edge of the picture
    return [(int(x), int(y)) for x, y in np.rint(inside * 2**_PLACES)]


def _colour(start: int, stop: int, score: float) -> tuple[int, int, int]:
    sides = {COCO_KEYPOINTS[point].rpartition("_")[2] for point in (start, stop)} & {"left", "right"}
    hue = MIDDLE if len(sides) == 2 else LEFT if sides == {"left"} else RIGHT
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.75, 0.4 + 0.6 * min(score, 1.0))
    return round(255 * red), round(255 * green), round(255 * blue)
