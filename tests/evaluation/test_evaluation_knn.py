"""Votes of neighbours against plain loops and scikit-learn."""

import math

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from coview.evaluation.knn import votes


def unit_rows(generator, n):
    rows = generator.normal(size=(n, 4)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("with_groups", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_equals_plain_loops(seed, with_groups):
    generator = np.random.default_rng(seed)
    queries, gallery = unit_rows(generator, 9), unit_rows(generator, 14)
    targets = generator.integers(0, 3, 14)
    groups = [[str(v) for v in generator.integers(0, 3, n)] for n in (9, 14)]
    given = {"query_groups": groups[0], "gallery_groups": groups[1]} if with_groups else {}
    found = votes(queries, gallery, targets, num_classes=4, neighbours=5, temperature=0.1, **given)
    assert found.shape == (9, 4)
    for q in range(9):
        candidates = [g for g in range(14) if not with_groups or groups[0][q] != groups[1][g]]
        best = sorted(candidates, key=lambda g, q=q: -float(queries[q] @ gallery[g]))[:5]
        for number in range(4):
            total = sum(math.exp(float(queries[q] @ gallery[g]) / 0.1) for g in best if targets[g] == number)
            expected = math.log(total) if total else -math.inf
            assert found[q, number] == pytest.approx(expected, rel=1e-4)


def test_the_best_class_is_scikit_learns():
    generator = np.random.default_rng(5)
    queries, gallery = unit_rows(generator, 40), unit_rows(generator, 60)
    targets = generator.integers(0, 5, 60)
    model = KNeighborsClassifier(7, metric="cosine", weights=lambda distance: np.exp((1 - distance) / 0.07))
    expected = model.fit(gallery, targets).predict(queries)
    found = votes(queries, gallery, targets, num_classes=5, neighbours=7, temperature=0.07)
    np.testing.assert_array_equal(found.argmax(axis=1), expected)


def test_a_tiny_temperature_neither_overflows_nor_forgets():
    rows = np.eye(3, dtype=np.float32)
    found = votes(rows, rows, np.array([0, 1, 2]), num_classes=3, neighbours=50, temperature=1e-3)
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found.argmax(axis=1), [0, 1, 2])


def test_nobody_left_to_vote():
    rows = np.eye(2, dtype=np.float32)
    given = {"query_groups": ["x", "x"], "gallery_groups": ["x", "x"]}
    found = votes(rows, rows, np.array([0, 1]), num_classes=2, neighbours=1, temperature=0.1, **given)
    assert np.isneginf(found).all()
