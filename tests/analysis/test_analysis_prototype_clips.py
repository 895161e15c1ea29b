"""Prototypes: who is nearest to which, against plain loops; purity by hand; a real run of vicc."""

import dataclasses
from collections import Counter

import numpy as np
import pytest

from coview.analysis import analyse_run
from coview.analysis.prototype_clips import assigned, chance_purity, majority, purity
from coview.config import ClipSettings
from coview.errors import UserError
from small_run import make_run, small_config


def test_assignments_equal_plain_loops():
    cosines = np.random.default_rng(0).uniform(-1, 1, (20, 6)).astype(np.float32)
    cosines[:, 2] = -2
    found = assigned(cosines)
    nearest = [max(range(6), key=lambda k, row=row: row[k]) for row in cosines]
    assert found.nearest.tolist() == nearest
    counts = Counter(nearest)
    assert found.usage.tolist() == [counts[k] for k in range(6)]
    assert found.usage[2] == 0
    assert found.num_used == len(counts)
    for k in range(6):
        own = [place for place in range(20) if nearest[place] == k]
        assert found.members(k) == sorted(own, key=lambda place, k=k: -cosines[place, k])


def test_the_effective_number_by_hand():
    def number(*usage):
        rows = np.eye(4, dtype=np.float32)[np.repeat(np.arange(4), usage)]
        return assigned(rows).effective_number

    assert number(2, 2, 2, 2) == pytest.approx(4)
    assert number(8, 0, 0, 0) == pytest.approx(1)
    assert number(4, 4, 0, 0) == pytest.approx(2)


def test_purity_by_hand():
    nearest = np.array([0, 0, 0, 1, 1, 7])
    labels = ["a", "a", "b", "b", "", "c"]
    assert purity(nearest, labels) == pytest.approx((2 + 1 + 1) / 5)
    assert np.isnan(purity(nearest, [""] * 6))
    assert majority(["b", "a", "a", "b", ""]) == ("a", 0.5)
    assert majority(["", ""])[0] == ""


def test_small_clusters_are_pure_by_chance():
    labels = ["a", "b"] * 10
    assert chance_purity(np.arange(20), labels, seed=0) == 1.0
    assert chance_purity(np.zeros(20, np.int64), labels, seed=0) == 0.5
    assert 0.5 < chance_purity(np.repeat(np.arange(5), 4), labels, seed=0) < 0.9


def test_a_real_run(small_run, tmp_path):
    config = dataclasses.replace(
        small_config(),
        method={"name": "vicc", "prototypes": 3, "queue": 0, "projection_size": 8, "cycles": 0},
        clip=ClipSettings(num_blocks=1, block_length=4, frame_stride=1, clips_per_video=2),
    )
    make_run(tmp_path / "run", small_run.data, config)
    result = analyse_run(tmp_path / "run", small_run.data, analysis="prototypes", part="all", options={"clips": 2})
    assert [figure.name for figure in result.findings.figures] == ["rgb", "flow", "usage"]
    for view in ("rgb", "flow"):
        values = result.findings.values[view]
        assert sum(values["usage"]) == 9
        assert values["prototypes"] == 3
        assert 0 < values["purity"] <= 1
    assert "prototypes are nearest to any of the 9 videos" in result.findings.sentences[0]


def test_a_method_without_prototypes_says_so(small_run):
    with pytest.raises(UserError, match="method cpc learns no prototypes"):
        analyse_run(small_run.run, small_run.data, analysis="prototypes", part="all")
