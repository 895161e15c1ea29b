import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from coview.augmentation.batch import augment, centre, centre_windows, cropped
from coview.augmentation.colour import apply_colours, stack_colours
from coview.augmentation.geometry import Crop, crops_of_a_picture
from coview.augmentation.operations import build_operations
from coview.clips.samples import ClipSample, collate
from coview.clips.windows import VideoWindows
from coview.config import AugmentSettings, ViewInput
from coview.datatypes import ClipBatch, ViewBatch, random_generator
from coview.errors import UserError
from coview.views.base import View
from coview.views.flow.view import FlowOptions, FlowView, encode_flow
from coview.views.persons.heatmaps import MIRRORED
from coview.views.persons.pose import PoseView
from coview.views.rgb import RgbOptions, RgbView

CPU = torch.device("cpu")
PLAIN = AugmentSettings(jitter_probability=0, grey_probability=0)
NO_CHANGE = AugmentSettings(
    jitter_probability=0, grey_probability=0, crop_area=(1, 1), crop_aspect=(0.5, 2), flip_probability=0
)
EVERYTHING = AugmentSettings(blur_probability=0.5, blur_sigma=(0.5, 2))


class PlainRgb(RgbView):
    """Without the last step, so that values stay in [0, 1]."""

    scale = dataclasses.replace(RgbView.scale, mean=(0.0,) * 3, std=(1.0,) * 3)

    def standardise(self, clips: torch.Tensor) -> torch.Tensor:
        return clips


class PlainFlow(FlowView):
    scale = dataclasses.replace(FlowView.scale, std=(1.0, 1.0))

    def standardise(self, clips: torch.Tensor) -> torch.Tensor:
        return clips


VIEWS: dict[str, View] = {"rgb": PlainRgb(RgbOptions()), "flow": PlainFlow(FlowOptions())}
INPUTS = {"rgb": ViewInput(size=16), "flow": ViewInput(size=16)}


def batch_of(rgb: list[np.ndarray[Any, Any]], flow: list[np.ndarray[Any, Any]], *, epoch: int = 0) -> ClipBatch:
    """Pack clips, each (M, T, H, W, C) uint8, as a batch."""
    samples = [
        ClipSample({"rgb": a, "flow": b}, n, (0, epoch, n), np.zeros(a.shape[:2], np.int64))
        for n, (a, b) in enumerate(zip(rgb, flow, strict=True))
    ]
    return collate(samples)


