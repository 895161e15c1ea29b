"""Motion as colour: direction is hue, speed is saturation, rest is white (Baker et al. 2011, the Middlebury wheel)."""

import numpy as np
from numpy.typing import NDArray

from coview.datatypes import Frame, check_shape

RED, YELLOW, GREEN, CYAN, BLUE, MAGENTA = np.array(
    [[255, 0, 0], [255, 255, 0], [0, 255, 0], [0, 255, 255], [0, 0, 255], [255, 0, 255]], np.float32
)


def colour_wheel() -> NDArray[np.float32]:
    """Return the 55 hues of the wheel, (55, 3) RGB, 0 .. 255: more steps where the eye tells more apart."""
    corners = (RED, YELLOW, GREEN, CYAN, BLUE, MAGENTA, RED)
    steps = (15, 6, 4, 11, 13, 6)
    arcs = [
        start + (stop - start) * np.arange(count, dtype=np.float32)[:, None] / count
        for start, stop, count in zip(corners[:-1], corners[1:], steps, strict=True)
    ]
    return np.concatenate(arcs)


def colour_flow(flow: NDArray[np.float32], *, full_speed: float) -> Frame:
    """Draw motion.

    Args:
        flow: (H, W, 2), u to the right and v down.
        full_speed: speed, in the same unit, at which colours are pure.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    check_shape("flow", flow, None, None, 2)
    wheel = colour_wheel()
    angle = np.arctan2(-flow[..., 1], -flow[..., 0]) / np.pi  # -1 .. 1, the paper's orientation
    place = (angle + 1) / 2 * (len(wheel) - 1)
    before = place.astype(np.int64)
    part = (place - before)[..., None]
    hue = wheel[before] * (1 - part) + wheel[(before + 1) % len(wheel)] * part
    speed = np.minimum(np.linalg.norm(flow, axis=-1) / full_speed, 1)[..., None]
    return np.asarray(np.rint(255 - speed * (255 - hue)), np.uint8)
