"""k-means as the protocol uses it, and what chance gives."""

import numpy as np
import pytest

from coview.evaluation.cluster_metrics import cluster_metrics
from coview.evaluation.clusters import chance_metrics, kmeans


def test_clusters_that_are_apart_are_found():
    generator = np.random.default_rng(0)
    targets = np.arange(60) % 3
    rows = (np.eye(5)[targets] + 0.02 * generator.normal(size=(60, 5))).astype(np.float32)
    assigned = kmeans(rows[:30], rows[30:], k=3, restarts=3, seed=0)
    assert cluster_metrics(assigned, [str(t) for t in targets[30:]])["accuracy"] == 1
    np.testing.assert_array_equal(assigned, kmeans(rows[:30], rows[30:], k=3, restarts=3, seed=0))


def test_chance_of_many_videos_is_close_to_nothing_and_of_few_it_is_not():
    many = chance_metrics([str(n % 4) for n in range(4000)], k=4)
    assert many == pytest.approx(
        {"accuracy": 0.25, "NMI": 0, "ARI": 0, "mean entropy": np.log(4), "mean max purity": 0.25}, abs=0.03
    )
    few = chance_metrics([str(n % 4) for n in range(8)], k=4)
    assert few["NMI"] > 0.3
    assert few["accuracy"] > 0.4
