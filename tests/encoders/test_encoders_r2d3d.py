import pytest
import torch

from coview.encoders.convgru import ConvGRU
from coview.encoders.heads import Predictor
from coview.encoders.r2d3d import R2D3D, r2d3d18, r2d3d34


def num_parameters(*modules: torch.nn.Module) -> int:
    return sum(p.numel() for module in modules for p in module.parameters())


@pytest.mark.parametrize(
    ("build", "alone", "with_heads"), [(r2d3d18, 14_057_536, 14_583_104), (r2d3d34, 32_422_208, 32_947_776)]
)
def test_sizes_are_the_papers(build: type[R2D3D], alone: int, with_heads: int) -> None:
    with torch.device("meta"):
        encoder = build(in_channels=3)
        heads = ConvGRU(256, dropout=0.1), Predictor(256)
    assert num_parameters(encoder) == alone
    assert num_parameters(encoder, *heads) == with_heads


@pytest.mark.parametrize(("side", "cells"), [(128, 4), (224, 7), (64, 2)])
def test_five_frames_give_the_papers_map(side: int, cells: int) -> None:
    with torch.device("meta"):
        assert r2d3d18(in_channels=3)(torch.empty(2, 3, 5, side, side)).shape == (2, 256, 2, cells, cells)


def test_early_stages_do_not_mix_frames() -> None:
    encoder = r2d3d18(in_channels=1).eval()
    clip = torch.randn(1, 1, 4, 32, 32)
    changed = clip.clone()
    changed[:, :, 2] += 1
    with torch.no_grad():
        early = [encoder.stage2(encoder.stage1(encoder.stem(x))) for x in (clip, changed)]
        late = [encoder.stage3(x) for x in early]
    differs = (early[0] != early[1]).flatten(3).any(dim=3)[0].any(dim=0)  # (T,)
    assert differs.tolist() == [False, False, True, False]
    assert (late[0] != late[1]).any()


def test_features_take_both_signs() -> None:
    feature_map = r2d3d18(in_channels=1).train()(torch.randn(2, 1, 5, 32, 32))
    assert feature_map.min() < 0 < feature_map.max()


def test_convolutions_start_with_he_variance() -> None:
    weight = r2d3d18(in_channels=3).stage4[1].convolution2.weight
    assert weight.var().item() == pytest.approx(2 / (256 * 27), rel=0.02)
