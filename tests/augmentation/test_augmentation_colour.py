import colorsys
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from coview.augmentation.colour import Colour, apply_colours, compose_colours, stack_colours
from coview.config import ColourSettings
from coview.datatypes import random_generator

OFF = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0, "grey_probability": 0.0}
R, G, B = 0.299, 0.587, 0.114


def pictures(*shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
    return low + (high - low) * torch.rand(*shape, generator=torch.Generator().manual_seed(0))


def changed(clips: Tensor, settings: ColourSettings, *, swing: float = 1.0) -> Tensor:
    """Apply one colour change to all frames: every strength at `swing` of its range."""
    draws = np.array([0.0, *[(swing + 1) / 2] * 4, 0.0])
    matrix, lift = compose_colours(draws, settings)
    count, _, num_frames = clips.shape[:3]
    matrices = torch.from_numpy(matrix).expand(count, num_frames, 3, 3)
    return apply_colours(clips, matrices, torch.full((count, num_frames), float(lift)))


def draw(settings: ColourSettings, *, clips: int, num_frames: int) -> tuple[Tensor, Tensor]:
    operation = Colour(settings)
    return stack_colours([operation.draw(random_generator(n), num_frames=num_frames) for n in range(clips)])


def loops(clips: Tensor, brightness: float, contrast: float, saturation: float, angle: float) -> Tensor:
    """The same, pixel by pixel, one change after the other, clamped at the end."""
    out = torch.empty_like(clips)
    count, _, num_frames, height, width = clips.shape
    to_yiq = np.array([[R, G, B], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
    for n in range(count):
        for t in range(num_frames):
            frame = clips[n, :, t].double().numpy() * brightness
            mean = sum(R * frame[0, y, x] + G * frame[1, y, x] + B * frame[2, y, x]
                       for y in range(height) for x in range(width)) / (height * width)  # fmt: skip
            for y in range(height):
                for x in range(width):
                    pixel = mean + contrast * (frame[:, y, x] - mean)
                    luminance = R * pixel[0] + G * pixel[1] + B * pixel[2]
                    pixel = luminance + saturation * (pixel - luminance)
                    luma, i, q = to_yiq @ pixel
                    turned = complex(i, q) * complex(math.cos(angle), math.sin(angle))
                    pixel = np.linalg.solve(to_yiq, [luma, turned.real, turned.imag])
                    out[n, :, t, y, x] = torch.from_numpy(np.clip(pixel, 0, 1))
    return out


@pytest.mark.parametrize("swing", [-1.0, -0.3, 0.6, 1.0])
@pytest.mark.parametrize("size", [(3, 5), (4, 4)])
def test_one_matrix_equals_plain_loops(swing: float, size: tuple[int, int]) -> None:
    settings = ColourSettings(brightness=0.4, contrast=0.5, saturation=0.6, hue=0.1, grey_probability=0)
    clips = pictures(2, 3, 2, *size)
    expected = loops(clips, 1 + 0.4 * swing, 1 + 0.5 * swing, 1 + 0.6 * swing, 2 * math.pi * 0.1 * swing)
    torch.testing.assert_close(changed(clips, settings, swing=swing), expected, atol=1e-5, rtol=0)


def test_brightness_alone_scales() -> None:
    clips = pictures(1, 3, 2, 4, 4, high=0.6)
    settings = ColourSettings(**{**OFF, "brightness": 0.5})
    torch.testing.assert_close(changed(clips, settings), clips * 1.5)


def test_contrast_keeps_the_mean_luminance_of_each_frame() -> None:
    clips = pictures(2, 3, 3, 8, 8, low=0.35, high=0.6)
    settings = ColourSettings(**{**OFF, "contrast": 0.4})
    weights = torch.tensor([R, G, B]).view(3, 1, 1, 1)
    after = changed(clips, settings)
    torch.testing.assert_close((after * weights).sum(1).mean((2, 3)), (clips * weights).sum(1).mean((2, 3)))
    torch.testing.assert_close(after.std(dim=(3, 4)), 1.4 * clips.std(dim=(3, 4)))


def test_hue_turns_red_towards_yellow_and_keeps_greys() -> None:
    red = torch.tensor([0.6, 0.3, 0.3]).view(1, 3, 1, 1, 1)
    settings = ColourSettings(**{**OFF, "hue": 1 / 12})
    hues = [colorsys.rgb_to_hsv(*changed(red, settings, swing=swing).flatten().tolist())[0] for swing in (-1, 1)]
    assert sorted(round(hue, 1) % 1 for hue in hues) == [0.1, 0.9]
    grey = torch.full((1, 3, 1, 2, 2), 0.4)
    torch.testing.assert_close(changed(grey, ColourSettings(**{**OFF, "hue": 0.5})), grey)


def test_grey_has_equal_channels_of_the_luminance() -> None:
    clips = pictures(2, 3, 4, 5, 6)
    settings = ColourSettings(jitter_probability=0, grey_probability=1)
    after = apply_colours(clips, *draw(settings, clips=2, num_frames=4))
    assert torch.equal(after[:, 0], after[:, 1])
    assert torch.equal(after[:, 0], after[:, 2])
    torch.testing.assert_close(after[:, 0], R * clips[:, 0] + G * clips[:, 1] + B * clips[:, 2])


@pytest.mark.parametrize(("colour_per", "distinct"), [("clip", 1), ("frame", 6)])
def test_draws_are_per_frame_or_per_clip(colour_per: str, distinct: int) -> None:
    settings = ColourSettings(colour_per=colour_per, jitter_probability=1, grey_probability=0)  # type: ignore[arg-type]
    matrices, lifts = draw(settings, clips=3, num_frames=6)
    assert matrices.shape == (3, 6, 3, 3)
    for clip in range(3):
        assert len({tuple(matrix.flatten().tolist()) for matrix in matrices[clip]}) == distinct
        assert len(set(lifts[clip].tolist())) == distinct
    assert not torch.equal(matrices[0], matrices[1])


def test_grey_of_a_clip_is_all_frames_or_none() -> None:
    settings = ColourSettings(colour_per="clip", jitter_probability=0, grey_probability=0.5)
    matrices, _ = draw(settings, clips=60, num_frames=4)
    is_grey = (matrices[..., 0, :] == matrices[..., 1, :]).all(-1)  # (clips, frames)
    assert (is_grey.all(1) | ~is_grey.any(1)).all()
    assert 15 < is_grey[:, 0].sum() < 45


def test_values_stay_in_range_and_layout_does_not_matter() -> None:
    settings = ColourSettings(brightness=1, contrast=1, saturation=1, hue=0.5)
    clips = pictures(2, 3, 4, 6, 7)
    maps = draw(settings, clips=2, num_frames=4)
    after = apply_colours(clips, *maps)
    assert after.min() >= 0
    assert after.max() <= 1
    assert torch.equal(after, apply_colours(clips.contiguous(memory_format=torch.channels_last_3d), *maps))


def test_nothing_drawn_changes_nothing() -> None:
    clips = pictures(1, 3, 2, 4, 4)
    settings = ColourSettings(jitter_probability=0, grey_probability=0)
    after = apply_colours(clips, *draw(settings, clips=1, num_frames=2))
    torch.testing.assert_close(after, clips)
