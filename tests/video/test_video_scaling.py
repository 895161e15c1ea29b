"""Sizes of stored pictures."""

import pytest

from coview.video.scaling import scaled_size


@pytest.mark.parametrize(
    ("width", "height", "short_side", "expected"),
    [
        (320, 240, 144, (192, 144)),
        (240, 320, 144, (144, 192)),
        (321, 241, 144, (192, 144)),
        (1, 1, 144, (144, 144)),
        (340, 256, 256, (340, 256)),
        (1280, 544, 144, (338, 144)),
        (160, 10, 4, (64, 4)),
        (100, 100, 33, (32, 32)),
    ],
)
def test_even_sizes(width: int, height: int, short_side: int, expected: tuple[int, int]) -> None:
    assert scaled_size(width, height, short_side) == expected


def test_a_strip_is_refused() -> None:
    with pytest.raises(ValueError, match="1000x10 pictures are more than 16 times"):
        scaled_size(1000, 10, 144)


def test_a_side_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        scaled_size(10, 10, 1)
