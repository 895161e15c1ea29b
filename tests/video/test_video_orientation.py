"""Display matrices as cameras write them."""

import numpy as np
import pytest

from coview.video.orientation import Orientation, matrix_orientation

ONE = 65536
PICTURE = np.arange(6, dtype=np.uint8).reshape(2, 3, 1)  # 0 1 2 / 3 4 5


@pytest.mark.parametrize(
    ("a", "b", "c", "d", "expected"),
    [
        (1, 0, 0, 1, [[0, 1, 2], [3, 4, 5]]),
        (0, 1, -1, 0, [[3, 0], [4, 1], [5, 2]]),  # a quarter turn clockwise
        (-1, 0, 0, -1, [[5, 4, 3], [2, 1, 0]]),
        (0, -1, 1, 0, [[2, 5], [1, 4], [0, 3]]),
        (-1, 0, 0, 1, [[2, 1, 0], [5, 4, 3]]),  # left and right
        (1, 0, 0, -1, [[3, 4, 5], [0, 1, 2]]),  # up and down
        (0, 1, 1, 0, [[0, 3], [1, 4], [2, 5]]),  # rows become columns
        (0, -1, -1, 0, [[5, 2], [4, 1], [3, 0]]),
    ],
)
def test_all_eight(a: int, b: int, c: int, d: int, expected: list[list[int]]) -> None:
    orientation = matrix_orientation([a * ONE, b * ONE, 0, c * ONE, d * ONE, 0, 0, 0, 1 << 30])
    assert orientation.apply(PICTURE)[:, :, 0].tolist() == expected
    assert orientation.swaps_sides == (len(expected) == 3)


@pytest.mark.parametrize("matrix", [[0] * 9, [46341, 46341, 0, -46341, 46341, 0, 0, 0, 1 << 30]])
def test_a_matrix_that_is_no_quarter_turn_is_ignored(matrix: list[int]) -> None:
    assert matrix_orientation(matrix) == Orientation()
