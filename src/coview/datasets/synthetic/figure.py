"""Joints on the picture plane -> a drawn person, with the mask of where the person is."""

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from coview.datasets.synthetic.movement import SIDES
from coview.datasets.synthetic.scenery import SUBPIXEL_BITS
from coview.datasets.synthetic.wander import share
from coview.datatypes import Frame

Colour = tuple[int, int, int]

CIRCLE = np.stack([np.cos(np.arange(12) * np.pi / 6), np.sin(np.arange(12) * np.pi / 6)], axis=-1)
"""(12, 2) corners of a round end."""


@dataclass(frozen=True)
class Clothes:
    """Colours of a person."""

    skin: Colour
    hair: Colour
    shirt: Colour
    band: Colour
    trousers: Colour
    shoes: Colour
    has_long_trousers: bool


@dataclass(frozen=True)
class Piece:
    """A part of the body: the hull of circles about some joints.

    Attributes:
        joints: their names.
        radii: one a joint, in body heights.
        colour: RGB.
        nearer: added to its depth when the pieces are put in order, in body heights.
    """

    joints: tuple[str, ...]
    radii: tuple[float, ...]
    colour: Colour
    nearer: float = 0.0


ARMS, SHIRT, TROUSERS = (150, 255), (20, 140), (60, 200)
"""Darkest and brightest channel of what is worn, at difficulty 0: arms stand out from the shirt and from the place."""
ANY = (0, 255)


def draw_clothes(generator: np.random.Generator, *, difficulty: float) -> Clothes:
    """Draw colours: any hue, but the arms bright and the shirt dark, the less so the more difficult."""

    def colour(easy: tuple[int, int]) -> Colour:
        low, high = (share(least, difficulty, most=most) for least, most in zip(easy, ANY, strict=True))
        vivid = generator.uniform(0, 1, size=3)
        vivid = (vivid - vivid.min()) / np.ptp(vivid)
        first, second = sorted(generator.uniform(low, high, size=2)) if difficulty > 0.5 else (low, high)
        return _rgb(first + (second - first) * vivid)

    arms, hair, shirt, band, trousers, shoes = (colour(easy) for easy in (ARMS, SHIRT, SHIRT, SHIRT, TROUSERS, ARMS))
    return Clothes(arms, hair, shirt, band, trousers, shoes, bool(generator.integers(2)))


def _rgb(values: NDArray[np.float64]) -> Colour:
    red, green, blue = (int(value) for value in values)
    return red, green, blue


def pieces_of(clothes: Clothes, *, girth: float, head: float) -> tuple[Piece, ...]:
    """Return the parts of a person, `girth` a factor on thickness and `head` the head's radius in body heights."""
    leg = clothes.trousers if clothes.has_long_trousers else clothes.skin
    g = girth
    pieces = [
        Piece(
            ("hip_left", "hip_right", "shoulder_left", "shoulder_right"),
            (0.05 * g,) * 2 + (0.04 * g,) * 2,
            clothes.shirt,
        ),
        Piece(("belly_left", "belly_right", "ribs_left", "ribs_right"), (0.045 * g,) * 4, clothes.band, 0.001),
        Piece(("hip_left", "hip_right"), (0.052 * g, 0.052 * g), clothes.trousers, 0.002),
        Piece(("neck", "head"), (0.03 * g, 0.03 * g), clothes.skin),
        Piece(("head",), (head,), clothes.skin, 0.01),
        Piece(("crown",), (0.8 * head,), clothes.hair, 0.01),
    ]
    for side in SIDES:
        pieces += [
            Piece((f"shoulder_{side}", f"elbow_{side}"), (0.036 * g, 0.034 * g), clothes.skin, 0.02),
            Piece((f"elbow_{side}", f"wrist_{side}"), (0.034 * g, 0.03 * g), clothes.skin, 0.025),
            Piece((f"wrist_{side}", f"hand_{side}"), (0.03 * g, 0.033 * g), clothes.skin, 0.027),
            Piece((f"hip_{side}", f"knee_{side}"), (0.05 * g, 0.038 * g), clothes.trousers),
            Piece((f"knee_{side}", f"ankle_{side}"), (0.037 * g, 0.026 * g), leg, 0.001),
            Piece((f"ankle_{side}", f"toe_{side}"), (0.028, 0.022), clothes.shoes, 0.003),
        ]
    return tuple(pieces)


class DressedFigure:
    """A person of one clip, ready to be drawn frame by frame.

    Args:
        pieces: the parts of the body.
        places: joint name -> (T, 3): x and y in pixels, and nearness to the camera in body heights.
        scales: (T,) pixels in one body height.
    """

    def __init__(
        self, pieces: tuple[Piece, ...], places: Mapping[str, NDArray[np.float64]], *, scales: NDArray[np.float64]
    ) -> None:
        self._colours = [piece.colour for piece in pieces]
        outlines = []
        nearness = []
        for piece in pieces:
            ends = np.stack([places[joint] for joint in piece.joints], axis=1)  # (T, joints, 3)
            radii = np.array(piece.radii)[:, None, None] * CIRCLE  # (joints, 12, 2)
            corners = ends[:, :, None, :2] + scales[:, None, None, None] * radii  # (T, joints, 12, 2)
            outlines.append(np.round(corners.reshape(len(ends), -1, 2) * (1 << SUBPIXEL_BITS)).astype(np.int32))
            nearness.append(ends[:, :, 2].mean(axis=1) + piece.nearer)
        self._outlines = outlines
        self._orders = np.argsort(np.stack(nearness, axis=1), axis=1, kind="stable")  # (T, pieces), farthest first

    def draw(self, picture: Frame, frame: int) -> NDArray[np.uint8]:
        """Draw the person of one frame into the picture (H, W, 3), in place.

        Returns:
            (H, W) uint8, 255 where the person is and 0 elsewhere.
        """
        mask = np.zeros(picture.shape[:2], dtype=np.uint8)
        for piece in self._orders[frame]:
            hull = cv2.convexHull(self._outlines[piece][frame])
            cv2.fillConvexPoly(picture, hull, self._colours[piece], lineType=cv2.LINE_AA, shift=SUBPIXEL_BITS)
            cv2.fillConvexPoly(mask, hull, 255, lineType=cv2.LINE_8, shift=SUBPIXEL_BITS)
        return mask
