"""L_sync and L_sim against plain loops and identities."""

import math

import pytest
import torch
from einops import rearrange

from coview.datatypes import unit
from coview.losses.cooperation import CooperationLoss, cooperation, pooled_blocks, sim_loss, sync_loss
from two_processes import half, mean_over_processes, run_in_processes


def views(count: int, n: int = 6, size: int = 5) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(count)
    return [torch.randn(n, size, generator=generator) for _ in range(count)]


def cosine(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(sum(x * y for x, y in zip(a.tolist(), b.tolist(), strict=True))) / (
        math.sqrt(sum(x * x for x in a.tolist())) * math.sqrt(sum(y * y for y in b.tolist()))
    )


def plain_sync(features: list[torch.Tensor], discrepancy: str) -> float:
    total = 0.0
    for i in range(len(features)):
        for j in range(i + 1, len(features)):
            terms = [
                cosine(features[i][a], features[i][b]) - cosine(features[j][a], features[j][b])
                for a in range(len(features[i]))
                for b in range(len(features[i]))
            ]
            total += sum(t * t if discrepancy == "l2" else abs(t) for t in terms) / len(terms)
    return total


def plain_sim(features: list[torch.Tensor]) -> float:
    total, n = 0.0, len(features[0])
    for i in range(len(features)):
        for j in range(i + 1, len(features)):
            distance = [[1 - cosine(features[i][a], features[j][b]) for b in range(n)] for a in range(n)]
            positives = [distance[a][a] for a in range(n)]
            negatives = [max(0.0, 1 - distance[a][b]) for a in range(n) for b in range(n) if a != b]
            total += 0.5 * sum(positives) / n + 0.5 * sum(negatives) / len(negatives)
    return total


@pytest.mark.parametrize("count", [2, 3, 4])
@pytest.mark.parametrize("discrepancy", ["l2", "l1"])
def test_against_plain_loops(count, discrepancy):
    features = views(count)
    result = cooperation(features, discrepancy=discrepancy)
    assert float(result.sync) == pytest.approx(plain_sync(features, discrepancy), rel=1e-4)
    assert float(result.sim) == pytest.approx(plain_sim(features), rel=1e-4)


def test_by_hand():
    # two instances; view one sees them at right angles, view two as the same
    one = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    two = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    result = cooperation([one, two])
    assert float(result.sync) == pytest.approx(0.5)  # two of four entries differ by 1
    # positives: cosines 1 and 0; negatives: cosines 1 and 0
    assert float(result.sim) == pytest.approx(0.5 * 0.5 + 0.5 * 0.5)
    assert float(cooperation([one, two], discrepancy="l1").sync) == pytest.approx(0.5)
    assert float(result.positive_distance) == pytest.approx(0.5)
    assert float(result.negative_distance) == pytest.approx(0.5)


def test_identical_views_are_in_sync_and_agree():
    features = views(1)[0]
    result = cooperation([features, 3 * features, features])
    assert float(result.sync) == pytest.approx(0.0, abs=1e-10)
    assert float(result.agreement) == pytest.approx(1.0, abs=1e-5)
    assert float(result.positive_distance) == pytest.approx(0.0, abs=1e-5)


def test_the_order_of_views_does_not_matter():
    features = views(3)
    forward, backward = cooperation(features), cooperation(features[::-1])
    for name in ("sync", "sim", "agreement", "positive_distance", "negative_distance"):
        torch.testing.assert_close(getattr(forward, name), getattr(backward, name))


def test_an_orthonormal_batch_seen_alike_has_no_sim_loss():
    assert float(cooperation([torch.eye(4), torch.eye(4)]).sim) == pytest.approx(0.0, abs=1e-7)


def test_one_instance_has_positives_only():
    features = [torch.tensor([[1.0, 0.0]], requires_grad=True), torch.tensor([[0.6, 0.8]])]
    result = cooperation(features)
    assert result.sim.item() == pytest.approx(0.5 * 0.4)
    assert float(result.sync) == pytest.approx(0.0)
    result.sim.backward()
    assert torch.isfinite(features[0].grad).all()


def test_negative_cosines_push_nothing():
    cosines = torch.tensor([[1.0, -0.7], [-0.2, 1.0]], requires_grad=True)
    loss = sim_loss(cosines, torch.arange(2))
    assert float(loss) == 0.0
    loss.backward()
    assert float(cosines.grad[0, 1]) == 0.0


def test_sync_loss_is_symmetric():
    one, other = torch.rand(3, 3), torch.rand(3, 3)
    for discrepancy in ("l1", "l2"):
        torch.testing.assert_close(
            sync_loss(one, other, discrepancy=discrepancy), sync_loss(other, one, discrepancy=discrepancy)
        )


def test_low_precision_inputs_are_computed_in_float32():
    features = [rows.bfloat16() for rows in views(2)]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = cooperation(features)
    assert result.sync.dtype == result.sim.dtype == torch.float32
    expected = cooperation([rows.float() for rows in features])
    torch.testing.assert_close(result.sync, expected.sync)


def test_fewer_than_two_views_or_unequal_ones_are_refused():
    with pytest.raises(ValueError, match="at least 2"):
        cooperation(views(1))
    with pytest.raises(ValueError, match="expected"):
        cooperation([torch.rand(3, 4), torch.rand(2, 4)])


def test_pooled_blocks_by_plain_loops_for_maps_of_any_size():
    torch.manual_seed(0)
    for side in (1, 2, 4, 7):
        maps = torch.randn(2, 3, 5, side, side)
        cells = unit(maps, dim=2)
        expected = []
        for video in range(2):
            for block in range(3):
                grid = cells[video, block]
                windows = [
                    grid[:, y : y + 2, x : x + 2].amax(dim=(1, 2))
                    for y in range(0, side - 1, 2)
                    for x in range(0, side - 1, 2)
                ]
                expected.append(unit(torch.stack(windows or [grid[:, 0, 0]]).mean(0)))
        torch.testing.assert_close(pooled_blocks(maps), torch.stack(expected))
    assert rearrange(pooled_blocks(maps), "(b n) d -> b n d", n=3).shape == (2, 3, 5)


def test_small_maps_may_be_averaged_instead():
    """Released code: the four cells of 2 x 2 by their mean; larger maps have their maxima all the same."""
    maps = torch.randn(2, 3, 5, 2, 2, generator=torch.Generator().manual_seed(0))
    expected = unit(unit(maps, dim=2).mean(dim=(3, 4)).flatten(0, 1))
    torch.testing.assert_close(pooled_blocks(maps, max_pool_from=3), expected)
    assert (pooled_blocks(maps) - expected).abs().max() > 0.1
    larger = torch.randn(2, 3, 5, 4, 4)
    assert torch.equal(pooled_blocks(larger, max_pool_from=3), pooled_blocks(larger))


def test_how_hard_sync_pulls_beside_sim():
    """Of random block features of 256 numbers: what the settings say of the weight of L_sync."""
    pulls = {}
    for shared in (0.0, 0.3, 1.0, 3.0):  # length of what all features have in common
        generator = torch.Generator().manual_seed(0)
        common = shared * unit(torch.randn(1, 256, generator=generator))
        features = [unit(common + torch.randn(96, 256, generator=generator) / 16).requires_grad_() for _ in range(2)]
        for discrepancy in ("l2", "l1"):
            found = cooperation(features, discrepancy=discrepancy)
            gradients = [
                torch.cat(torch.autograd.grad(part, features, retain_graph=True)) for part in (found.sync, found.sim)
            ]
            pulls[discrepancy, shared] = float(gradients[0].norm() / gradients[1].norm())
    assert all(0.04 < pulls["l2", shared] < 0.3 for shared in (0.0, 0.3, 1.0, 3.0))
    assert all(pulls["l1", shared] > 4 * pulls["l2", shared] for shared in (0.0, 0.3, 1.0, 3.0))
    assert 1 < pulls["l1", 1.0] < pulls["l1", 3.0] < 2.3


def test_a_temperature_makes_an_instance_find_itself_among_those_of_other_videos():
    one, two = views(2)  # three videos of two blocks
    loss = cooperation([one, two], sim_temperature=0.5, num_blocks=2).sim
    terms = []
    for asking, answering in ((one, two), (two, one)):
        for i in range(6):
            scores = [math.exp(cosine(asking[i], answering[j]) / 0.5) for j in range(6) if j == i or j // 2 != i // 2]
            terms.append(-math.log(math.exp(cosine(asking[i], answering[i]) / 0.5) / sum(scores)))
    assert float(loss) == pytest.approx(sum(terms) / len(terms), rel=1e-4)


def test_with_a_temperature_near_negatives_are_pushed_more_than_far_ones():
    one = torch.tensor([[1.0, 0.0, 0.0]], requires_grad=True)
    near, far = [0.9, 0.1, 0.0], [0.2, 0.0, 0.9]
    pushes = {}
    for tau in (None, 0.1):
        other = torch.tensor([[0.9, 0.0, 0.1], near, far], requires_grad=True)
        cooperation([torch.cat([one, torch.eye(3)[1:]]), other], sim_temperature=tau).sim.backward()
        pushes[tau] = other.grad[1].norm() / other.grad[2].norm()
    assert pushes[0.1] > 2 * pushes[None]


def _losses_and_gradient(rank: int, features: list[torch.Tensor], tau: float | None) -> dict[str, torch.Tensor]:
    mine = [
        (half(rank, rows) if torch.distributed.is_initialized() else rows).clone().requires_grad_() for rows in features
    ]
    result = cooperation(mine, sim_temperature=tau, num_blocks=2)
    (result.sync + 2 * result.sim).backward()
    return {"sync": result.sync.detach(), "sim": result.sim.detach(), **{f"g{i}": v.grad for i, v in enumerate(mine)}}


@pytest.mark.parametrize("tau", [None, 0.2])
def test_two_processes_equal_one(tmp_path, tau):
    features = views(3, n=8)
    whole = _losses_and_gradient(0, features, tau)
    parts = run_in_processes(_losses_and_gradient, features, tau, folder=tmp_path)
    mean = mean_over_processes([{k: part[k] for k in ("sync", "sim")} for part in parts])
    torch.testing.assert_close(mean["sync"], whole["sync"])
    torch.testing.assert_close(mean["sim"], whole["sim"])
    for i in range(3):  # averaging gradients over processes halves each one's share
        torch.testing.assert_close(torch.cat([part[f"g{i}"] for part in parts]) / 2, whole[f"g{i}"])


def test_the_module_weighs_both_losses_and_takes_views_by_name_or_in_order():
    features = [rows.requires_grad_() for rows in views(3)]
    found = cooperation(features, discrepancy="l1")
    loss = CooperationLoss(weight=7.0, sync_weight=2.0, sim_weight=3.0, discrepancy="l1")
    torch.testing.assert_close(loss(features), 7 * (2 * found.sync + 3 * found.sim))
    assert loss(dict(zip("abc", features, strict=True))) == loss(features)
    loss(features).backward()
    assert all(rows.grad.any() for rows in features)
