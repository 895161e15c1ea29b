"""Layouts: neighbours stay together, axes are those of largest spread, orientation is settled."""

import sys

import numpy as np
import pytest

from coview.analysis.projection import (
    fitting_perplexity,
    lay_out,
    nearest_rows,
    principal,
    shared_neighbours,
    turned_like,
    within_unit,
)
from coview.errors import MissingExtraError


def groups(count, *, size=8, seed=0):
    """Unit rows in three tight groups, `count` each."""
    generator = np.random.default_rng(seed)
    centres = np.repeat(np.eye(3, size), count, axis=0)
    rows = centres + 0.05 * generator.normal(size=(3 * count, size))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("shape", [(30, 4), (6, 20)])
def test_principal_axes_are_those_of_a_singular_value_decomposition(shape):
    features = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    centred = features.astype(np.float64) - features.mean(0)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    found = principal(features, 3)
    np.testing.assert_allclose(np.abs(found), np.abs(left[:, :3] * values[:3]), atol=1e-5)
    assert (found[np.abs(found).argmax(0), range(3)] > 0).all()


def test_axes_that_are_not_there_are_zero():
    found = principal(np.array([[0, 0], [1, 0], [2, 0]], np.float32), 3)
    np.testing.assert_allclose(np.abs(found), [[1, 0, 0], [0, 0, 0], [1, 0, 0]], atol=1e-6)


@pytest.mark.parametrize("method", ["tsne", "pca"])
def test_groups_stay_together(method):
    rows = groups(12)
    points = lay_out(rows, method=method, perplexity=30, seed=0)
    assert points.shape == (36, 2)
    assert points.min() == pytest.approx(0)
    assert points.max() == pytest.approx(1)
    near = nearest_rows(points, 5)
    assert ((near // 12) == (np.arange(36) // 12)[:, None]).mean() > 0.95
    np.testing.assert_array_equal(points, lay_out(rows, method=method, perplexity=30, seed=0))


def test_few_videos_and_equal_ones_are_laid_out():
    for rows in (groups(1), np.ones((3, 4), np.float32) / 2):
        assert np.isfinite(lay_out(rows, method="tsne", perplexity=30, seed=0)).all()


def test_umap_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'coview\[umap\]'"):
        lay_out(groups(3), method="umap", perplexity=5, seed=0)


def test_perplexity_fits_the_number_of_videos():
    assert [fitting_perplexity(30, count) for count in (3, 10, 80, 200, 5000)] == [1, 3, 8, 20, 30]


def test_a_turned_and_mirrored_layout_is_turned_back():
    reference = within_unit(np.random.default_rng(1).random((20, 2)))
    turn = np.array([[np.cos(1.0), -np.sin(1.0)], [np.sin(1.0), np.cos(1.0)]]) @ np.diag([1, -1])
    np.testing.assert_allclose(turned_like(3 * reference @ turn + 5, reference), reference, atol=1e-9)


def test_within_unit_keeps_the_shape():
    np.testing.assert_allclose(within_unit(np.array([[0.0, 1], [4, 1], [2, 3]])), [[0, 0.25], [1, 0.25], [0.5, 0.75]])


def test_nearest_rows_are_those_of_plain_distances():
    rows = np.random.default_rng(2).normal(size=(25, 3))
    distances = np.linalg.norm(rows[:, None] - rows[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    np.testing.assert_array_equal(nearest_rows(rows, 4), np.argsort(distances, axis=1)[:, :4])


def test_shared_neighbours_are_counted_whatever_their_order():
    one, other = np.array([[1, 2, 3], [4, 5, 6]]), np.array([[3, 1, 9], [7, 8, 9]])
    assert shared_neighbours(one, other) == pytest.approx(2 / 6)
