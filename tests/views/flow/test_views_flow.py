import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from coview.config import parse
from coview.errors import UserError
from coview.views import VIEWS
from coview.views.base import StorageSettings
from coview.views.crop import Geometry
from coview.views.flow.colour_wheel import colour_flow, colour_wheel
from coview.views.flow.opencv import dis_pair, farneback_pair
from coview.views.flow.tvl1_numba import tvl1_pair
from coview.views.flow.view import FlowOptions, FlowView, decode_flow, encode_flow

ALGORITHMS = ("tvl1", "farneback", "dis")


def moving_frames(num_frames: int, *, height: int = 48, width: int = 64, speed: int = 2) -> list[np.ndarray]:
    """A texture that moves `speed` pixels to the right each frame."""
    noise = np.random.default_rng(0).uniform(0, 255, (height, width + speed * num_frames, 3)).astype(np.float32)
    texture = np.clip((cv2.GaussianBlur(noise, (0, 0), 2) - 128) * 4 + 128, 0, 255).astype(np.uint8)
    starts = [speed * (num_frames - t) for t in range(num_frames)]
    return [np.ascontiguousarray(texture[:, start : start + width]) for start in starts]


def whole(*flips: bool) -> Geometry:
    return Geometry(torch.tensor([[0.0, 0.0, 1.0, 1.0]] * len(flips), dtype=torch.float64), torch.tensor(flips))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_extract_gives_the_motion_to_the_next_frame_and_repeats_the_last(algorithm):
    frames = moving_frames(4)
    stored = list(FlowView(FlowOptions(algorithm=algorithm)).extract(iter(frames)))
    assert len(stored) == 4
    assert all(frame.shape == (48, 64, 2) and frame.dtype == np.uint8 for frame in stored)
    motion = decode_flow(stored[1], bound=20.0)
    assert np.median(motion[..., 0]) == pytest.approx(2, abs=0.2)
    assert np.median(motion[..., 1]) == pytest.approx(0, abs=0.2)
    assert np.array_equal(stored[3], stored[2])


def test_frame_t_is_the_motion_from_t_to_the_next():
    still = moving_frames(2)
    frames = [still[0], still[0], still[1]]
    stored = list(FlowView(FlowOptions()).extract(frames))
    assert np.abs(decode_flow(stored[0], bound=20.0)).max() < 0.1
    assert np.median(decode_flow(stored[1], bound=20.0)[..., 0]) == pytest.approx(2, abs=0.2)


def test_extract_is_lazy_by_one_frame():
    taken = []

    def source():
        for index, frame in enumerate(moving_frames(4)):
            taken.append(index)
            yield frame

    next(FlowView(FlowOptions(algorithm="dis")).extract(source()))
    assert taken == [0, 1]


def test_one_frame_does_not_move_and_no_frame_gives_none():
    view = FlowView(FlowOptions())
    (only,) = view.extract(moving_frames(1))
    assert not decode_flow(only, bound=20.0).any()
    assert list(view.extract([])) == []


def test_encode_clips_and_decode_inverts():
    flow = np.array([[[-99, 99], [-20, 20], [0, 5]]], np.float32)
    stored = encode_flow(flow, bound=20.0)
    assert stored[0].tolist() == [[1, 255], [1, 255], [128, 160]]  # 128 + 5 * 127 / 20 = 159.75
    back = decode_flow(stored, bound=20.0)
    assert np.abs(back - np.clip(flow, -20, 20)).max() <= 10 / 127 + 1e-5
    assert back[0, 2, 0] == 0
    opposite = encode_flow(-flow, bound=20.0)
    assert np.array_equal(opposite.astype(int) - 128, 128 - stored.astype(int))  # no side is favoured


