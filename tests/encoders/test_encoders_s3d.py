import pytest
import torch
from torch import nn

from coview.encoders.s3d import BRANCHES, S3D, Gate, HalvingPool, SeparableInception, s3d, s3dg


def num_parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_size_is_the_published_one_and_gates_are_square_maps_beside_it() -> None:
    with torch.device("meta"):
        plain, gated = s3d(in_channels=3), s3dg(in_channels=3)
    widths = [width for row in BRANCHES.values() for width in (row[0], row[2], row[4], row[5])]
    assert num_parameters(plain) == 7_910_048
    assert num_parameters(gated) == 7_910_048 + sum(width * width + width for width in widths)


CASES = [
    (32, 128, 128, (4, 4, 4)),
    (64, 224, 224, (8, 7, 7)),
    (32, 112, 112, (4, 3, 3)),
    (24, 176, 144, (3, 5, 4)),
    (5, 50, 70, (1, 2, 2)),
    (1, 33, 1, (1, 1, 1)),
]
"""Frames, height, width; the map's cells along each."""


@pytest.mark.parametrize("build", [s3d, s3dg])
def test_maps(build: type[S3D]) -> None:
    with torch.device("meta"):
        encoder = build(in_channels=17)
        for frames, height, width, cells in CASES:
            assert encoder(torch.empty(2, 17, frames, height, width)).shape == (2, 1024, *cells)


def test_the_last_pooling_is_the_published_one_wherever_that_gives_a_map() -> None:
    """Published networks: kernel 2, stride 2, no padding, an odd row or frame dropped."""
    pool, published = HalvingPool(), nn.MaxPool3d(2, stride=2)
    for shape in ((4, 7, 7), (4, 8, 8), (2, 2, 3), (3, 9, 4)):
        clips = torch.randn(2, 3, *shape)
        assert torch.equal(pool(clips), published(clips))
    few = torch.tensor([[3.0, 1.0, 7.0]]).reshape(1, 1, 1, 1, 3)
    assert pool(few).flatten().tolist() == [3.0]  # of one frame and one row, two columns
    assert isinstance(s3d(in_channels=3).layers.pool5a, HalvingPool)


def test_joins_its_branches_in_order() -> None:
    block = SeparableInception(4, (1, 2, 3, 4, 5, 6), gating=False).eval()
    clips = torch.randn(2, 4, 3, 5, 5)
    with torch.no_grad():
        joined = block(clips)
        parts = [block.branch0(clips), block.branch1(clips), block.branch2(clips), block.branch3(clips)]
    assert block.out_channels == 15
    for part, width, found in zip(parts, (1, 3, 5, 6), joined.split((1, 3, 5, 6), dim=1), strict=True):
        assert part.shape[1] == width
        assert torch.equal(found, part)


def test_pooling_branch_takes_the_largest_of_27_neighbours() -> None:
    block = SeparableInception(1, (1, 1, 1, 1, 1, 1), gating=False).eval()
    clips = torch.zeros(1, 1, 5, 5, 5)
    clips[0, 0, 2, 2, 2] = 1
    assert block.branch3[0](clips).sum() == 27


def test_gate_by_hand() -> None:
    gate = Gate(2)
    with torch.no_grad():
        gate.linear.weight.copy_(torch.tensor([[1.0, 0.0], [2.0, -1.0]]))
        gate.linear.bias.copy_(torch.tensor([0.0, 0.5]))
    clips = torch.tensor([[1.0, 3.0], [2.0, 6.0]]).reshape(1, 2, 1, 1, 2)  # means 2 and 4
    weights = torch.tensor([2.0, 2 * 2 - 4 + 0.5]).sigmoid()
    torch.testing.assert_close(gate(clips), clips * weights.view(1, 2, 1, 1, 1))


def test_open_gates_are_no_gates() -> None:
    plain, gated = s3d(in_channels=2).eval(), s3dg(in_channels=2).eval()
    missing, unexpected = gated.load_state_dict(plain.state_dict(), strict=False)
    assert not unexpected
    assert missing
    assert all(".gates." in name for name in missing)
    clips = torch.randn(1, 2, 5, 32, 32)
    with torch.no_grad():
        for part in gated.modules():
            if isinstance(part, Gate):
                part.linear.weight.zero_()
                part.linear.bias.fill_(100.0)  # a sigmoid of 1
        opened = gated(clips)
        assert torch.equal(opened, plain(clips))
        gated.layers.mixed5c.gates[0].linear.bias.fill_(-100.0)
        closed = gated(clips)
    assert not closed[:, : BRANCHES["mixed5c"][0]].any()
    assert torch.equal(closed[:, 384:], opened[:, 384:])
