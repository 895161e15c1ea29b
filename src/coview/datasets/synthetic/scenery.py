"""Where a clip plays: a textured background that drifts, things that float through it, and a camera that moves.

Nothing here knows the action. The place (colours, texture, floating things) is shared by the clips of a group; the
camera and the drift belong to one clip.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from coview.datasets.synthetic.wander import Curve, share, wander
from coview.datatypes import Frame

MARGIN = 0.4
"""Texture beyond each edge of the picture, as a share of the picture's height."""
LEAST_CONTRAST = 0.15
"""Of a place at difficulty 0, as a share of that at difficulty 1."""
LEAST_LIGHT = 0.4
"""Of the colours of a place, likewise: people stand out of a dark one."""
LEAST_MOTION = 0.1
"""Of a camera and of what drifts in a place, likewise."""
SUBPIXEL_BITS = 4
"""OpenCV draws at sixteenths of a pixel."""

Transforms = NDArray[np.float64]
"""(T, 2, 3): one similarity of the plane a frame, in pixels."""


@dataclass(frozen=True)
class Floater:
    """A soft-coloured polygon that floats about behind the person.

    Attributes:
        outline: (n, 2) corners about its centre, in pictures' heights.
        centre: (2,) x and y as fractions of the picture.
        reach: (2,) how far it floats, in picture heights.
        colour: RGB.
    """

    outline: NDArray[np.float64]
    centre: NDArray[np.float64]
    reach: NDArray[np.float64]
    colour: tuple[int, int, int]


@dataclass(frozen=True)
class Place:
    """What a group of clips has behind the person.

    Attributes:
        ground: (h, w, 3) uint8 texture, larger than the picture by MARGIN on each side.
        haze: as `ground`; lies over it and drifts.
        haze_share: weight of the haze.
        floaters: from back to front.
    """

    ground: Frame
    haze: Frame
    haze_share: float
    floaters: tuple[Floater, ...]


def draw_place(generator: np.random.Generator, *, height: int, width: int, difficulty: float) -> Place:
    """Draw the place of a group of clips for pictures of this size."""
    # Dark, middle and bright: contrast enough that the camera's motion shows as much as the person's.
    palette = generator.permutation(generator.uniform([[0], [70], [170]], [[80], [190], [255]], size=(3, 3)))
    middle = palette.mean(axis=0)
    contrast = share(LEAST_CONTRAST, difficulty)
    light = share(LEAST_LIGHT, difficulty)
    palette = light * (contrast * palette + (1 - contrast) * middle)
    ground = _texture(generator, palette, height=height, width=width, coarse=generator.uniform(0.15, 0.6))
    haze = _texture(generator, palette[::-1], height=height, width=width, coarse=generator.uniform(0.3, 0.8))
    floaters = tuple(_floater(generator, light=light) for _ in range(generator.integers(2, 6)))
    floaters = floaters[: round(difficulty * len(floaters))]
    return Place(ground, haze, float(generator.uniform(0.15, 0.4)), floaters)


def _texture(
    generator: np.random.Generator, palette: NDArray[np.float64], *, height: int, width: int, coarse: float
) -> Frame:
    """Return noise of several scales, the coarsest `coarse` heights wide, in colours between those of the palette."""
    margin = round(MARGIN * height)
    shape = (height + 2 * margin, width + 2 * margin)
    field = np.zeros(shape)
    for octave in range(4):
        cell = max(2.0, coarse * height / 2**octave)
        small = generator.standard_normal((int(shape[0] / cell) + 3, int(shape[1] / cell) + 3))
        field += cv2.resize(small, shape[::-1], interpolation=cv2.INTER_CUBIC) * 0.62**octave
    stripes_share, angle, wavelength = (
        generator.uniform(0, 1),
        generator.uniform(0, np.pi),
        generator.uniform(0.08, 0.4),
    )
    rows, columns = np.mgrid[: shape[0], : shape[1]] / (wavelength * height)
    field += 0.8 * stripes_share * np.sin(2 * np.pi * (rows * np.sin(angle) + columns * np.cos(angle)))
    level = 2 / (1 + np.exp(-1.3 * field))  # (h, w), 0 to 2: a place along the palette
    colours = np.stack([np.interp(level, (0, 1, 2), palette[:, channel]) for channel in range(3)], axis=-1)
    return np.asarray(np.clip(colours, 0, 255), dtype=np.uint8)


