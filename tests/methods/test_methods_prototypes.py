import pytest
import torch

from coview.encoders import ENCODERS
from coview.encoders.heads import ProjectedEncoder, ProjectionHead
from coview.methods.prototypes import IDLE_ROUNDS, Prototypes
from two_processes import run_in_processes


def test_projection_is_unit_and_float32_under_autocast():
    head = ProjectionHead(6, 4)
    pooled = torch.randn(3, 6)
    with torch.autocast("cpu", torch.bfloat16):
        z = head(pooled.bfloat16())
    assert z.shape == (3, 4)
    assert z.dtype == torch.float32
    torch.testing.assert_close(z.norm(dim=1), torch.ones(3))
    torch.testing.assert_close(z, head(pooled.bfloat16().float()))


def test_prototypes_are_unit_from_the_start_and_after_a_step_unless_frozen():
    prototypes = Prototypes(5, 3)
    torch.testing.assert_close(prototypes.weight.norm(dim=1), torch.ones(5))
    with torch.no_grad():
        prototypes.weight.mul_(3)
    prototypes.weight.requires_grad_(False)
    prototypes.renormalise()
    torch.testing.assert_close(prototypes.weight.norm(dim=1), torch.full((5,), 3.0))
    prototypes.weight.requires_grad_(True)
    prototypes.renormalise()
    torch.testing.assert_close(prototypes.weight.norm(dim=1), torch.ones(5))


def test_scores_are_cosines():
    prototypes = Prototypes(2, 2)
    with torch.no_grad():
        prototypes.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    assert prototypes(torch.tensor([[0.6, 0.8]]))[0].tolist() == pytest.approx([0.6, 0.8])


def test_a_prototype_long_without_a_feature_is_not_in_use():
    prototypes = Prototypes(4, 2)
    assert prototypes.share_in_use() == 1
    for _ in range(IDLE_ROUNDS - 1):
        prototypes.note_nearest(torch.tensor([0, 0, 1, 1]))
    assert prototypes.share_in_use() == 1
    prototypes.note_nearest(torch.tensor([0, 0, 0, 0]))
    assert prototypes.share_in_use() == 0.5
    prototypes.note_nearest(torch.tensor([3]))
    assert prototypes.share_in_use() == 0.75


def test_a_projected_encoder_pools_to_z():
    encoder = ENCODERS.load("tiny3d")(in_channels=2).eval()
    head = ProjectionHead(encoder.feature_size, 7)
    projected = ProjectedEncoder(encoder, head)
    clips = torch.randn(2, 2, 4, 16, 16)
    assert (projected.in_channels, projected.feature_size) == (2, 7)
    torch.testing.assert_close(projected.pooled(clips), head(encoder.pooled(clips)))
    assert projected(clips).shape == (2, 7, 1, 1, 1)


def idle_after_own_features(rank: int) -> torch.Tensor:
    """Note features that are nearest to another prototype in each process; return how long each has been idle."""
    prototypes = Prototypes(4, 8)
    prototypes.note_nearest(torch.tensor([rank, rank]))
    return prototypes.idle


@pytest.mark.xdist_group("processes")
def test_a_prototype_is_in_use_whichever_process_uses_it(tmp_path):
    one, other = run_in_processes(idle_after_own_features, folder=tmp_path)
    assert one.tolist() == other.tolist() == [0, 0, 4, 4]
