"""Votes of neighbours against plain loops and scikit-learn."""

import math

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from coview.evaluation.metrics.knn import _count_votes, knn_accuracy
from coview.evaluation.query_gallery import QueryGallerySplit


def unit_rows(generator, n):
    rows = generator.normal(size=(n, 4)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def apart(num_queries, num_gallery, groups=None):
    everyone = range(num_queries + num_gallery)
    return QueryGallerySplit(tuple(everyone[:num_queries]), tuple(everyone[num_queries:]), groups)


@pytest.mark.parametrize("with_groups", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_equals_plain_loops(seed, with_groups):
    generator = np.random.default_rng(seed)
    features, targets = unit_rows(generator, 23), generator.integers(0, 3, 14)
    groups = tuple(str(v) for v in generator.integers(0, 3, 23))
    split = apart(9, 14, groups if with_groups else None)
    found = _count_votes(features, targets, split, num_classes=4, neighbours=5, temperature=0.1)
    assert found.shape == (9, 4)
    for q in split.queries:
        candidates = [g for g in split.gallery if not with_groups or groups[q] != groups[g]]
        best = sorted(candidates, key=lambda g, q=q: -float(features[q] @ features[g]))[:5]
        for number in range(4):
            total = sum(math.exp(float(features[q] @ features[g]) / 0.1) for g in best if targets[g - 9] == number)
            expected = math.log(total) if total else -math.inf
            assert found[q, number] == pytest.approx(expected, rel=1e-4)


def test_the_best_class_is_scikit_learns():
    generator = np.random.default_rng(5)
    features, targets = unit_rows(generator, 100), generator.integers(0, 5, 100)
    model = KNeighborsClassifier(7, metric="cosine", weights=lambda distance: np.exp((1 - distance) / 0.07))
    expected = model.fit(features[40:], targets[40:]).predict(features[:40])
    found = knn_accuracy(features, [str(target) for target in targets], apart(40, 60), neighbours=7)
    assert list(found.predicted) == [str(target) for target in expected]
    assert found.scores["top-1"] == pytest.approx((expected == targets[:40]).mean())


def test_a_tiny_temperature_neither_overflows_nor_forgets():
    rows = np.tile(np.eye(3, dtype=np.float32), (2, 1))
    found = _count_votes(rows, np.arange(3), apart(3, 3), num_classes=3, neighbours=50, temperature=1e-3)
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found.argmax(axis=1), [0, 1, 2])


def test_nobody_left_to_vote():
    rows = np.tile(np.eye(2, dtype=np.float32), (2, 1))
    split = apart(2, 2, ("x",) * 4)
    found = _count_votes(rows, np.arange(2), split, num_classes=2, neighbours=1, temperature=0.1)
    assert np.isneginf(found).all()
    assert knn_accuracy(rows, ["a", "b", "a", "b"], split).predicted == ["", ""]