def _floater(generator: np.random.Generator, *, light: float) -> Floater:
    corners = int(generator.integers(3, 12))
    angles = 2 * np.pi * (np.arange(corners) + generator.uniform(0, 1)) / corners
    radius = generator.uniform(0.05, 0.16) * generator.uniform(0.7, 1.3, size=corners)
    red, green, blue = (int(light * level) for level in generator.integers(0, 256, size=3))
    return Floater(
        outline=np.stack([radius * np.cos(angles), radius * np.sin(angles)], axis=-1),
        centre=generator.uniform(0, 1, size=2),
        reach=generator.uniform(0.02, 0.12, size=2),
        colour=(red, green, blue),
    )


def draw_camera(
    generator: np.random.Generator, times: Curve, *, height: int, width: int, difficulty: float
) -> Transforms:
    """Draw how the camera moves over `times` (T,) in seconds: it pans, zooms, tilts and shakes.

    Returns:
        (T, 2, 3) from the plane of the picture at rest to the picture, in pixels.
    """
    # The stiller the camera, the less steady the hand: else where pixels change would say what the person does. All
    # hands are as unsteady: how much a camera shakes must not tell clips apart, in flow it would be all one needs.
    shake = share(0.036, difficulty, most=0.006)
    pan, zoom, tilt = share(LEAST_MOTION, difficulty) * generator.uniform(0, [0.06, 0.08, 2.0])
    scale = 1 + zoom * wander(generator, times, fastest_hz=0.25)
    angle = np.deg2rad(tilt) * wander(generator, times, fastest_hz=0.25)
    centre = np.array([width / 2, height / 2])
    moved = np.stack(
        [
            pan * height * wander(generator, times, fastest_hz=0.25)
            + shake * height * wander(generator, times, fastest_hz=4)
            for _ in range(2)
        ],
        axis=-1,
    )  # (T, 2)
    linear = scale[:, None, None] * np.stack(
        [np.stack([np.cos(angle), -np.sin(angle)], axis=-1), np.stack([np.sin(angle), np.cos(angle)], axis=-1)], axis=1
    )  # (T, 2, 2)
    return np.concatenate([linear, (centre + moved - linear @ centre)[..., None]], axis=-1)


def paint_background(
    place: Place,
    camera: Transforms,
    generator: np.random.Generator,
    times: Curve,
    *,
    height: int,
    width: int,
    difficulty: float,
) -> Iterator[Frame]:
    """Draw how the place drifts in this clip, and yield (height, width, 3) for each frame, without the person."""
    motion = share(LEAST_MOTION, difficulty)
    drift_reach = motion * generator.uniform(0.02, 0.12) * height
    drift = drift_reach * np.stack([wander(generator, times, fastest_hz=0.25) for _ in range(2)], axis=-1)  # (T, 2)
    paths = [
        motion * floater.reach * np.stack([wander(generator, times, fastest_hz=0.9) for _ in range(2)], axis=-1)
        for floater in place.floaters
    ]  # each (T, 2)
    margin = round(MARGIN * height)
    size = np.array([width, height])
    for frame, transform in enumerate(camera):
        picture = _seen(place.ground, transform, offset=np.full(2, -margin), size=(width, height))
        haze = _seen(place.haze, transform, offset=drift[frame] - margin, size=(width, height))
        picture = cv2.addWeighted(picture, 1 - place.haze_share, haze, place.haze_share, 0)
        for floater, path in zip(place.floaters, paths, strict=True):
            corners = floater.centre * size + (floater.outline + path[frame]) * height
            draw_polygon(picture, corners @ transform[:, :2].T + transform[:, 2], floater.colour)
        yield picture


def _seen(
    texture: Frame, transform: NDArray[np.float64], *, offset: NDArray[np.float64], size: tuple[int, int]
) -> Frame:
    matrix = transform.copy()
    matrix[:, 2] += transform[:, :2] @ offset
    return np.asarray(
        cv2.warpAffine(texture, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101),
        dtype=np.uint8,
    )


def draw_polygon(picture: Frame, corners: NDArray[np.float64], colour: tuple[int, ...]) -> None:
    """Fill a convex polygon, corners (n, 2) in pixels, in place and with smooth edges."""
    fixed = np.round(corners * (1 << SUBPIXEL_BITS)).astype(np.int32)
    cv2.fillConvexPoly(picture, fixed, colour, lineType=cv2.LINE_AA, shift=SUBPIXEL_BITS)
