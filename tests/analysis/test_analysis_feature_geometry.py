"""Measures of a set of features against plain loops and on sets whose answer is known."""

import itertools

import numpy as np
import pytest
import torch

from coview.analysis import feature_geometry as module
from coview.analysis.feature_geometry import alignment, chance_overlap, hubs, measure_geometry, share_of_distance
from coview.training.health import effective_rank


def unit_rows(n, size, seed=0, offset=0.0):
    rows = np.random.default_rng(seed).normal(size=(n, size)) + offset
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("shape", [(30, 6), (8, 20)])
def test_spread_against_plain_loops(shape, monkeypatch):
    monkeypatch.setattr(module, "_ROWS", 7)
    rows = unit_rows(*shape, offset=0.5)
    found = measure_geometry(rows)
    pairs = list(itertools.combinations(rows.astype(np.float64), 2))
    assert found.uniformity == pytest.approx(
        np.log(np.mean([np.exp(-2 * ((a - b) ** 2).sum()) for a, b in pairs])), abs=1e-5
    )
    assert found.mean_cosine == pytest.approx(np.mean([a @ b for a, b in pairs]), abs=1e-5)
    assert found.effective_rank == pytest.approx(float(effective_rank(torch.from_numpy(rows))), rel=1e-3)
    values = np.linalg.svd(rows.astype(np.float64) - rows.mean(0, dtype=np.float64), compute_uv=False) ** 2
    np.testing.assert_allclose(found.spectrum[: len(values)], values / values.sum(), atol=1e-5)
    assert found.spectrum.sum() == pytest.approx(1)


def test_equal_features_and_opposite_ones():
    same = measure_geometry(np.tile(np.array([[1.0, 0.0]], np.float32), (5, 1)))
    assert same.uniformity == pytest.approx(0)
    assert same.mean_cosine == pytest.approx(1)
    two = measure_geometry(np.array([[1.0, 0.0], [-1.0, 0.0]], np.float32))
    assert two.uniformity == pytest.approx(-8)  # |x - y|^2 = 4
    assert two.effective_rank == pytest.approx(1)


def test_closeness_is_the_mean_squared_distance():
    one, other = np.array([[1, 0], [0, 1]], np.float32), np.array([[0, 1], [0, 1]], np.float32)
    assert alignment(one, other) == pytest.approx((2 + 0) / 2)


def test_hubs_are_counted():
    """Video 0 is in every other list; 3 and 4 are in none."""
    found = hubs(np.array([[1, 2], [0, 2], [0, 1], [0, 1], [0, 2]]))
    assert found.occurrences.tolist() == [4, 3, 3, 0, 0]
    assert found.antihubs == pytest.approx(2 / 5)
    assert found.largest == pytest.approx(4 / 5)
    counts = np.array([4, 3, 3, 0, 0])
    assert found.skewness == pytest.approx(((counts - 2) ** 3).mean() / counts.std() ** 3)
    assert hubs(np.array([[1], [2], [0]])).skewness == 0
    star = np.zeros((20, 1), np.int64)
    star[0] = 1
    assert hubs(star).skewness > 3


def test_overlap_by_chance():
    generator = np.random.default_rng(0)
    drawn = [np.isin(generator.permutation(19)[:5], generator.permutation(19)[:5]).mean() for _ in range(2000)]
    assert chance_overlap(20, 5) == pytest.approx(np.mean(drawn), abs=0.02)


def test_a_change_is_measured_by_the_distance_between_videos():
    """Three videos at right angles; a change half way to another costs 1 - cos 45 degrees."""
    originals = np.eye(3, dtype=np.float32)
    cosine, share = share_of_distance(originals, originals)
    assert (cosine, share) == (pytest.approx(1), pytest.approx(0))
    half = (originals + np.roll(originals, 1, axis=0)) / np.sqrt(np.float32(2))
    assert share_of_distance(originals, half)[1] == pytest.approx(1 - np.sqrt(0.5), abs=1e-6)
    assert share_of_distance(originals, np.roll(originals, 1, axis=0))[1] == pytest.approx(1)
    assert np.isnan(share_of_distance(np.ones((2, 1), np.float32), np.ones((2, 1), np.float32))[1])
