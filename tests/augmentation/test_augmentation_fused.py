import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from coview.augmentation.blur import Blur
from coview.augmentation.changes import Changes, render_in_steps
from coview.augmentation.colour import Colour
from coview.augmentation.fused import fill_clips, split_fused
from coview.augmentation.fused_kernel import line_weights
from coview.config import BlurSettings, ColourSettings
from coview.datatypes import random_generator
from coview.views.base import PixelScale, View
from coview.views.crop import Geometry
from coview.views.flow.view import FlowOptions, FlowView
from coview.views.rgb import RgbOptions, RgbView

RGB, FLOW = RgbView(RgbOptions()), FlowView(FlowOptions())
NUM_CLIPS, NUM_FRAMES = 4, 3
BOXES = ((0.0, 0.0, 1.0, 1.0), (0.1, 0.2, 0.9, 0.8), (0.3, 0.0, 0.6, 1.0), (0.95, 0.95, 0.96, 0.96))
FRAME_SIZES = torch.tensor([[40, 52], [33, 52], [40, 20], [17, 19]])


def noise(channels: int) -> torch.Tensor:
    shape = (NUM_CLIPS, NUM_FRAMES, 40, 52, channels)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def changes(*, colour: bool = False, sigmas: tuple[float, ...] = (0.0,) * NUM_CLIPS) -> Changes:
    jitter = Colour(ColourSettings(jitter_probability=1, grey_probability=0.2, brightness=0.8, contrast=0.8))
    drawn = [jitter.draw(random_generator(n), num_frames=NUM_FRAMES) for n in range(NUM_CLIPS)]
    flips = torch.tensor([False, True, False, True])
    operations = [(jitter, drawn)] if colour else []
    geometry = Geometry(torch.tensor(BOXES, dtype=torch.float64), flips)
    return Changes(geometry, [*operations, (Blur(BlurSettings()), sigmas)])


def fused(view: View, raw: torch.Tensor, given: Changes, *, size: int) -> torch.Tensor:
    out = torch.full((*raw.shape[:2], size, size, raw.shape[-1]), torch.nan)
    assert view.scale is not None
    once, further = split_fused(given, view)
    assert not further
    fill_clips(out, raw, FRAME_SIZES, once, view.scale)
    return out


@pytest.mark.parametrize("size", [8, 14, 31, 64])  # from 7 source pixels for one to enlarging
@pytest.mark.parametrize(
    ("view", "colour", "sigmas"),
    [
        (RGB, False, (0.0,) * 4),
        (RGB, True, (0.0,) * 4),
        (RGB, True, (0.1, 0.0, 2.0, 6.0)),
        (FLOW, False, (0.0,) * 4),
        (FLOW, False, (1.5, 0.4, 0.0, 2.0)),
    ],
)
def test_one_pass_equals_the_steps(view: View, colour: bool, sigmas: tuple[float, ...], size: int) -> None:
    given = changes(colour=colour, sigmas=sigmas)
    raw = noise(view.channels)
    result = fused(view, raw, given, size=size)
    expected = render_in_steps(view, raw, FRAME_SIZES, given, size=size)
    torch.testing.assert_close(result, expected, atol=1e-4, rtol=0)


def test_colours_are_clamped_as_often_as_they_overflow() -> None:
    lowest, highest = ((bound - torch.tensor(RGB.scale.mean)) / torch.tensor(RGB.scale.std) for bound in (0, 1))
    result = fused(RGB, noise(3), changes(colour=True), size=16)
    assert (result >= lowest - 1e-5).all()
    assert (result <= highest + 1e-5).all()
    assert 0.001 < ((result - highest).abs() < 1e-5).float().mean() < 0.5


def test_threads_change_nothing() -> None:
    given, raw = changes(colour=True, sigmas=(1.0, 0.0, 0.5, 0.0)), noise(3)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = fused(RGB, raw, given, size=16)
        torch.set_num_threads(3)
        assert torch.equal(fused(RGB, raw, given, size=16), alone)
    finally:
        torch.set_num_threads(before)


def test_it_fills_the_channels_it_is_given_and_no_more() -> None:
    wide = torch.full((NUM_CLIPS, NUM_FRAMES, 9, 9, 3), 7.0)
    raw = noise(2)
    assert FLOW.scale is not None
    fill_clips(wide[..., :2], raw, FRAME_SIZES, split_fused(changes(), FLOW)[0], FLOW.scale)
    assert torch.equal(wide[..., :2], fused(FLOW, raw, changes(), size=9))
    assert (wide[..., 2] == 7).all()


@pytest.mark.parametrize("sigmas", [(0.0,) * 4, (1.0,) * 4])
@pytest.mark.parametrize("channels", [1, 4, 5, 7])
def test_channels_are_made_each_by_itself(channels: int, sigmas: tuple[float, ...]) -> None:
    raw, (once, _) = noise(channels), split_fused(changes(sigmas=sigmas), FLOW)
    gains = tuple(1 / (1 + c) for c in range(channels))
    together = torch.empty(NUM_CLIPS, NUM_FRAMES, 9, 9, channels)
    fill_clips(together, raw, FRAME_SIZES, once, PixelScale(3, 200, gains, gains, (1.0,) * channels))
    for c, gain in enumerate(gains):
        alone = torch.empty(NUM_CLIPS, NUM_FRAMES, 9, 9, 1)
        fill_clips(alone, raw[..., c : c + 1], FRAME_SIZES, once, PixelScale(3, 200, (gain,), (gain,), (1.0,)))
        torch.testing.assert_close(together[..., c], alone[..., 0], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("view", [RGB, FLOW])
def test_nothing_is_written_behind_a_clip(view: View) -> None:
    room = torch.full((NUM_CLIPS + 1, NUM_FRAMES, 9, 9, view.channels), 7.0)
    assert view.scale is not None
    once, _ = split_fused(changes(colour=view is RGB), view)
    fill_clips(room[:NUM_CLIPS], noise(view.channels), FRAME_SIZES, once, view.scale)
    assert (room[NUM_CLIPS] == 7).all()


def test_colours_of_flow_are_left_to_the_steps_and_the_blur_after_them_too() -> None:
    given = changes(colour=True)
    once, further = split_fused(given, FLOW)
    assert once.colours is None
    assert not any(once.sigmas)
    assert [type(operation) for operation, _ in further] == [Colour, Blur]
    out = torch.empty(NUM_CLIPS, NUM_FRAMES, 8, 8, 2)
    of_rgb, _ = split_fused(given, RGB)
    with pytest.raises(ValueError, match="three channels"):
        fill_clips(out, noise(2), FRAME_SIZES, of_rgb, FLOW.scale)


@pytest.mark.parametrize(("length", "size"), [(1, 4), (3, 8), (10, 10), (11, 8), (16, 8), (100, 7)])
def test_line_weights_are_those_of_torch(length: int, size: int) -> None:
    places, weights = line_weights(length, size)
    line = np.random.default_rng(0).random(length).astype(np.float32)
    result = (line[np.minimum(places, length - 1)] * weights).sum(axis=1)
    picture = torch.from_numpy(line).expand(1, 1, 1, -1)
    expected = interpolate(picture, size=(1, size), mode="bilinear", antialias=True)[0, 0, 0]
    np.testing.assert_allclose(result, expected.numpy(), atol=1e-6)
    assert (places[:, 1:] - places[:, :-1] == 1).all()
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)
