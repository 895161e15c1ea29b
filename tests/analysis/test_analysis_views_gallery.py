"""Every view of a few videos: the wheel's directions, heatmaps where keypoints are, figures of a real data set."""

import numpy as np
import pytest

from coview.analysis import analyse_run
from coview.analysis.views_gallery import brightness, heatmap_pictures, wheel_picture
from coview.errors import UserError
from coview.views.flow.colour_wheel import colour_flow


def test_the_wheel_shows_the_colours_of_its_directions():
    side = 41
    wheel = wheel_picture(side)
    for right, down in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        motion = np.array([[[0.95 * right, 0.95 * down]]], np.float32)
        expected = colour_flow(motion, full_speed=1.0)[0, 0].astype(int)
        place = (round(20 + 19.5 * down), round(20 + 19.5 * right))
        assert np.abs(wheel[place].astype(int) - expected).max() <= 12
    assert wheel[0, 0].tolist() == [255, 255, 255]  # outside the circle
    assert wheel[20, 20].min() > 240  # no motion is white


def test_heatmaps_are_bright_where_the_keypoints_are():
    keypoints = np.zeros((2, 1, 17, 3), np.float32)
    keypoints[0, 0, 3] = (0.25, 0.75, 1.0)
    first, second = heatmap_pictures(keypoints, height=40, width=80)
    assert first.shape == (40, 80, 3)
    row, column = np.unravel_index(first.sum(axis=2).argmax(), (40, 80))
    assert abs(row - 30) <= 2
    assert abs(column - 20) <= 3
    assert second.max() == 0


def test_brightness_by_hand():
    assert brightness(np.full((2, 3, 3, 1), 51, np.uint8)) == pytest.approx(0.2)
    keypoints = np.zeros((1, 2, 2, 3), np.float32)
    keypoints[0, :, :, 2] = [[0.2, 0.8], [0.4, 0.0]]  # two persons
    assert brightness(keypoints) == pytest.approx((0.4 + 0.8) / 2)


def test_a_real_data_set(small_run):
    result = analyse_run(
        small_run.run, small_run.data, analysis="views-gallery", part="all", options={"clips": 2, "frames": 3}
    )
    assert [figure.name for figure in result.findings.figures] == ["clip1", "clip2"]
    assert "rgb" in result.findings.figures[0].svg
    assert "see the wheel" in result.findings.figures[0].caption
    assert len(result.findings.records) == 4
    with pytest.raises(UserError, match="'broken' is not ready: corrupt"):
        analyse_run(small_run.run, small_run.data, analysis="views-gallery", options={"videos": ["broken"]})
