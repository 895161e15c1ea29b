import math

import numpy as np
import pytest
import torch

from coview.datasets.synthetic.actions import ACTIONS
from coview.datasets.synthetic.movement import draw_movement, joint_angles
from coview.datasets.synthetic.rendering import Viewpoint, _keypoints, project
from coview.datasets.synthetic.skeleton import COCO_KEYPOINTS, Body, pose_body
from coview.datatypes import random_generator
from coview.views.crop import Geometry
from coview.views.persons.heatmaps import MIRRORED, REACH, SPREAD, cropped_keypoints, draw_heatmaps
from coview.views.persons.pose import PoseOptions, PoseView

SIZE = 20


def plain_loops(keypoints: torch.Tensor, size: int) -> torch.Tensor:
    batch, frames, persons, points, _ = keypoints.shape
    maps = torch.zeros(batch, points, frames, size, size)
    for b in range(batch):
        for t in range(frames):
            for k in range(points):
                for row in range(size):
                    for column in range(size):
                        for r in range(persons):
                            x, y, score = keypoints[b, t, r, k].tolist()
                            apart = ((column + 0.5) / size - x) ** 2 + ((row + 0.5) / size - y) ** 2
                            value = score * math.exp(-apart / (2 * SPREAD**2))
                            maps[b, k, t, row, column] = max(maps[b, k, t, row, column].item(), value)
    return maps


def geometry(boxes: list[tuple[float, ...]], flips: list[bool]) -> Geometry:
    return Geometry(boxes=torch.tensor(boxes, dtype=torch.float64), flips=torch.tensor(flips))


def test_maps_equal_plain_loops_over_every_pixel_and_person():
    keypoints = torch.rand(2, 2, 3, 4, 3, generator=torch.Generator().manual_seed(0))
    keypoints[0, 1, :, 0, 0] = torch.tensor([-0.01, 1.02, 40.0])  # at the border, and far outside
    keypoints[1, 0, 2] = 0  # nobody in this slot
    keypoints[1, 1, 1, 2, :2] = keypoints[1, 1, 0, 2, :2]  # two persons in one place
    drawn = draw_heatmaps(keypoints, SIZE)
    assert drawn.shape == (2, 4, 2, SIZE, SIZE)
    torch.testing.assert_close(drawn, plain_loops(keypoints, SIZE), atol=math.exp(-(REACH**2) / 2), rtol=0)


def test_a_point_in_the_middle_of_a_pixel_has_its_score_there_and_falls_off_as_a_gaussian():
    keypoints = torch.tensor([10.5 / 64, 40.5 / 64, 0.8]).view(1, 1, 1, 1, 3)
    drawn = draw_heatmaps(keypoints, 64)[0, 0, 0]
    assert drawn[40, 10] == pytest.approx(0.8)
    assert drawn[40, 12] == pytest.approx(0.8 * math.exp(-0.5 * (2 / 64 / SPREAD) ** 2))
    assert drawn[37, 10] == pytest.approx(0.8 * math.exp(-0.5 * (3 / 64 / SPREAD) ** 2))
    assert drawn[:30].abs().max() == 0


def test_where_nobody_is_maps_are_empty_and_a_batch_of_nobodies_works():
    assert draw_heatmaps(torch.zeros(2, 3, 4, 17, 3), SIZE).abs().max() == 0
    assert draw_heatmaps(torch.zeros(1, 3, 0, 17, 3), SIZE).shape == (1, 17, 3, SIZE, SIZE)


def test_a_box_becomes_the_whole_map():
    keypoints = torch.tensor([0.5, 0.5, 1.0]).view(1, 1, 1, 1, 3).expand(2, 1, 1, 17, 3)
    inside = cropped_keypoints(keypoints, geometry([(0.25, 0.4, 0.75, 0.6), (0.0, 0.5, 0.4, 1.0)], [False, True]))
    torch.testing.assert_close(inside[0, 0, 0, 0], torch.tensor([0.5, 0.5, 1.0]))
    torch.testing.assert_close(inside[1, 0, 0, 0], torch.tensor([1 - 1.25, 0.0, 1.0]))  # right of the box, mirrored


def test_mirrored_points_swap_sides():
    assert MIRRORED == (0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15)
    assert COCO_KEYPOINTS[:3] == ("nose", "eye_left", "eye_right")


def true_keypoints(action: str, *, mirrored: bool, height: int = 48, width: int = 64) -> torch.Tensor:
    """Render an action, or what a mirror shows of it: a person who does it with the other side, seen from there."""
    times = np.arange(6) / 5
    angles = joint_angles(action, draw_movement(random_generator(3), times))
    yaw, tilt, x = 35.0, 5.0, 0.4
    if mirrored:
        other = {"left": "right", "right": "left"}
        swapped = {name: name.rpartition("_") for name in angles}
        angles = {name: angles[f"{a}{_}{other.get(end, end)}"] for name, (a, _, end) in swapped.items()}
        angles |= {name: -angles[name] for name in ("torso_yaw", "torso_roll", "head_yaw", "side")}
        yaw, tilt, x = -yaw, -tilt, 1 - x - 1 / width
    viewpoint = Viewpoint(yaw_degrees=yaw, pitch_degrees=8, tilt_degrees=tilt, size=0.7, feet=(x, 0.9))
    camera = np.broadcast_to(np.eye(2, 3), (len(times), 2, 3))
    places = project(pose_body(angles, Body()), viewpoint, camera, height=height, width=width)
    return torch.from_numpy(_keypoints(places, height=height, width=width))[None]  # (1, T, 1, 17, 3)


@pytest.mark.parametrize("action", list(ACTIONS))
def test_a_flip_shows_the_true_keypoints_of_the_mirrored_clip(action):
    view = PoseView(PoseOptions())
    box = (0.1, 0.05, 0.95, 1.0)
    in_mirror = (1 - box[2], box[1], 1 - box[0], box[3])
    plain, mirrored = (true_keypoints(action, mirrored=mirrored) for mirrored in (False, True))
    flipped = view.render(plain, None, geometry([box], [True]), 32)
    torch.testing.assert_close(
        flipped, view.render(mirrored, None, geometry([in_mirror], [False]), 32), atol=1e-4, rtol=0
    )
    # Channels matter: the same picture with left and right unswapped is another one.
    unswapped = view.render(plain, None, geometry([box], [False]), 32).flip(-1)
    assert (flipped - unswapped).abs().max() > 0.2
    torch.testing.assert_close(flipped[:, list(MIRRORED)], unswapped, atol=1e-4, rtol=0)
