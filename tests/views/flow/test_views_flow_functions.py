"""Flow as a function of frames: shapes, number formats, the values of the view."""

import cv2
import numpy as np
import pytest

from coview.views import dis_flow, farneback_flow, tvl1_flow
from coview.views.flow.tvl1_numba import tvl1_pair


def clip(num_frames: int = 3) -> np.ndarray:
    """A smooth pattern that moves one pixel a frame to the right: (T, 32, 40, 3) uint8."""
    rows, columns = np.mgrid[:32, :40]
    frames = [127 + 90 * np.sin((columns - t) / 4) * np.cos(rows / 5) for t in range(num_frames)]
    return np.repeat(np.stack(frames)[..., None], 3, axis=-1).astype(np.uint8)


@pytest.mark.parametrize("flow", [tvl1_flow, farneback_flow, dis_flow])
def test_motion_to_the_right(flow):
    found = flow(clip())
    assert found.shape == (3, 32, 40, 2)
    assert found.dtype == np.float32
    inside = found[:, 8:-8, 8:-8]
    assert np.median(inside[..., 0]) == pytest.approx(1.0, abs=0.25)
    assert np.median(np.abs(inside[..., 1])) < 0.1
    assert np.array_equal(found[-1], found[-2])


def test_it_is_the_flow_of_each_pair():
    frames = clip()
    greys = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    expected = tvl1_pair(greys[0], greys[1])
    assert np.array_equal(tvl1_flow(frames)[0], expected)
    assert np.array_equal(tvl1_flow(np.stack(greys))[0], expected)
    assert np.array_equal(tvl1_flow(np.stack([frames, frames]))[1, 0], expected)
    assert np.array_equal(tvl1_flow(frames[0], frames[1]), expected)
    assert np.array_equal(tvl1_flow(frames[:1], frames[1:2])[0], expected)
    assert np.array_equal(tvl1_flow(frames / 255.0)[0], expected)
    assert np.array_equal(tvl1_flow(frames.astype(np.float32))[0], expected)


def test_one_frame_does_not_move():
    assert not dis_flow(clip(1)).any()


@pytest.mark.parametrize("frames", [np.zeros(3), np.zeros((0, 8, 8)), np.zeros((1, 2, 3, 8, 8)), "frames"])
def test_other_shapes_are_refused(frames):
    with pytest.raises(ValueError, match="shape"):
        dis_flow(frames)


def test_pictures_of_other_sizes_are_refused():
    with pytest.raises(ValueError, match="cannot be compared"):
        dis_flow(np.zeros((8, 8)), np.zeros((8, 9)))
