"""Sinkhorn against plain loops, an optimal-transport library, and what its definition promises."""

import math

import pytest
import torch

from coview.losses.sinkhorn import assignment_entropy, sinkhorn
from two_processes import half, run_in_processes


def cosines(samples: int, prototypes: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(samples, prototypes, generator=generator) * 2 - 1


def plain_sinkhorn(scores: torch.Tensor, *, epsilon: float, iterations: int) -> list[list[float]]:
    """Eq. 6 by loops in double precision: rows of the plan are prototypes, columns samples."""
    samples, prototypes = scores.shape
    plan = [[math.exp(float(scores[b, k]) / epsilon) for b in range(samples)] for k in range(prototypes)]
    for _ in range(iterations):
        for k in range(prototypes):
            total = sum(plan[k])
            plan[k] = [value / total / prototypes for value in plan[k]]
        for b in range(samples):
            total = sum(plan[k][b] for k in range(prototypes))
            for k in range(prototypes):
                plan[k][b] = plan[k][b] / total / samples
    return [[plan[k][b] * samples for k in range(prototypes)] for b in range(samples)]


@pytest.mark.parametrize(("samples", "prototypes"), [(7, 4), (3, 9), (1, 5), (6, 1)])
@pytest.mark.parametrize("iterations", [1, 3])
def test_against_plain_loops(samples, prototypes, iterations):
    scores = cosines(samples, prototypes)
    expected = torch.tensor(plain_sinkhorn(scores, epsilon=0.05, iterations=iterations))
    torch.testing.assert_close(sinkhorn(scores, iterations=iterations), expected, rtol=1e-4, atol=1e-6)


def test_the_queue_takes_its_share_but_only_the_batch_comes_back():
    scores, queue = cosines(4, 6), cosines(5, 6, seed=1)
    together = torch.tensor(plain_sinkhorn(torch.cat([scores, queue]), epsilon=0.05, iterations=3))
    found = sinkhorn(scores, queue_scores=queue)
    torch.testing.assert_close(found, together[:4], rtol=1e-4, atol=1e-6)
    assert not torch.allclose(found, sinkhorn(scores), atol=1e-2)


def test_against_an_optimal_transport_library():
    ot = pytest.importorskip("ot")
    scores, queue = cosines(12, 5), cosines(20, 5, seed=1)
    everyone = torch.cat([scores, queue]).double().numpy()
    samples, prototypes = everyone.shape
    plan = ot.sinkhorn(  # scales its second margin first: samples are its first margin, prototypes its second
        [1 / samples] * samples, [1 / prototypes] * prototypes, -everyone, 0.05, numItermax=3, stopThr=0, warn=False
    )
    expected = torch.from_numpy(plan[:12] * samples).float()
    torch.testing.assert_close(sinkhorn(scores, queue_scores=queue), expected, rtol=1e-4, atol=1e-6)


def test_by_hand():
    # Two samples, two prototypes, exp(score / epsilon) = [[2, 1], [1, 1]]; rows are samples here.
    scores = torch.tensor([[math.log(2.0), 0.0], [0.0, 0.0]])
    # Prototypes to 1: [[2/3, 1/2], [1/3, 1/2]]; samples to 1: [[4/7, 3/7], [2/5, 3/5]].
    expected = torch.tensor([[4 / 7, 3 / 7], [2 / 5, 3 / 5]])
    torch.testing.assert_close(sinkhorn(scores, epsilon=1.0, iterations=1), expected)


@pytest.mark.parametrize("size", [1.0, 1e3, 1e6, 1e30, 3e38])
def test_scores_of_any_size_give_whole_assignments(size):
    found = sinkhorn(cosines(8, 5) * size)
    assert torch.isfinite(found).all()
    torch.testing.assert_close(found.sum(dim=1), torch.ones(8))


def test_large_scores_come_near_double_precision():
    # whole multiples of epsilon = 1/16, with near ties among them: the division is exact, only sums are rounded
    generator = torch.Generator().manual_seed(0)
    scores = (
        torch.randint(0, 3, (6, 1), generator=generator) * 2000 + torch.randint(0, 4, (6, 4), generator=generator)
    ) / 16
    logs = scores.double() * 16
    for _ in range(3):
        for k in range(4):
            top = max(logs[:, k].tolist())
            logs[:, k] -= top + math.log(sum(math.exp(v - top) for v in logs[:, k].tolist()))
        for b in range(6):
            top = max(logs[b].tolist())
            logs[b] -= top + math.log(sum(math.exp(v - top) for v in logs[b].tolist()))
    found = sinkhorn(scores, epsilon=1 / 16)
    assert 0.01 < float(found.amin(dim=1).max()) < 0.99  # not all of them hard
    torch.testing.assert_close(found.double(), logs.exp(), rtol=1e-2, atol=1e-4)


def test_many_iterations_share_samples_out_evenly():
    found = sinkhorn(cosines(12, 4), iterations=200)
    torch.testing.assert_close(found.sum(dim=0), torch.full((4,), 3.0), rtol=1e-3, atol=1e-3)


def test_equal_scores_are_undecided_and_one_sample_too():
    torch.testing.assert_close(sinkhorn(torch.full((3, 4), 0.7)), torch.full((3, 4), 0.25))
    torch.testing.assert_close(sinkhorn(cosines(1, 4)), torch.full((1, 4), 0.25))


def test_no_gradient_and_float32():
    scores = cosines(3, 4).bfloat16().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        found = sinkhorn(scores)
    assert not found.requires_grad
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, sinkhorn(scores.detach().float()))


def test_wrong_numbers_are_refused():
    with pytest.raises(ValueError, match="iterations"):
        sinkhorn(cosines(2, 2), iterations=0)
    with pytest.raises(ValueError, match="queue_scores"):
        sinkhorn(cosines(2, 3), queue_scores=cosines(2, 2))


def test_entropy_is_a_share_of_the_most_there_can_be():
    assert float(assignment_entropy(torch.full((2, 8), 1 / 8))) == pytest.approx(1.0)
    assert float(assignment_entropy(torch.eye(4))) == pytest.approx(0.0, abs=1e-6)
    half_way = torch.tensor([[0.5, 0.5, 0.0, 0.0]])
    assert float(assignment_entropy(half_way)) == pytest.approx(0.5)
    assert float(assignment_entropy(torch.ones(3, 1))) == pytest.approx(0.0)


def _share(rank: int, scores: torch.Tensor, queue: torch.Tensor) -> torch.Tensor:
    return sinkhorn(half(rank, scores), queue_scores=queue[rank::2])


@pytest.mark.xdist_group("processes")
def test_two_processes_equal_one_with_unequal_shares_of_the_queue(tmp_path):
    scores, queue = cosines(6, 5) * 50, cosines(7, 5, seed=1) * 50
    found = torch.cat(run_in_processes(_share, scores, queue, folder=tmp_path))
    torch.testing.assert_close(found, sinkhorn(scores, queue_scores=queue), rtol=1e-4, atol=1e-6)
