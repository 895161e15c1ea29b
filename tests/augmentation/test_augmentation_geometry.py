import numpy as np
import pytest
import torch

from coview.augmentation.geometry import CENTRE, Crop, crop_geometry, crops_of_a_picture, draw_geometry
from coview.config import CropSettings
from coview.datatypes import random_generator
from coview.views.crop import Geometry


def drawn(sizes: list[tuple[int, int]], settings: CropSettings) -> Geometry:
    generators = [random_generator(0, 0, index) for index in range(len(sizes))]
    return draw_geometry(torch.tensor(sizes), generators, settings)


@pytest.mark.parametrize("size", [(144, 192), (144, 256), (256, 144), (100, 100), (40, 400)])
def test_boxes_lie_in_the_picture_and_keep_area_and_aspect(size: tuple[int, int]) -> None:
    settings = CropSettings(crop_area=(0.3, 0.9), crop_aspect=(0.8, 1.25))
    left, top, right, bottom = drawn([size] * 300, settings).boxes.T
    assert min(left.min(), top.min()) >= 0
    assert max(right.max(), bottom.max()) <= 1
    height, width = size
    aspect = (right - left) * width / ((bottom - top) * height)
    area = (right - left) * (bottom - top)
    assert aspect.min() >= 0.8 - 1e-9
    assert aspect.max() <= 1.25 + 1e-9
    assert area.max() <= 0.9 + 1e-9
    fits = min(height, width) / max(height, width) * 0.8  # the largest share that every aspect can have
    assert area.min() >= min(0.3, fits) - 1e-9
    assert aspect.max() - aspect.min() > 0.3
    assert (left.min(), top.min()) < (0.05, 0.05)


def test_the_whole_picture_where_nothing_is_to_be_cut() -> None:
    settings = CropSettings(crop_area=(1, 1), crop_aspect=(4 / 3, 4 / 3), flip_probability=0)
    geometry = drawn([(90, 120)] * 5, settings)
    assert torch.allclose(geometry.boxes, torch.tensor([0, 0, 1, 1], dtype=torch.float64).expand(5, 4))
    assert not geometry.flips.any()


def test_flips_come_as_often_as_asked() -> None:
    share = drawn([(9, 9)] * 400, CropSettings(flip_probability=0.25)).flips.double().mean()
    assert 0.17 < share < 0.33
    assert drawn([(9, 9)] * 20, CropSettings(flip_probability=1)).flips.all()


def test_a_clip_draws_from_its_own_generator_alone() -> None:
    settings = CropSettings()
    both = drawn([(20, 30), (20, 30)], settings)
    second = draw_geometry(torch.tensor([[20, 30]]), [random_generator(0, 0, 1)], settings)
    assert torch.equal(both.boxes[1:], second.boxes)
    assert torch.equal(both.flips[1:], second.flips)
    assert not torch.equal(both.boxes[0], both.boxes[1])


def test_later_draws_do_not_depend_on_the_settings() -> None:
    after = []
    for settings in (CropSettings(), CropSettings(flip_probability=0, crop_area=(1, 1))):
        generator = random_generator(7)
        draw_geometry(torch.tensor([[20, 30]]), [generator], settings)
        after.append(generator.random())
    assert after[0] == after[1]


def test_centre_is_the_largest_square() -> None:
    geometry = crop_geometry(torch.tensor([[100, 200], [300, 100], [50, 50]]), CENTRE)
    expected = [[0.25, 0, 0.75, 1], [0, 1 / 3, 1, 2 / 3], [0, 0, 1, 1]]
    np.testing.assert_allclose(geometry.boxes.numpy(), expected)
    assert not geometry.flips.any()


def boxes_of(count: int, height: int, width: int) -> list[list[float]]:
    """Pixels of left, top, right and bottom of each test crop."""
    sizes, scale = torch.tensor([[height, width]]), torch.tensor([width, height, width, height])
    return [(crop_geometry(sizes, crop).boxes[0] * scale).tolist() for crop in crops_of_a_picture(count)]


def test_three_crops_cover_the_longer_side() -> None:
    np.testing.assert_allclose(boxes_of(3, 80, 120), [[0, 0, 80, 80], [20, 0, 100, 80], [40, 0, 120, 80]])
    np.testing.assert_allclose(boxes_of(3, 120, 80), [[0, 0, 80, 80], [0, 20, 80, 100], [0, 40, 80, 120]])


def test_five_crops_are_the_centre_and_four_corners_ten_their_mirrors_too() -> None:
    corners = [[0, 0, 70, 70], [50, 0, 120, 70], [0, 10, 70, 80], [50, 10, 120, 80]]
    np.testing.assert_allclose(boxes_of(5, 80, 120), [[25, 5, 95, 75], *corners])
    np.testing.assert_allclose(boxes_of(10, 80, 120), boxes_of(5, 80, 120) * 2)
    assert [crop.is_mirrored for crop in crops_of_a_picture(10)] == [False] * 5 + [True] * 5
    assert not any(crop.is_mirrored for count in (1, 3, 5) for crop in crops_of_a_picture(count))
    assert crop_geometry(torch.tensor([[8, 9], [7, 7]]), Crop(is_mirrored=True)).flips.tolist() == [True, True]


def test_one_crop_is_the_centre() -> None:
    sizes = torch.tensor([[100, 200], [300, 100], [31, 17]])
    (only,) = crops_of_a_picture(1)
    assert torch.equal(crop_geometry(sizes, only).boxes, crop_geometry(sizes, CENTRE).boxes)
