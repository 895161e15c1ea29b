"""Meters on features whose spread and rank are known, and warnings that name what is wrong."""

import math

import pytest
import torch

from coview.methods import Limit
from coview.training.health import HealthWatch, effective_rank, feature_spread, measure

HEALTHY = {"rgb": {"std": 0.9, "effective_rank": 20.0}}


def test_spread_is_one_on_the_sphere_and_zero_when_collapsed():
    torch.manual_seed(0)
    assert float(feature_spread(torch.randn(4000, 32))) == pytest.approx(1.0, abs=0.02)
    assert float(feature_spread(torch.ones(10, 32) * 3)) == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize("rank", [1, 2, 5])
def test_effective_rank_counts_equal_directions(rank):
    # plus and minus each unit vector: mean zero, `rank` equal singular values
    features = torch.cat([torch.eye(8)[:rank], -torch.eye(8)[:rank]])
    assert float(effective_rank(features)) == pytest.approx(rank, rel=1e-5)


def test_effective_rank_is_the_entropy_of_singular_values():
    torch.manual_seed(0)
    features = torch.randn(12, 6)
    unit = features / features.norm(dim=1, keepdim=True)
    values = torch.linalg.svdvals(unit - unit.mean(0)).tolist()
    shares = [value / sum(values) for value in values]
    assert float(effective_rank(features)) == pytest.approx(math.exp(-sum(p * math.log(p) for p in shares)), rel=1e-4)


def test_one_row_is_not_measured():
    assert measure({"rgb": torch.ones(1, 4)}) == {}


def test_collapse_is_named_once():
    watch = HealthWatch()
    dead = {"flow": {"std": 0.01, "effective_rank": 1.1}}
    warnings = watch.observe(dead, {}, {})
    assert len(warnings) == 1
    assert warnings[0].startswith("collapsed: the features of flow")
    assert watch.observe(dead, {}, {}) == []


@pytest.mark.parametrize(
    ("losses", "is_named"),
    [
        ([5.0] * 30, True),
        ([5.0 - 0.1 * n for n in range(30)], False),
        ([28.0 - 0.7 * n for n in range(20)], False),  # far above chance, and falling
        ([28.0] * 20, True),
        ([5.0] * 9, False),  # too early to judge
        ([3.0] * 30, False),
    ],
)
def test_a_loss_that_stays_at_chance_is_named(losses, is_named):
    watch = HealthWatch()
    found = [text for loss in losses for text in watch.observe(HEALTHY, {"rgb/cpc": loss}, {"rgb/cpc": 5.0})]
    assert (len(found) == 1 and found[0].startswith("learns nothing: rgb/cpc")) == is_named
    assert bool(found) == is_named


def test_a_meter_that_stays_out_of_its_limits_is_named_once():
    limits = {
        "used": Limit("dead prototypes", "most are never nearest", low=0.3),
        "slope": Limit("too early", "x", high=0.5),
    }
    watch, sound = HealthWatch(), {"used": 0.9, "slope": 0.1}
    dead = {**sound, "used": 0.1}
    lines = [dead] * 9 + [sound] + [dead] * 11
    found = [watch.observe(HEALTHY, {}, {}, meters, limits) for meters in lines]
    assert [place for place, texts in enumerate(found) if texts] == [19]
    assert found[19] == ["dead prototypes: most are never nearest (used is 0.1)"]
    high = [watch.observe(HEALTHY, {}, {}, {**sound, "slope": 0.6}, limits) for _ in range(10)]
    assert high[9] == ["too early: x (slope is 0.6)"]
