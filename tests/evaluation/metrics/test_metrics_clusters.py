"""The five cluster measures against plain loops and numbers worked out by hand; k-means; what chance gives."""

import itertools
import math

import numpy as np
import pytest

from coview.evaluation.metrics.clusters import chance_clusters, clustering_scores, fit_kmeans, score_assignments
from coview.evaluation.query_gallery import QueryGallerySplit


def plain_metrics(assignments, labels):
    clusters, classes, n = sorted(set(assignments)), sorted(set(labels)), len(labels)

    def count(cluster, name):
        return sum(a == cluster and b == name for a, b in zip(assignments, labels, strict=True))

    few, many = sorted((clusters, classes), key=len)
    matchings = [list(zip(few, chosen, strict=True)) for chosen in itertools.permutations(many, len(few))]
    if few is not clusters:
        matchings = [[(cluster, name) for name, cluster in matching] for matching in matchings]
    accuracy = max(sum(count(*pair) for pair in matching) for matching in matchings) / n

    def entropy(values):
        shares = [values.count(v) / len(values) for v in set(values)]
        return -sum(p * math.log(p) for p in shares)

    both = list(zip(assignments, labels, strict=True))
    mutual = entropy(assignments) + entropy(labels) - entropy(both)
    mean = (entropy(assignments) + entropy(labels)) / 2
    agree = [[(a[0] == b[0]), (a[1] == b[1])] for a, b in itertools.combinations(both, 2)]
    together = sum(x and y for x, y in agree)
    in_cluster, in_class = sum(x for x, _ in agree), sum(y for _, y in agree)
    expected = in_cluster * in_class / len(agree)
    members = [[label for a, label in both if a == cluster] for cluster in clusters]
    return {
        "accuracy": accuracy,
        "NMI": mutual / mean,
        "ARI": (together - expected) / ((in_cluster + in_class) / 2 - expected),
        "mean entropy": sum(entropy(m) for m in members) / len(clusters),
        "mean max purity": sum(max(m.count(v) for v in m) / len(m) for m in members) / len(clusters),
    }


@pytest.mark.parametrize("num_clusters", [2, 4, 6])
@pytest.mark.parametrize("seed", range(3))
def test_equals_plain_loops(seed, num_clusters):
    generator = np.random.default_rng(seed)
    labels = [f"class{v}" for v in generator.integers(0, 4, 30)]
    assignments = (3 * generator.integers(0, num_clusters, 30)).tolist()
    found = score_assignments(assignments, labels)
    assert found == pytest.approx(plain_metrics(assignments, labels))


def test_by_hand():
    """Cluster 0 holds a a b, cluster 1 holds b: 3 of 4 match; entropies are h(1/3) and 0; purities 2/3 and 1."""
    found = score_assignments([0, 0, 0, 1], ["a", "a", "b", "b"])
    assert found["accuracy"] == pytest.approx(3 / 4)
    assert found["mean entropy"] == pytest.approx((math.log(3) - 2 / 3 * math.log(2)) / 2)
    assert found["mean max purity"] == pytest.approx((2 / 3 + 1) / 2)
    assert found["ARI"] == pytest.approx(0)  # one pair together in both, (3 * 2) / 6 = 1 expected


def test_names_of_clusters_do_not_matter_and_a_perfect_match_is_best():
    assert score_assignments([7, 7, -2, -2, 5], ["a", "a", "b", "b", "c"]) == pytest.approx(
        {"accuracy": 1, "NMI": 1, "ARI": 1, "mean entropy": 0, "mean max purity": 1}
    )


def test_everything_in_one_cluster_tells_nothing():
    found = score_assignments([0, 0, 0, 0], ["a", "a", "b", "c"])
    assert (found["NMI"], found["ARI"], found["accuracy"]) == pytest.approx((0, 0, 0.5))


def test_each_video_by_itself_is_pure_but_not_right():
    found = score_assignments(range(4), ["a", "a", "b", "b"])
    assert (found["mean max purity"], found["accuracy"], found["ARI"]) == pytest.approx((1, 0.5, 0))


def test_one_video_none_and_unequal_lengths():
    assert score_assignments([3], ["a"])["accuracy"] == 1
    assert score_assignments([3], ["a"])["ARI"] == 1
    assert all(math.isnan(value) for value in score_assignments([], []).values())
    with pytest.raises(ValueError, match="2 assignments for 1 labels"):
        score_assignments([0, 1], ["a"])


def test_clusters_that_are_apart_are_found():
    generator = np.random.default_rng(0)
    targets = np.arange(60) % 3
    rows = (np.eye(5)[targets] + 0.02 * generator.normal(size=(60, 5))).astype(np.float32)
    assigned = fit_kmeans(rows[:30], rows[30:], k=3, restarts=3, seed=0)
    assert score_assignments(assigned, [str(t) for t in targets[30:]])["accuracy"] == 1
    np.testing.assert_array_equal(assigned, fit_kmeans(rows[:30], rows[30:], k=3, restarts=3, seed=0))


def test_chance_of_many_videos_is_close_to_nothing_and_of_few_it_is_not():
    many = chance_clusters([str(n % 4) for n in range(4000)], k=4)
    assert many == pytest.approx(
        {"accuracy": 0.25, "NMI": 0, "ARI": 0, "mean entropy": np.log(4), "mean max purity": 0.25}, abs=0.03
    )
    few = chance_clusters([str(n % 4) for n in range(8)], k=4)
    assert few["NMI"] > 0.3
    assert few["accuracy"] > 0.4


def test_the_metric_fits_the_gallery_and_scores_the_queries():
    generator = np.random.default_rng(0)
    targets = np.arange(60) % 3
    rows = (np.eye(5)[targets] + 0.02 * generator.normal(size=(60, 5))).astype(np.float32)
    split = QueryGallerySplit(tuple(range(30)), tuple(range(30, 60)))
    found = clustering_scores(rows, [str(t) for t in targets], split, restarts=2)
    assert found.scores == pytest.approx(
        {"accuracy": 1, "NMI": 1, "ARI": 1, "mean entropy": 0, "mean max purity": 1}, abs=1e-6
    )
    assert not found.scales["mean entropy"].higher_is_better


def test_centres_are_those_of_the_gallery():
    """All queries are nearest to one of its two centres, though they are two clumps among themselves."""
    angles = np.radians([1, 2, 20, 21, 10, 11, 170, 171])
    rows = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    labels = ["a", "a", "b", "b", "a", "a", "b", "b"]
    found = clustering_scores(rows, labels, QueryGallerySplit((0, 1, 2, 3), (4, 5, 6, 7)), restarts=2)
    assert found.scores["accuracy"] == 0.5
    assert clustering_scores(rows, labels, QueryGallerySplit((0, 1, 2, 3), (0, 1, 2, 3))).scores["accuracy"] == 1
