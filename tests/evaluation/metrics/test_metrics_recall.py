"""R@k against plain loops, chance against counting, and excluded neighbours that must never count."""

import itertools

import numpy as np
import pytest

from coview.evaluation.metrics.recall import chance_recall, recall_at_k
from coview.evaluation.query_gallery import QueryGallerySplit


def apart(num_queries, num_gallery, groups=None):
    """Queries first, then the gallery."""
    everyone = range(num_queries + num_gallery)
    return QueryGallerySplit(tuple(everyone[:num_queries]), tuple(everyone[num_queries:]), groups)


def plain_recall(features, labels, split, k):
    found = 0
    for query in split.queries:
        order = []
        for item in split.gallery:
            if split.groups is None or split.groups[query] != split.groups[item]:
                order.append((-float(np.float32(features[query] @ features[item])), item))
        order.sort()
        found += any(labels[item] == labels[query] for _, item in order[:k])
    return found / len(split.queries)


@pytest.mark.parametrize("with_groups", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_equals_plain_loops(seed, with_groups):
    """Small integers tie often, many cosines are negative, some classes have one sample or none in the gallery."""
    generator = np.random.default_rng(seed)
    features = generator.integers(-2, 2, (27, 3)).astype(np.float32)
    labels = [f"class{label}" for label in (*generator.integers(0, 6, 15), *generator.integers(0, 4, 12))]
    split = apart(15, 12, tuple(generator.integers(0, 3, 27).astype(str)) if with_groups else None)
    found = recall_at_k(features, labels, split, ks=(1, 2, 5, 12, 50))
    for k in (1, 2, 5, 12, 50):
        assert found.scores[f"R@{k}"] == pytest.approx(plain_recall(features, labels, split, k))
    hits = [given == label for given, label in zip(found.predicted, labels[:15], strict=True)]
    assert np.mean(hits) == pytest.approx(found.scores["R@1"])


def test_a_neighbour_of_the_own_group_never_counts_however_many_are_asked_for():
    """One candidate, of the wrong class; the excluded rows, the last among them, are all of the right one."""
    features = np.eye(4, dtype=np.float32)
    split = QueryGallerySplit((0,), (0, 1, 2, 3), ("own", "other", "own", "own"))
    found = recall_at_k(features, ["a", "b", "a", "a"], split, ks=(1, 2, 4))
    assert found.scores == {"R@1": 0.0, "R@2": 0.0, "R@4": 0.0}
    assert chance_recall(["a", "b", "a", "a"], split, ks=(1, 2, 4)) == {"R@1": 0.0, "R@2": 0.0, "R@4": 0.0}


def test_a_query_without_any_candidate_is_given_no_class():
    split = QueryGallerySplit((0, 1), (0, 1), ("own", "own"))
    found = recall_at_k(np.eye(2, dtype=np.float32), ["a", "a"], split, ks=(1, 2))
    assert found.scores == {"R@1": 0.0, "R@2": 0.0}
    assert found.predicted == ["", ""]


def test_all_cosines_negative_still_finds_the_least_negative():
    features = np.array([[1, 0], [-1, 0], [-0.6, -0.8]], np.float32)
    found = recall_at_k(features, ["b", "a", "b"], apart(1, 2), ks=(1,))
    assert found.scores == {"R@1": 1.0}
    assert found.predicted == ["b"]


def test_a_class_that_is_not_in_the_gallery_is_a_miss():
    features = np.tile(np.eye(2, dtype=np.float32), (2, 1))
    assert recall_at_k(features, ["a", "z", "a", "b"], apart(2, 2), ks=(1, 50)).scores == {"R@1": 0.5, "R@50": 0.5}


def test_nothing_to_score_is_nan_not_a_number_that_looks_good():
    features = np.ones((2, 2), np.float32)
    assert np.isnan(recall_at_k(features, ["a", "b"], apart(0, 2)).scores["R@1"])
    found = recall_at_k(features, ["a", "b"], apart(2, 0))
    assert found.scores["R@50"] == 0
    assert found.predicted == ["", ""]


@pytest.mark.parametrize("grouped", [False, True])
def test_chance_is_the_mean_over_all_orders(grouped):
    labels, groups = ["a", "b", "z", "a", "a", "b", "c", "c"], ("0", "1", "2", "0", "1", "1", "0", "2")
    split = apart(3, 5, groups if grouped else None)
    scores = chance_recall(labels, split, ks=(1, 2, 4, 9))
    for k in (1, 2, 4, 9):
        hits = []
        for query in split.queries:
            left = [item for item in split.gallery if not grouped or groups[item] != groups[query]]
            orders = itertools.permutations(left)
            hits.append(np.mean([any(labels[item] == labels[query] for item in order[:k]) for order in orders]))
        assert scores[f"R@{k}"] == pytest.approx(np.mean(hits))
