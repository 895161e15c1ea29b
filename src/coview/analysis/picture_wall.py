"""Rows of frame strips with words under each, right ones and wrong ones framed: the picture of many analyses."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coview.analysis.figure import Figure, draw
from coview.datatypes import Frame

INCHES = 8.2
POINTS = 72
WORDS_POINTS = 6.8
HEADING_POINTS = 8.0
LETTER = 0.58
"""Width of a letter as a share of its height, about."""
GAP, FRAME = 6, 3
"""Pixels between strips, and of the frame around one."""
RIGHT, WRONG = "#2f9e63", "#d0453a"
MARKS = {True: "✓ ", False: "✗ ", None: ""}


@dataclass(frozen=True)
class Tile:
    """One strip.

    Attributes:
        picture: (h, w, 3), frames side by side.
        words: under it.
        is_right: framed as right or as wrong; None: neither.
    """

    picture: Frame
    words: str = ""
    is_right: bool | None = None


@dataclass(frozen=True)
class WallRow:
    """A row of strips.

    Attributes:
        heading: above it, "" for none.
        tiles: from left to right.
    """

    heading: str
    tiles: Sequence[Tile]


@dataclass(frozen=True)
class _Words:
    """Text on the wall: left end and top in pixels."""

    x: float
    y: float
    text: str
    colour: str | None
    points: float


def strip(frames: Sequence[Frame]) -> Frame:
    """Return frames of one size side by side, a thin white line between them."""
    line = np.full((frames[0].shape[0], 1, 3), 255, np.uint8)
    parts = [part for frame in frames for part in (frame, line)]
    return np.concatenate(parts[:-1], axis=1)


def wall_figure(name: str, *, title: str, caption: str, rows: Sequence[WallRow]) -> Figure:
    """Draw rows of strips.

    Args:
        name: see `Figure`.
        title: see `Figure`.
        caption: see `Figure`.
        rows: at least one, with at least one tile in all.
    """
    picture, words = compose(rows)
    height = INCHES * picture.shape[0] / picture.shape[1] + 0.32 + 0.14 * (1 + len(caption) // 110)

    def paint(canvas: Any) -> None:
        axes = canvas.subplots()
        axes.imshow(picture, interpolation="antialiased")
        axes.set_axis_off()
        for one in words:
            colour = {} if one.colour is None else {"color": one.colour}
            axes.text(one.x, one.y, one.text, fontsize=one.points, va="top", parse_math=False, **colour)

    return draw(name, title=title, caption=caption, size=(INCHES, height), paint=paint)


def compose(rows: Sequence[WallRow]) -> tuple[NDArray[np.uint8], list[_Words]]:
    """Lay strips out: (H, W, 4) pixels, clear where there is none, and the words to write on them."""
    widths = [[tile.picture.shape[1] + 2 * FRAME for tile in row.tiles] for row in rows]
    width = max(sum(row) + GAP * (len(row) - 1) for row in widths if row)
    pixel = width / (INCHES * POINTS)  # pixels of a point
    words_height, heading_height = round(1.5 * WORDS_POINTS * pixel), round(1.6 * HEADING_POINTS * pixel)
    parts: list[NDArray[np.uint8]] = []
    words: list[_Words] = []
    top = 0
    for row, across in zip(rows, widths, strict=True):
        if row.heading:
            words.append(_Words(0, top, row.heading, None, HEADING_POINTS))
            top += heading_height
            parts.append(np.zeros((heading_height, width, 4), np.uint8))
        tall = max((tile.picture.shape[0] for tile in row.tiles), default=0) + 2 * FRAME
        below = words_height if any(tile.words or tile.is_right is not None for tile in row.tiles) else 0
        part = np.zeros((tall + below + GAP, width, 4), np.uint8)
        left = 0
        for tile, span in zip(row.tiles, across, strict=True):
            _place(part, tile, left)
            text = _fitting(MARKS[tile.is_right] + tile.words, span / pixel)
            words.append(_Words(left, top + tall, text, _colour(tile), WORDS_POINTS))
            left += span + GAP
        parts.append(part)
        top += len(part)
    return np.concatenate(parts), words


def _place(part: NDArray[np.uint8], tile: Tile, left: int) -> None:
    """Put a strip with its frame into a row of pixels."""
    height, width = tile.picture.shape[:2]
    colour = _colour(tile)
    if colour is not None:
        framed = part[: height + 2 * FRAME, left : left + width + 2 * FRAME]
        framed[..., :3] = [int(colour[place : place + 2], 16) for place in (1, 3, 5)]
        framed[..., 3] = 255
    inner = part[FRAME : FRAME + height, left + FRAME : left + FRAME + width]
    inner[..., :3] = tile.picture
    inner[..., 3] = 255


def _colour(tile: Tile) -> str | None:
    return None if tile.is_right is None else RIGHT if tile.is_right else WRONG


def _fitting(text: str, points: float) -> str:
    """Return a text cut to a width."""
    most = max(4, int(points / (LETTER * WORDS_POINTS)))
    return text if len(text) <= most else text[: most - 1] + "…"
