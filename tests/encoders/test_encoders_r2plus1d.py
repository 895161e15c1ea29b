import pytest
import torch
from torch import nn

from coview.encoders.r2plus1d import TORCHVISION, VICC, Layout, R2Plus1D, SeparableResidualBlock, r2plus1d10, r2plus1d18


@pytest.mark.parametrize(("build", "size"), [(r2plus1d10, 14_365_303), (r2plus1d18, 31_300_125)])
def test_sizes_are_the_published_ones(build: type[R2Plus1D], size: int) -> None:
    with torch.device("meta"):
        encoder = build(in_channels=3)
    assert sum(p.numel() for p in encoder.parameters()) == size


CASES = [
    (16, 128, 128, (2, 8, 8)),
    (16, 112, 112, (2, 7, 7)),
    (5, 50, 70, (1, 4, 5)),
    (1, 17, 1, (1, 2, 1)),
]
"""Frames, height, width; the map's cells along each."""


@pytest.mark.parametrize("build", [r2plus1d10, r2plus1d18])
def test_maps(build: type[R2Plus1D]) -> None:
    with torch.device("meta"):
        encoder = build(in_channels=17)
        for frames, height, width, cells in CASES:
            assert encoder(torch.empty(2, 17, frames, height, width)).shape == (2, 512, *cells)


@pytest.mark.parametrize("build", [r2plus1d10, r2plus1d18])
def test_only_the_first_convolution_depends_on_the_channels(build: type[R2Plus1D]) -> None:
    with torch.device("meta"):
        flow, pose = build(in_channels=2).state_dict(), build(in_channels=17).state_dict()
    assert [name for name in flow if flow[name].shape != pose[name].shape] == ["stem.spatial.weight"]


def test_middle_channels_of_a_block() -> None:
    shared = SeparableResidualBlock(64, 128, stride=(2, 2, 2), layout=TORCHVISION)
    own = SeparableResidualBlock(64, 128, stride=(2, 2, 2), layout=VICC)
    assert (shared.convolution1.spatial.out_channels, shared.convolution2.spatial.out_channels) == (230, 230)
    assert (own.convolution1.spatial.out_channels, own.convolution2.spatial.out_channels) == (230, 288)


@pytest.mark.parametrize("layout", [TORCHVISION, VICC])
def test_block_is_the_sum_of_two_paths_clipped_at_zero(layout: Layout) -> None:
    block = SeparableResidualBlock(4, 6, stride=(2, 2, 2), layout=layout).eval()
    clips = torch.randn(2, 4, 5, 6, 7)
    shortcut = block.shortcut
    with torch.no_grad():
        found = block(clips.clone())
        path, beside = block.convolution2(block.convolution1(clips)), shortcut(clips)
    assert path.shape == beside.shape == (2, 6, 3, 3, 4)
    assert path.min() < 0
    assert beside.min() < 0
    torch.testing.assert_close(found, (path + beside).relu())


def test_a_block_that_keeps_its_size_has_a_bare_shortcut_and_leaves_its_input_alone() -> None:
    block = SeparableResidualBlock(4, 4, stride=(1, 1, 1), layout=VICC).eval()
    clips = torch.randn(1, 4, 2, 3, 3)
    before = clips.clone()
    with torch.no_grad():
        block(clips)
    assert isinstance(block.shortcut, nn.Identity)
    assert torch.equal(clips, before)
