"""InfoNCE against plain loops, with each kind of wrong answer, over one process and two."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from coview.losses import InfoNCELoss, info_nce_loss
from two_processes import half, mean_over_processes, run_in_processes


def rows(seed: int, n: int = 4, size: int = 3) -> Tensor:
    return torch.randn(n, size, generator=torch.Generator().manual_seed(seed))


def cosine(a: Tensor, b: Tensor) -> float:
    return float(a.double() @ b.double() / (a.double().norm() * b.double().norm()))


def by_loops(queries: Tensor, keys: Tensor, tau: float, *, own: bool = False, extra: Tensor | None = None) -> float:
    """Minus the logarithm of the right answer's share of all exponentials, the mean over queries."""
    total = 0.0
    for i, query in enumerate(queries):
        scores = [cosine(query, key) for key in keys]
        right = scores[i]
        if own:
            scores += [cosine(query, other) for j, other in enumerate(queries) if j != i]
        if extra is not None:
            scores += [cosine(query, key) for key in extra]
        total -= math.log(math.exp(right / tau) / sum(math.exp(score / tau) for score in scores))
    return total / len(queries)


def test_two_instances_by_hand() -> None:
    queries, keys = torch.tensor([[2.0, 0.0], [0.0, 3.0]]), torch.tensor([[5.0, 0.0], [0.8, 0.6]])
    # cosines over 0.2: (5, 4), the first is right; (0, 3), the second is right
    expected = (math.log(1 + math.exp(-1)) + math.log(1 + math.exp(-3))) / 2
    assert info_nce_loss(queries, keys, temperature=0.2).item() == pytest.approx(expected, rel=1e-5)
    # the queries are at right angles to each other: one more score of 0 each
    with_own = (math.log(1 + math.exp(-1) + math.exp(-5)) + math.log(1 + 2 * math.exp(-3))) / 2
    assert info_nce_loss(queries, keys, temperature=0.2, own_negatives=True).item() == pytest.approx(with_own, rel=1e-5)


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("num_extra", [0, 5])
def test_equals_plain_loops(own: bool, num_extra: int) -> None:
    queries, keys, extra = rows(1), rows(2), rows(3, n=num_extra) if num_extra else None
    found = info_nce_loss(queries, keys, temperature=0.3, own_negatives=own, extra_keys=extra)
    assert found.item() == pytest.approx(by_loops(queries, keys, 0.3, own=own, extra=extra), rel=1e-5)


@pytest.mark.parametrize(("n", "own", "candidates"), [(1, False, 1), (1, True, 1), (4, False, 4), (4, True, 7)])
def test_equal_features_lose_the_logarithm_of_the_candidates(n: int, own: bool, candidates: int) -> None:
    same = torch.ones(n, 3)
    assert info_nce_loss(same, same, own_negatives=own).item() == pytest.approx(math.log(candidates), abs=1e-6)


def test_several_right_answers_count_together() -> None:
    queries, keys, extra = rows(1), rows(2), rows(3, n=2)
    positives = torch.tensor([[True, False], [False, False], [True, True], [False, True]])
    total = 0.0
    for i, query in enumerate(queries):
        shares = [math.exp(cosine(query, key) / 0.3) for key in (*keys, *extra)]
        right = shares[i] + sum(share for share, counts in zip(shares[4:], positives[i], strict=True) if counts)
        total -= math.log(right / sum(shares))
    found = info_nce_loss(queries, keys, temperature=0.3, extra_keys=extra, extra_positives=positives)
    assert found.item() == pytest.approx(total / 4, rel=1e-5)
    none = info_nce_loss(queries, keys, extra_keys=extra, extra_positives=torch.zeros(4, 2, dtype=torch.bool))
    torch.testing.assert_close(none, info_nce_loss(queries, keys, extra_keys=extra))


def test_gradient_reaches_queries_and_keys_and_never_a_queue() -> None:
    queries, keys, extra = (rows(seed).requires_grad_() for seed in range(3))
    info_nce_loss(queries, keys, own_negatives=True, extra_keys=extra).backward()
    for given in (queries, keys):
        assert given.grad is not None
        assert given.grad.abs().sum(dim=1).gt(0).all()
    assert extra.grad is None


def test_the_module_is_the_mean_over_all_ordered_pairs() -> None:
    a, b, c = rows(1), rows(2), rows(3)
    loss = InfoNCELoss(temperature=0.3, own_negatives=True)
    assert loss(a, b).item() == pytest.approx(
        (by_loops(a, b, 0.3, own=True) + by_loops(b, a, 0.3, own=True)) / 2, rel=1e-5
    )
    pairs = [(a, b), (a, c), (b, a), (b, c), (c, a), (c, b)]
    assert loss(a, b, c).item() == pytest.approx(sum(by_loops(*pair, 0.3, own=True) for pair in pairs) / 6, rel=1e-5)
    with pytest.raises(ValueError, match="at least 2"):
        loss(a)


def test_bf16_is_computed_in_float32() -> None:
    queries, keys = rows(1, size=64).bfloat16(), rows(2, size=64).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        mixed = info_nce_loss(queries, keys)
    assert mixed.dtype == torch.float32
    torch.testing.assert_close(mixed, info_nce_loss(queries.float(), keys.float()))


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="keys has shape"):
        info_nce_loss(rows(1), rows(2, n=3))
    with pytest.raises(ValueError, match="extra_keys has shape"):
        info_nce_loss(rows(1), rows(2), extra_keys=rows(3, size=5))
    with pytest.raises(ValueError, match="temperature is 0"):
        info_nce_loss(rows(1), rows(2), temperature=0.0)


def step(queries: Tensor, keys: Tensor, weight: Tensor) -> dict[str, Tensor]:
    """Loss and the gradient of what both go through, which processes average."""
    weight = weight.clone().requires_grad_()
    loss = info_nce_loss(queries @ weight, keys @ weight, own_negatives=True, extra_keys=rows(7))
    loss.backward()
    assert weight.grad is not None
    return {"loss": loss.detach(), "weight": weight.grad}


def step_half(rank: int, queries: Tensor, keys: Tensor, weight: Tensor) -> dict[str, Tensor]:
    return step(half(rank, queries), half(rank, keys), weight)


@pytest.mark.xdist_group("processes")
def test_two_processes_are_one(tmp_path: Path) -> None:
    queries, keys, weight = rows(1, n=6), rows(2, n=6), rows(3, n=3)
    found = mean_over_processes(run_in_processes(step_half, queries, keys, weight, folder=tmp_path))
    for name, value in step(queries, keys, weight).items():
        torch.testing.assert_close(found[name], value)
