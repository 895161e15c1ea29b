"""The swapped-assignment loss against plain loops, for any set of views and both options of Table 2."""

import math

import pytest
import torch

from coview.losses.sinkhorn import sinkhorn
from coview.losses.swapped_assignment import Swap, SwappedAssignmentLoss, swapped_assignment_loss, swaps
from two_processes import half, mean_over_processes, run_in_processes

FOUR = ("rgb", "rgb", "flow", "flow")


def views(count: int, batch: int = 5, prototypes: int = 4) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(count)
    return [torch.rand(batch, prototypes, generator=generator) * 2 - 1 for _ in range(count)]


def cross_entropy(q: torch.Tensor, scores: torch.Tensor, tau: float) -> float:
    """Eq. 9 by loops, the mean over samples."""
    total = 0.0
    for row, values in zip(q.tolist(), scores.tolist(), strict=True):
        bottom = sum(math.exp(v / tau) for v in values)
        total -= sum(p * math.log(math.exp(v / tau) / bottom) for p, v in zip(row, values, strict=True))
    return total / len(q)


def test_who_predicts_whom():
    assert swaps(("rgb", "rgb"), own="rgb") == (Swap(0, (1,)), Swap(1, (0,)))
    assert swaps(FOUR, own="rgb") == (Swap(0, (1, 2, 3)), Swap(1, (0, 2, 3)), Swap(2, (0, 1, 3)), Swap(3, (0, 1, 2)))
    assert swaps(FOUR, own="rgb", predict_with="other") == (
        Swap(0, (2, 3)),
        Swap(1, (2, 3)),
        Swap(2, (0, 1)),
        Swap(3, (0, 1)),
    )
    assert swaps(FOUR, own="rgb", assign_from="other") == (Swap(2, (0, 1, 3)), Swap(3, (0, 1, 2)))
    assert swaps(FOUR, own="flow", assign_from="other", predict_with="other") == (Swap(0, (2, 3)), Swap(1, (2, 3)))
    assert [len(swap.predictors) for swap in swaps(("a", "b", "c"), own="a")] == [2, 2, 2]
    for impossible in ({"predict_with": "other"}, {"assign_from": "other"}):
        with pytest.raises(ValueError, match="nothing to predict"):
            swaps(("rgb", "rgb"), own="rgb", **impossible)


def test_twelve_terms_of_the_pseudocode():
    scores = views(4)
    q = [sinkhorn(s) for s in scores]
    expected = 0.0
    for a in range(4):
        for p in range(4):
            if p != a:
                expected += 1 / 4 * 1 / 3 * cross_entropy(q[a], scores[p], 0.1)
    loss = swapped_assignment_loss(scores, q, swaps(FOUR, own="rgb"), temperature=0.1)
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_one_stream_is_the_mean_of_both_directions():
    scores = views(2)
    q = [sinkhorn(s) for s in scores]
    expected = (cross_entropy(q[0], scores[1], 0.1) + cross_entropy(q[1], scores[0], 0.1)) / 2
    loss = swapped_assignment_loss(scores, q, swaps(("rgb", "rgb"), own="rgb"), temperature=0.1)
    assert float(loss) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("options", [{"predict_with": "other"}, {"assign_from": "other"}])
def test_options_of_table_2(options):
    scores = views(4)
    q = [sinkhorn(s) for s in scores]
    pairs = {
        "predict_with": [(0, (2, 3)), (1, (2, 3)), (2, (0, 1)), (3, (0, 1))],
        "assign_from": [(2, (0, 1, 3)), (3, (0, 1, 2))],
    }[next(iter(options))]
    expected = sum(
        sum(cross_entropy(q[a], scores[p], 0.1) for p in others) / len(others) / len(pairs) for a, others in pairs
    )
    loss = swapped_assignment_loss(scores, q, swaps(FOUR, own="rgb", **options), temperature=0.1)
    assert float(loss) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("prototypes", [1, 7])
def test_equal_scores_lose_the_logarithm_of_k(batch, prototypes):
    scores = [torch.full((batch, prototypes), 0.3)] * 4
    loss = swapped_assignment_loss(scores, [sinkhorn(s) for s in scores], swaps(FOUR, own="rgb"), temperature=0.1)
    assert float(loss) == pytest.approx(math.log(prototypes), abs=1e-6)


def test_bf16_is_computed_in_float32():
    scores = [s.bfloat16() for s in views(2)]
    q = [sinkhorn(s) for s in scores]
    who = swaps(("rgb", "rgb"), own="rgb")
    with torch.autocast("cpu", torch.bfloat16):
        loss = swapped_assignment_loss(scores, q, who, temperature=0.1)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, swapped_assignment_loss([s.float() for s in scores], q, who, temperature=0.1))


def _loss_and_gradients(features: torch.Tensor, prototypes: torch.Tensor) -> dict[str, torch.Tensor]:
    """Features are (4, B, D) of this process; gradients of the prototypes are what processes average."""
    prototypes = prototypes.clone().requires_grad_()
    scores = [z @ prototypes.T for z in features]
    q = [sinkhorn(s) for s in scores]
    loss = swapped_assignment_loss(scores, q, swaps(FOUR, own="rgb"), temperature=0.1)
    loss.backward()
    return {"loss": loss.detach(), "prototypes": prototypes.grad}


def _part(rank: int, features: torch.Tensor, prototypes: torch.Tensor) -> dict[str, torch.Tensor]:
    return _loss_and_gradients(torch.stack([half(rank, z) for z in features]), prototypes)


@pytest.mark.xdist_group("processes")
def test_two_processes_equal_one(tmp_path):
    generator = torch.Generator().manual_seed(0)
    features = torch.nn.functional.normalize(torch.randn(4, 6, 5, generator=generator), dim=2)
    prototypes = torch.nn.functional.normalize(torch.randn(3, 5, generator=generator), dim=1)
    found = mean_over_processes(run_in_processes(_part, features, prototypes, folder=tmp_path))
    for name, value in _loss_and_gradients(features, prototypes).items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-6)


def test_without_a_choice_every_view_predicts_all_others() -> None:
    scores = [torch.randn(4, 6) for _ in range(3)]
    q = [sinkhorn(one) for one in scores]
    who = [Swap(0, (1, 2)), Swap(1, (0, 2)), Swap(2, (0, 1))]
    assert torch.equal(swapped_assignment_loss(scores, q), swapped_assignment_loss(scores, q, who, temperature=0.1))


def test_the_module_assigns_and_predicts_all_with_all_others():
    scores = [values.requires_grad_() for values in views(3)]
    queues = [values.detach() for values in views(6)[3:]]
    loss = SwappedAssignmentLoss(temperature=0.2, epsilon=0.1, iterations=2)
    for given in (None, queues):
        q = [
            sinkhorn(own, queue_scores=queue, epsilon=0.1, iterations=2)
            for own, queue in zip(scores, given or [None] * 3, strict=True)
        ]
        pairs = [(a, p) for a in range(3) for p in range(3) if a != p]
        expected = sum(cross_entropy(q[a], scores[p], 0.2) for a, p in pairs) / 6
        assert float(loss(scores, given).detach()) == pytest.approx(expected, rel=1e-5)
    loss(scores, queues).backward()
    assert all(values.grad.any() for values in scores)
