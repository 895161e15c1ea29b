"""What every encoder must do; a new row of ENCODERS is tested here without a new line."""

import pytest
import torch
from torch import nn

from coview.encoders import ENCODERS, Encoder
from pretrained_folders import SMALL_NETWORKS, needs_transformers

OPTIONS = {"transformers": {"model": SMALL_NETWORKS["dinov2"], "pooling": "patches"}}
"""Of rows that cannot be built without."""
MARKS = {"transformers": needs_transformers}
pytestmark = pytest.mark.parametrize("name", [pytest.param(name, marks=MARKS.get(name, ())) for name in ENCODERS])


def build(name: str, *, in_channels: int = 2) -> Encoder:
    torch.manual_seed(0)
    return make(name, in_channels)


def make(name: str, in_channels: int) -> Encoder:
    return ENCODERS.load(name)(in_channels=in_channels, **OPTIONS.get(name, {}))


@pytest.mark.parametrize("in_channels", [1, 2, 3, 17])
def test_any_number_of_channels(name: str, in_channels: int) -> None:
    with torch.device("meta"):
        encoder = make(name, in_channels)
        feature_map = encoder(torch.empty(2, in_channels, 5, 64, 64))
    assert encoder.in_channels == in_channels
    assert feature_map.shape[:2] == (2, encoder.feature_size)
    assert feature_map.ndim == 5


@pytest.mark.parametrize(("frames", "height", "width"), [(1, 64, 64), (3, 65, 97), (16, 113, 71), (5, 1, 33)])
def test_odd_sizes(name: str, frames: int, height: int, width: int) -> None:
    with torch.device("meta"):
        encoder = make(name, 2).eval()  # nothing normalises over the one cell of a single clip
        assert min(encoder(torch.empty(1, 2, frames, height, width)).shape) >= 1


def test_pooled_is_the_mean_of_the_map(name: str) -> None:
    encoder = build(name).eval()
    clips = torch.randn(2, 2, 5, 64, 48)
    with torch.no_grad():
        feature_map, pooled = encoder(clips), encoder.pooled(clips)
    assert pooled.shape == (2, encoder.feature_size)
    torch.testing.assert_close(pooled, feature_map.flatten(2).mean(dim=2))


@pytest.mark.parametrize(("num_clips", "side"), [(1, 96), (2, 32)])  # at 32 pixels a map may have a single cell
def test_tiny_clips_train_every_parameter(name: str, num_clips: int, side: int) -> None:
    encoder = build(name).train()
    feature_map = encoder(torch.randn(num_clips, 2, 5, side, side))
    assert torch.isfinite(feature_map).all()
    (feature_map * torch.randn_like(feature_map)).sum().backward()
    for parameter_name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert torch.isfinite(parameter.grad).all(), parameter_name
        assert parameter.grad.any(), parameter_name


def test_state_dict_carries_everything(name: str) -> None:
    encoder, other = build(name), make(name, 2).eval()
    clips = torch.randn(2, 2, 5, 32, 32)
    assert not torch.equal(next(encoder.parameters()), next(other.parameters()))
    encoder.train()(clips)  # moves the running statistics away from their start
    other.load_state_dict(encoder.eval().state_dict())
    with torch.no_grad():
        assert torch.equal(encoder(clips), other(clips))


def test_evaluation_is_deterministic_and_one_clip_at_a_time(name: str) -> None:
    encoder = build(name).eval()
    clips = torch.randn(2, 2, 5, 32, 32)
    with torch.no_grad():
        once, again = encoder(clips), encoder(clips)
        alone = encoder(clips[:1])
    assert torch.equal(once, again)
    scale = once.abs().max()
    torch.testing.assert_close(once[:1] / scale, alone / scale, rtol=1e-4, atol=1e-5)


def test_layouts_agree_and_bf16_comes_near(name: str) -> None:
    encoder = build(name).eval()
    clips = torch.randn(2, 2, 5, 32, 32)
    with torch.no_grad():
        plain = encoder(clips)
        encoder.to(memory_format=torch.channels_last_3d)
        clips = clips.to(memory_format=torch.channels_last_3d)
        turned = encoder(clips)
        with torch.autocast("cpu", torch.bfloat16):
            mixed = encoder(clips)
    scale = plain.abs().max()
    torch.testing.assert_close(turned / scale, plain / scale, rtol=1e-4, atol=1e-5)
    assert nn.functional.cosine_similarity(mixed.float().flatten(), plain.flatten(), dim=0) > 0.99