def test_render_is_in_unit_range_and_a_flip_mirrors_and_negates_u():
    raw = torch.randint(1, 256, (1, 3, 24, 32, 2), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    raw = raw.repeat(2, 1, 1, 1, 1)
    clips = FlowView(FlowOptions()).render(raw, torch.tensor([[24, 32]] * 2), whole(False, True), 16)
    assert clips.shape == (2, 2, 3, 16, 16)
    assert clips.abs().max() <= 1
    assert torch.equal(clips[1, 0], -clips[0, 0].flip(-1))
    assert torch.equal(clips[1, 1], clips[0, 1].flip(-1))
    extremes = torch.tensor([1, 255], dtype=torch.uint8).expand(1, 1, 4, 4, 2)
    clip = FlowView(FlowOptions()).render(extremes, torch.tensor([[4, 4]]), whole(False), 4)
    assert (clip[0, 0] == -1).all()
    assert (clip[0, 1] == 1).all()


def test_rendering_the_flow_of_mirrored_frames_equals_mirroring_the_clip():
    frames = moving_frames(2)
    view = FlowView(FlowOptions())
    straight, mirrored = (
        torch.from_numpy(next(view.extract(list(pictures))))[None, None]
        for pictures in (frames, [np.ascontiguousarray(frame[:, ::-1]) for frame in frames])
    )
    sizes = torch.tensor([[48, 64]])
    by_flip = view.render(straight, sizes, whole(True), 32)
    assert by_flip[0, 0].median() < -0.05
    assert (by_flip - view.render(mirrored, sizes, whole(False), 32)).abs().mean() * 20 < 0.1


def test_render_needs_frame_sizes():
    with pytest.raises(ValueError, match="frame_sizes"):
        FlowView(FlowOptions()).render(torch.zeros(1, 1, 4, 4, 2, dtype=torch.uint8), None, whole(False), 4)


def test_standardise_keeps_rest_at_zero():
    view = FlowView(FlowOptions())
    assert not view.standardise(torch.zeros(1, 2, 1, 2, 2)).any()
    assert view.standardise(torch.full((1, 2, 1, 2, 2), 0.1)).min() > 0.5


def test_write_and_read_keep_the_motion(tmp_path: Path):
    view = FlowView(FlowOptions(algorithm="dis"))
    stored = list(view.extract(moving_frames(10)))
    path = tmp_path / "clip.mp4"
    assert view.write(iter(stored), path, fps=25.0, storage=StorageSettings()) == 10
    indices = np.array([0, 3, 3, 9])
    read = view.read(path, indices)
    assert read.shape == (4, 48, 64, 2)
    truth = np.stack([stored[index] for index in indices])
    assert np.abs(decode_flow(read, bound=20.0) - decode_flow(truth, bound=20.0)).mean() <= 0.25


def test_options_from_yaml_are_checked():
    assert parse(FlowOptions, {"algorithm": "dis", "bound": 10}, source="x").bound == 10
    with pytest.raises(UserError, match="algorithm"):
        parse(FlowOptions, {"algorithm": "raft"}, source="x")
    with pytest.raises(UserError, match="bound"):
        parse(FlowOptions, {"bound": 0}, source="x")


def test_cuda_that_cannot_be_used_is_a_user_error():
    with pytest.raises(UserError, match="tvl1 only"):
        list(FlowView(FlowOptions(algorithm="dis", device="cuda")).extract(moving_frames(2)))
    if not torch.cuda.is_available():
        with pytest.raises(UserError, match="set device to cpu"):
            list(FlowView(FlowOptions(device="cuda")).extract(moving_frames(2)))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_gives_what_the_cpu_gives():
    frames = moving_frames(40)
    on_cpu, on_cuda = (np.stack(list(FlowView(FlowOptions(device=d)).extract(frames))) for d in ("cpu", "cuda"))
    assert on_cuda.shape == on_cpu.shape
    assert np.abs(on_cuda.astype(int) - on_cpu).mean() * 20 / 127 <= 0.05


@pytest.mark.parametrize("flow_of", [farneback_pair, dis_pair])
@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (10, 40)])
def test_opencv_algorithms_survive_tiny_pictures(flow_of, shape):
    picture = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    flow = flow_of(picture, picture)
    assert flow.shape == (*shape, 2)
    assert np.abs(flow).max() < 0.5


def test_picture_is_white_at_rest_and_coloured_by_direction():
    view = FlowView(FlowOptions())
    rest = view.picture(encode_flow(np.zeros((6, 8, 2), np.float32), bound=20.0), height=12, width=16)
    assert rest.shape == (12, 16, 3)
    assert rest.dtype == np.uint8
    assert rest.min() == 255
    right = colour_flow(np.full((1, 1, 2), (1.0, 0.0), np.float32), full_speed=1.0)
    assert right[0, 0].tolist() == [255, 0, 0]  # the wheel's usual orientation: to the right is red
    left = colour_flow(np.full((1, 1, 2), (-1.0, 1e-6), np.float32), full_speed=1.0)
    assert left[0, 0, 1:].min() > 150
    assert colour_wheel().shape == (55, 3)


def test_flow_is_registered():
    assert VIEWS.load("flow") is FlowView


@pytest.mark.realdata
def test_stored_flow_of_real_video_is_the_computed_flow(real_data: Path, tmp_path: Path):
    path = sorted((real_data / "ucf10").rglob("*.mp4"))[40]
    capture = cv2.VideoCapture(str(path))
    frames = [cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2RGB) for _ in range(25)]
    greys = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    computed = np.clip([tvl1_pair(first, second) for first, second in itertools.pairwise(greys)], -20, 20)
    view = FlowView(FlowOptions())
    view.write(view.extract(frames), tmp_path / "flow.mp4", fps=25.0, storage=StorageSettings())
    read = decode_flow(view.read(tmp_path / "flow.mp4", np.arange(24)), bound=20.0)
    difference = np.linalg.norm(read - computed, axis=-1)
    assert np.linalg.norm(computed, axis=-1).mean() > 0.1
    assert difference.mean() <= 0.25
    assert np.quantile(difference, 0.99) <= 1.0
