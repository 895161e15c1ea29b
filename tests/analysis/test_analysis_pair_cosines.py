"""All pairs, against plain loops over them."""

import itertools

import numpy as np
import pytest

from coview.analysis import pair_cosines as module
from coview.analysis.pair_cosines import BINS, Distribution, area_under_curve, pair_cosines


def unit_rows(n, size, seed=0):
    rows = np.random.default_rng(seed).normal(size=(n, size)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_every_pair_is_counted_once_under_its_kind(monkeypatch):
    monkeypatch.setattr(module, "ROWS", 7)
    rows = unit_rows(23, 5)
    labels = [f"c{n % 3}" for n in range(23)]
    groups = [f"g{n // 4}" for n in range(23)]
    found = pair_cosines(rows, labels, groups)
    expected = {(True, False): [], (True, True): [], (False, False): [], (False, True): []}
    for i, j in itertools.combinations(range(23), 2):
        expected[labels[i] == labels[j], groups[i] == groups[j]].append(float(rows[i] @ rows[j]))
    kinds = (found.same, found.same_group, found.other, found.other_group)
    for kind, cosines in zip(kinds, expected.values(), strict=True):
        assert kind.pairs == len(cosines)
        assert kind.mean == pytest.approx(np.mean(cosines), abs=1e-5)
        assert kind.deviation == pytest.approx(np.std(cosines), abs=1e-5)
        edges, counts = kind.coarse(8)
        assert counts.sum() == len(cosines)
        expected_counts, _ = np.histogram(cosines, edges)
        assert np.abs(counts - expected_counts).sum() <= 2  # a cosine on an edge, give or take rounding
    same, other = expected[True, False], expected[False, False]
    wins = np.mean([(one > two) + 0.5 * (one == two) for one in same for two in other])
    assert area_under_curve(found.same, found.other) == pytest.approx(wins, abs=1e-3)


def counted(*places):
    counts = np.zeros(BINS, np.int64)
    np.add.at(counts, list(places), 1)
    return Distribution(counts, 0.0, 1.0)


def test_area_under_curve_by_hand():
    """Of 2 x 2 comparisons: 9 > 5, 9 > 7, 7 > 5, 7 = 7."""
    assert area_under_curve(counted(9, 7), counted(5, 7)) == pytest.approx(3.5 / 4)
    assert area_under_curve(counted(1), counted(2)) == 0
    assert np.isnan(area_under_curve(counted(), counted(2)))
    assert np.isnan(counted().mean)
    assert counted(1, 2).with_(counted(2)).pairs == 3


def test_equal_videos_are_no_division_by_zero():
    found = pair_cosines(np.ones((4, 1), np.float32), ["a", "a", "b", "b"], list("wxyz"))
    assert (found.same.pairs, found.other.pairs) == (2, 4)
    assert area_under_curve(found.same, found.other) == 0.5
