"""R@k against plain loops, chance against counting, the standard error against known cases."""

import itertools

import numpy as np
import pytest

from coview.evaluation.recall import bootstrap_error, chance_recall, recall_at_k


def plain_recall(queries, gallery, query_labels, gallery_labels, k, query_groups=None, gallery_groups=None):
    found = 0
    for q, query in enumerate(queries):
        order = []
        for g, item in enumerate(gallery):
            if query_groups is None or query_groups[q] != gallery_groups[g]:
                order.append((-float(np.float32(query @ item)), g))
        order.sort()
        found += any(gallery_labels[g] == query_labels[q] for _, g in order[:k])
    return found / len(queries)


@pytest.mark.parametrize("with_groups", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_equals_plain_loops(seed, with_groups):
    """Small integers tie often, many cosines are negative, some classes have one sample or none in the gallery."""
    generator = np.random.default_rng(seed)
    queries = generator.integers(-2, 2, (15, 3)).astype(np.float32)
    gallery = generator.integers(-2, 2, (12, 3)).astype(np.float32)
    query_labels = [f"class{label}" for label in generator.integers(0, 6, 15)]
    gallery_labels = [f"class{label}" for label in generator.integers(0, 4, 12)]
    groups = (generator.integers(0, 3, 15).astype(str), generator.integers(0, 3, 12).astype(str))
    given = {"query_groups": groups[0], "gallery_groups": groups[1]} if with_groups else {}
    scores, hits, neighbours = recall_at_k(
        queries, gallery, query_labels=query_labels, gallery_labels=gallery_labels, ks=(1, 2, 5, 12, 50), **given
    )
    for place, k in enumerate((1, 2, 5, 12, 50)):
        expected = plain_recall(queries, gallery, query_labels, gallery_labels, k, *(groups if with_groups else ()))
        assert scores[f"R@{k}"] == pytest.approx(expected)
        assert hits[:, place].mean() == pytest.approx(expected)
    assert neighbours.shape == (15, 12)


def test_all_cosines_negative_still_finds_the_least_negative():
    gallery = np.array([[-1, 0], [-0.6, -0.8]], np.float32)
    scores, _, _ = recall_at_k(
        np.array([[1, 0]], np.float32), gallery, query_labels=["b"], gallery_labels=["a", "b"], ks=(1,)
    )
    assert scores == {"R@1": 1.0}


def test_a_class_that_is_not_in_the_gallery_is_a_miss():
    rows = np.eye(2, dtype=np.float32)
    scores, _, _ = recall_at_k(rows, rows, query_labels=["a", "z"], gallery_labels=["a", "b"], ks=(1, 50))
    assert scores == {"R@1": 0.5, "R@50": 0.5}


def test_nothing_to_score_is_nan_not_a_number_that_looks_good():
    empty = np.zeros((0, 2), np.float32)
    scores, _, _ = recall_at_k(empty, np.ones((2, 2), np.float32), query_labels=[], gallery_labels=["a", "b"])
    assert np.isnan(scores["R@1"])
    scores, hits, _ = recall_at_k(np.ones((2, 2), np.float32), empty, query_labels=["a", "b"], gallery_labels=[])
    assert scores["R@50"] == 0
    assert hits.shape == (2, 5)


@pytest.mark.parametrize("grouped", [False, True])
def test_chance_is_the_mean_over_all_orders(grouped):
    gallery_labels, query_labels = ["a", "a", "b", "c", "c"], ["a", "b", "z"]
    query_groups, gallery_groups = ["0", "1", "2"], ["0", "1", "1", "0", "2"]
    given = {"query_groups": query_groups, "gallery_groups": gallery_groups} if grouped else {}
    scores = chance_recall(query_labels=query_labels, gallery_labels=gallery_labels, ks=(1, 2, 4, 9), **given)
    for k in (1, 2, 4, 9):
        hits = []
        for q, label in enumerate(query_labels):
            left = [g for g in range(5) if not grouped or gallery_groups[g] != query_groups[q]]
            hits.append(
                np.mean([any(gallery_labels[g] == label for g in order[:k]) for order in itertools.permutations(left)])
            )
        assert scores[f"R@{k}"] == pytest.approx(np.mean(hits))


def test_standard_error_of_independent_videos_is_the_binomial_one():
    hits = np.arange(150) % 10 < 3
    expected = np.sqrt(0.3 * 0.7 / 150)
    assert bootstrap_error(hits, [str(place) for place in range(150)]) == pytest.approx(expected, rel=0.1)


def test_standard_error_grows_where_groups_succeed_together():
    hits = np.repeat(np.arange(15) % 3 == 0, 10)
    groups = np.repeat(np.arange(15), 10).astype(str)
    assert bootstrap_error(hits, groups) == pytest.approx(np.sqrt(1 / 3 * 2 / 3 / 15), rel=0.15)
    assert bootstrap_error(np.ones(20, bool), ["x"] * 20) == 0
    assert np.isnan(bootstrap_error(np.zeros(0, bool), []))
