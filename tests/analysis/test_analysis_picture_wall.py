"""Strips where they belong, framed as right or wrong."""

import numpy as np

from coview.analysis.picture_wall import FRAME, GAP, RIGHT, WRONG, Tile, WallRow, compose, strip


def colour(pixel):
    return "#" + bytes(pixel[:3]).hex()


def test_strips_have_a_line_between_frames():
    frames = [np.full((4, 5, 3), value, np.uint8) for value in (10, 20)]
    joined = strip(frames)
    assert joined.shape == (4, 11, 3)
    assert [int(joined[0, x, 0]) for x in (4, 5, 6)] == [10, 255, 20]


def test_places_frames_and_words():
    tiles = [
        Tile(np.full((8, 20, 3), value, np.uint8), f"tile {value}", right) for value, right in ((1, None), (2, True))
    ]
    picture, words = compose(
        [WallRow("first", tiles), WallRow("", [Tile(np.full((8, 20, 3), 3, np.uint8), "x", False)])]
    )
    span = 20 + 2 * FRAME
    assert picture.shape[1] == 2 * span + GAP
    assert [word.text for word in words] == ["first", "tile 1", "✓ tile 2", "✗ x"]
    assert [word.x for word in words] == [0, 0, span + GAP, 0]
    assert [word.colour for word in words] == [None, None, RIGHT, WRONG]
    top = int(words[1].y) - 8 - 2 * FRAME
    assert picture[top, 0, 3] == 0  # no frame around the first
    assert picture[top + FRAME, FRAME].tolist() == [1, 1, 1, 255]
    assert colour(picture[top, span + GAP]) == RIGHT
    assert picture[top + FRAME, span + GAP + FRAME].tolist() == [2, 2, 2, 255]
    below = int(words[3].y) - 8 - 2 * FRAME
    assert colour(picture[below, 0]) == WRONG
    assert picture[below, span + 1, 3] == 0  # nothing beside the only tile


def test_words_that_do_not_fit_are_cut():
    tile = Tile(np.zeros((8, 20, 3), np.uint8), "a name that is much longer than the strip above it " * 9)
    _, (word,) = compose([WallRow("", [tile])])
    assert word.text.endswith("…")
    assert len(word.text) < 160