def noise(*shape: int, seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def random_batch(count: int = 3, clips: int = 2, *, epoch: int = 0) -> ClipBatch:
    rgb = [noise(clips, 4, 20, 26, 3, seed=n) for n in range(count)]
    return batch_of(rgb, [noise(clips, 4, 20, 26, 2, seed=9 + n) for n in range(count)], epoch=epoch)


def clips_of(batch: ViewBatch, name: str) -> torch.Tensor:
    return batch.clips[name]


@pytest.mark.parametrize("count", [1, 3])
def test_shapes_and_types(count: int) -> None:
    out = augment(random_batch(count), VIEWS, INPUTS, EVERYTHING, device=CPU)
    assert out.clips["rgb"].shape == (count, 2, 3, 4, 16, 16)
    assert out.clips["flow"].shape == (count, 2, 2, 4, 16, 16)
    assert all(clips.dtype == torch.float32 for clips in out.clips.values())
    assert out.entry_indices.tolist() == list(range(count))
    assert -1e-6 < out.clips["rgb"].min() < out.clips["rgb"].max() < 1 + 1e-6


def test_blocks_are_cut_without_a_copy_and_channels_last() -> None:
    clip = augment(random_batch(), VIEWS, INPUTS, EVERYTHING, device=CPU).clips["rgb"][0, 0]  # (C, T, H, W)
    blocks = clip.unflatten(1, (2, 2)).transpose(0, 1)  # (N, C, L, H, W)
    assert blocks.is_contiguous(memory_format=torch.channels_last_3d)


def test_views_that_hold_the_same_picture_stay_aligned() -> None:
    rows, columns = np.mgrid[0:48, 0:64]
    pattern = np.stack([rows * 5, columns * 3], axis=-1).astype(np.uint8)  # smooth, so that sizes may differ
    rgb = [np.broadcast_to(np.concatenate([pattern, pattern[..., :1]], axis=-1), (1, 2, 48, 64, 3))] * 12
    flow = [np.broadcast_to(pattern[::2, ::2], (1, 2, 24, 32, 2))] * 12  # the same at half the size
    out = augment(batch_of(rgb, flow), VIEWS, INPUTS, PLAIN, device=CPU)
    across = (clips_of(out, "rgb")[:, :, 1] * 255 - 127.5) / 127.5  # columns
    down = (clips_of(out, "rgb")[:, :, 0] * 255 - 127.5) / 127.5  # rows
    flow_across, flow_down = clips_of(out, "flow")[:, :, 1], clips_of(out, "flow")[:, :, 0]
    is_flipped = clips_of(out, "rgb")[:, 0, 1, 0, 0, 0] > clips_of(out, "rgb")[:, 0, 1, 0, 0, -1]
    sign = torch.where(is_flipped, -1.0, 1.0)[:, None, None, None, None]  # u, the first channel, is negated
    assert 2 < is_flipped.sum() < 10
    assert (across - flow_across).abs().max() < 0.08
    assert (down - flow_down * sign).abs().max() < 0.08
    assert down.flatten(1).std(0).max() > 0.05  # crops do differ


def test_a_flip_mirrors_and_negates_u_alone() -> None:
    flow, rgb = noise(1, 2, 20, 20, 2), noise(1, 2, 20, 20, 3)
    batch = batch_of([rgb], [flow])
    never = augment(batch, VIEWS, INPUTS, NO_CHANGE, device=CPU)
    always = augment(batch, VIEWS, INPUTS, dataclasses.replace(NO_CHANGE, flip_probability=1), device=CPU)
    torch.testing.assert_close(clips_of(always, "rgb"), clips_of(never, "rgb").flip(-1))
    torch.testing.assert_close(clips_of(always, "flow")[:, :, 0], -clips_of(never, "flow")[:, :, 0].flip(-1))
    torch.testing.assert_close(clips_of(always, "flow")[:, :, 1], clips_of(never, "flow")[:, :, 1].flip(-1))


def test_independent_geometry_differs_between_views_and_leaves_the_rest() -> None:
    batch = random_batch()
    shared = augment(batch, VIEWS, INPUTS, EVERYTHING, device=CPU)
    settings = dataclasses.replace(EVERYTHING, geometry="independent")
    independent = augment(batch, VIEWS, INPUTS, settings, device=CPU)
    assert not torch.equal(shared.clips["rgb"], independent.clips["rgb"])
    assert not torch.equal(shared.clips["flow"], independent.clips["flow"])
    alone = ClipBatch(
        views={"flow": batch.views["flow"]},
        frame_sizes={"flow": batch.frame_sizes["flow"]},
        entry_indices=batch.entry_indices,
        random_keys=batch.random_keys,
        frame_indices=batch.frame_indices,
    )
    assert torch.equal(
        augment(alone, VIEWS, INPUTS, settings, device=CPU).clips["flow"], independent.clips["flow"]
    )  # a view draws the same whichever views a stage takes


def test_a_clip_does_not_depend_on_its_batch() -> None:
    whole = augment(random_batch(3), VIEWS, INPUTS, EVERYTHING, device=CPU)
    first = augment(random_batch(1), VIEWS, INPUTS, EVERYTHING, device=CPU)
    for name in VIEWS:
        assert torch.equal(whole.clips[name][:1], first.clips[name])


def test_draws_change_with_clip_sample_and_epoch() -> None:
    same = noise(1, 4, 20, 26, 3)
    rgb, flow = [np.repeat(same, 2, axis=0)] * 2, [noise(2, 4, 20, 26, 2)] * 2
    clips = [clips_of(augment(batch_of(rgb, flow, epoch=e), VIEWS, INPUTS, PLAIN, device=CPU), "rgb") for e in (0, 1)]
    pictures = [epoch[n, m] for epoch in clips for n in range(2) for m in range(2)]
    assert not any(torch.equal(a, b) for i, a in enumerate(pictures) for b in pictures[:i])


def test_colour_and_blur_touch_only_their_views() -> None:
    batch = random_batch()
    plain = augment(batch, VIEWS, INPUTS, PLAIN, device=CPU)
    coloured = augment(batch, VIEWS, INPUTS, dataclasses.replace(PLAIN, jitter_probability=1), device=CPU)
    blurred = augment(batch, VIEWS, INPUTS, dataclasses.replace(PLAIN, blur_probability=1), device=CPU)
    settings = dataclasses.replace(PLAIN, blur_probability=1, blur_views=("flow",))
    blurred_flow = augment(batch, VIEWS, INPUTS, settings, device=CPU)
    assert torch.equal(plain.clips["flow"], coloured.clips["flow"])
    assert torch.equal(plain.clips["flow"], blurred.clips["flow"])
    assert torch.equal(plain.clips["rgb"], blurred_flow.clips["rgb"])
    assert blurred_flow.clips["flow"].std() < 0.9 * plain.clips["flow"].std()
    assert not torch.equal(plain.clips["rgb"], coloured.clips["rgb"])
    assert blurred.clips["rgb"].std() < 0.9 * plain.clips["rgb"].std()


def with_frames(batch: ClipBatch, starts: list[tuple[int, int]]) -> ClipBatch:
    """Return the batch with two clips a video that begin at these frames."""
    frames = torch.tensor(starts)[:, :, None] + torch.arange(batch.frame_indices.shape[-1])
    return dataclasses.replace(batch, frame_indices=frames)


STRONG = dataclasses.replace(
    NO_CHANGE, jitter_probability=1, brightness=0.9, blur_probability=1, blur_sigma=(2, 3), blur_views=("rgb", "flow")
)


def strong_clips(batch: ClipBatch, settings: AugmentSettings) -> torch.Tensor:
    """Return which clips are neither as they would be without colours and blur, (B, 2)."""
    plain = augment(batch, VIEWS, INPUTS, NO_CHANGE, device=CPU)
    changed = augment(batch, VIEWS, INPUTS, settings, device=CPU)
    differs = [(plain.clips[name] - changed.clips[name]).abs().flatten(2).amax(dim=2) > 1e-5 for name in VIEWS]
    assert torch.equal(differs[0], differs[1])  # blur of flow and colours of rgb go together
    return differs[0]


def test_of_two_clips_of_the_same_frames_one_is_strong() -> None:
    batch = with_frames(random_batch(40), [(3, 3)] * 40)
    settings = dataclasses.replace(STRONG, strong_probability=0.3, one_strong_at_same_times=True)
    found = strong_clips(batch, settings)
    assert (found.sum(dim=1) == 1).all()
    assert 8 < found[:, 0].sum() < 32  # either may be the one
    assert strong_clips(batch, STRONG).all()


def test_clips_of_different_frames_are_strong_as_often_as_said() -> None:
    batch = with_frames(random_batch(100), [(0, 5)] * 100)
    settings = dataclasses.replace(STRONG, strong_probability=0.3, one_strong_at_same_times=True)
    found = strong_clips(batch, settings)
    assert 0.2 < found.float().mean() < 0.4
    assert 0 < found.all(dim=1).float().mean() < 0.2  # each by itself: 0.09
    again = dataclasses.replace(settings, one_strong_at_same_times=False)
    assert torch.equal(strong_clips(batch, again), found)


@pytest.mark.parametrize("pad_channels", [None, 3])
def test_flow_takes_the_colour_operations_where_it_is_told_to(pad_channels: int | None) -> None:
    inputs = {**INPUTS, "flow": ViewInput(size=16, pad_channels=pad_channels)}
    settings = dataclasses.replace(NO_CHANGE, jitter_probability=1, colour_views=("flow",))
    batch = random_batch()
    plain = augment(batch, VIEWS, inputs, NO_CHANGE, device=CPU)
    out = augment(batch, VIEWS, inputs, settings, device=CPU)
    generators = [random_generator(0, 0, n, 1, clip) for n in range(3) for clip in range(2)]
    for generator in generators:
        generator.random(5)  # crop and flip
    colour = build_operations(settings)[0]
    matrices, lifts = stack_colours([colour.draw(generator, num_frames=4) for generator in generators])
    as_bytes = plain.clips["flow"].flatten(0, 1)[:, :2] * 127 + 128
    pictures = torch.cat([as_bytes, torch.full_like(as_bytes[:, :1], 128)], dim=1) / 255  # u, v, no motion
    expected = (apply_colours(pictures, matrices, lifts)[:, :2] * 255 - 128) / 127
    torch.testing.assert_close(out.clips["flow"].flatten(0, 1)[:, :2], expected, atol=1e-4, rtol=0)
    assert not torch.allclose(out.clips["flow"][:, :, :2], plain.clips["flow"][:, :, :2], atol=0.1)
    alone = augment(batch, VIEWS, inputs, dataclasses.replace(settings, colour_views=()), device=CPU)
    assert torch.equal(out.clips["rgb"], alone.clips["rgb"])


def test_a_view_that_is_not_of_pictures_has_no_colours_to_change() -> None:
    pose = PoseView(PoseView.Options())
    clip = np.zeros((1, 4, 1, 17, 3), np.float32)
    batch = collate([ClipSample({"pose": clip}, 0, (0, 0, 0), np.zeros((1, 4), np.int64))])
    settings = dataclasses.replace(NO_CHANGE, jitter_probability=1, colour_views=("pose",))
    with pytest.raises(UserError, match="colour_views names pose, which is not made of pictures"):
        augment(batch, {"pose": pose}, {"pose": ViewInput(size=16)}, settings, device=CPU)


def test_a_pixel_at_rest_is_zero_in_both_mirrors() -> None:
    still = [np.full((1, 4, 20, 26, 2), encode_flow(np.zeros((1, 1, 2), np.float32), bound=20.0)[0, 0], np.uint8)]
    views: dict[str, View] = {"rgb": VIEWS["rgb"], "flow": FlowView(FlowOptions())}
    batch = batch_of([noise(1, 4, 20, 26, 3)], still)
    for flip in (0, 1):
        settings = dataclasses.replace(NO_CHANGE, flip_probability=flip)
        assert augment(batch, views, INPUTS, settings, device=CPU).clips["flow"].abs().max() < 1e-4


@pytest.mark.parametrize("evaluate", [False, True])
def test_padding_never_leaks_into_the_crop(evaluate: bool) -> None:
    sizes = [(20, 26), (31, 17), (12, 40)]
    rgb = [np.full((1, 2, *size, 3), 255, np.uint8) for size in sizes]
    flow = [np.full((1, 2, *size, 2), 255, np.uint8) for size in sizes]
    batch = batch_of(rgb, flow)
    assert batch.views["rgb"].shape[3:5] == (31, 40)  # padded with 0
    for epoch in range(5):
        batch = batch_of(rgb, flow, epoch=epoch)
        out = centre(batch, VIEWS, INPUTS, device=CPU) if evaluate else augment(batch, VIEWS, INPUTS, PLAIN, device=CPU)
        assert (out.clips["rgb"] - 1).abs().max() < 1e-6
        assert (out.clips["flow"].abs() - 1).abs().max() < 1e-6


def test_padded_channels_are_no_motion() -> None:
    out = augment(random_batch(), VIEWS, {**INPUTS, "flow": ViewInput(size=8, pad_channels=3)}, PLAIN, device=CPU)
    assert out.clips["flow"].shape == (3, 2, 3, 4, 8, 8)
    assert (out.clips["flow"][:, :, 2] == 0).all()
    with pytest.raises(UserError, match=r"views.rgb.pad_channels is 2.*3 channels"):
        augment(random_batch(), VIEWS, {**INPUTS, "rgb": ViewInput(pad_channels=2)}, PLAIN, device=CPU)


def test_several_threads_pad_channels_in_inference_mode_too() -> None:
    def padded() -> torch.Tensor:
        return augment(
            random_batch(), VIEWS, {**INPUTS, "flow": ViewInput(size=8, pad_channels=3)}, PLAIN, device=CPU
        ).clips["flow"]

    expected = padded()
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with torch.inference_mode():
            assert torch.equal(padded(), expected)
    finally:
        torch.set_num_threads(before)


def test_centre_is_the_middle_square_and_always_the_same() -> None:
    picture = noise(1, 2, 20, 30, 3)
    batch = batch_of([picture], [noise(1, 2, 20, 30, 2)])
    out = centre(batch, VIEWS, {**INPUTS, "rgb": ViewInput(size=20)}, device=CPU)
    expected = torch.from_numpy(picture[0, :, :, 5:25]).permute(3, 0, 1, 2) / 255
    torch.testing.assert_close(out.clips["rgb"][0, 0], expected)
    again = centre(batch, VIEWS, INPUTS, device=CPU).clips["flow"]
    assert torch.equal(again, centre(batch, VIEWS, INPUTS, device=CPU).clips["flow"])


def test_a_mirrored_crop_is_each_view_mirrored_in_its_own_way() -> None:
    pose = PoseView(PoseView.Options())
    points = np.random.default_rng(0).random((1, 4, 1, 17, 3)).astype(np.float32)
    samples = [
        ClipSample(
            {"rgb": noise(1, 4, 20, 26, 3), "flow": noise(1, 4, 20, 26, 2), "pose": points},
            0,
            (0, 0, 0),
            np.zeros((1, 4), np.int64),
        )
    ]
    views, inputs = {**VIEWS, "pose": pose}, {**INPUTS, "pose": ViewInput(size=16)}
    plain, mirrored = (
        cropped(collate(samples), views, inputs, crop=Crop(0.0, 1.0, 0.75, flip), device=CPU).clips
        for flip in (False, True)
    )
    swapped = {name: clip.flip(-1) for name, clip in plain.items()}
    swapped["flow"] = swapped["flow"] * torch.tensor([-1.0, 1.0])[:, None, None, None]
    swapped["pose"] = swapped["pose"][:, :, list(MIRRORED)]
    for name, expected in swapped.items():
        torch.testing.assert_close(mirrored[name], expected, atol=1e-5, rtol=1e-5)
        assert not torch.allclose(mirrored[name], plain[name], atol=1e-2)


def test_all_crops_of_a_constant_picture_are_alike() -> None:
    batch = batch_of([np.full((1, 4, 20, 26, 3), 90, np.uint8)], [noise(1, 4, 20, 26, 2)])
    expected = centre(batch, VIEWS, INPUTS, device=CPU).clips["rgb"]
    for crop in (crop for count in (1, 3, 5, 10) for crop in crops_of_a_picture(count)):
        torch.testing.assert_close(cropped(batch, VIEWS, INPUTS, crop=crop, device=CPU).clips["rgb"], expected)


def test_clips_leave_standardised() -> None:
    views: dict[str, View] = {"rgb": RgbView(RgbOptions()), "flow": FlowView(FlowOptions())}
    batch = random_batch()
    plain = augment(batch, VIEWS, INPUTS, PLAIN, device=CPU)
    out = augment(batch, views, INPUTS, PLAIN, device=CPU)
    for name, view in views.items():
        expected = view.standardise(plain.clips[name].flatten(0, 1)).unflatten(0, (3, 2))
        torch.testing.assert_close(out.clips[name], expected)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_gpu_equals_cpu() -> None:
    batch, device = random_batch(), torch.device("cuda")
    on_cpu = augment(batch, VIEWS, INPUTS, EVERYTHING, device=CPU)
    on_gpu = augment(batch, VIEWS, INPUTS, EVERYTHING, device=device)
    for name in VIEWS:
        assert on_gpu.clips[name].device.type == "cuda"
        torch.testing.assert_close(on_gpu.clips[name].cpu(), on_cpu.clips[name], atol=1e-3, rtol=0)


@pytest.mark.parametrize("threads", [1, 3])
def test_windows_are_rendered_as_they_are_one_by_one(threads: int) -> None:
    """Pictures that several windows show are made once; views that are no pictures as whole windows."""
    views, inputs = {**VIEWS, "pose": PoseView(PoseView.Options())}, {**INPUTS, "pose": ViewInput(size=16)}
    videos = []
    for number, places in enumerate(([[0, 1, 2, 3], [2, 3, 4, 5], [4, 5, 6, 6]], [[0, 0, 0, 0]])):
        count, height = 1 + max(max(window) for window in places), 20 + 7 * number
        points = np.random.default_rng(number).random((count, 2, 17, 3)).astype(np.float32)
        frames = {
            "rgb": noise(count, height, 26, 3, seed=number),
            "flow": noise(count, height, 26, 2, seed=9),
            "pose": points,
        }
        numbers = 3 * np.arange(count)
        videos.append(
            VideoWindows(
                {name: torch.from_numpy(values) for name, values in frames.items()},
                torch.tensor(places),
                torch.from_numpy(numbers[np.array(places)]),
                entry_index=number,
            )
        )
    assert videos[0].each_frame_once().frame_indices.tolist() == [[0, 3, 6, 9, 12, 15, 18]]
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        together = centre_windows(videos, views, inputs, device=CPU)
        for name, clips in together.items():
            alone = [
                centre(collate([sample]), views, inputs, device=CPU).clips[name][:, 0]
                for video in videos
                for sample in video.samples()
            ]
            assert torch.equal(clips, torch.cat(alone))
            assert clips.is_contiguous(memory_format=torch.channels_last_3d)
    finally:
        torch.set_num_threads(before)
