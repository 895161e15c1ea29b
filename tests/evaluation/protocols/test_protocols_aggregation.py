"""From metric values to rows: what an ensemble averages, and how folds are put together."""

import statistics

import numpy as np
import pytest

from coview.datatypes import VideoEntry
from coview.evaluation.ensembles import VIEWS_JOINED
from coview.evaluation.features import FeatureTable
from coview.evaluation.metrics.accuracy import accuracy_of_scores
from coview.evaluation.metrics.base import MetricValues
from coview.evaluation.metrics.linear import linear_accuracy
from coview.evaluation.protocols.aggregation import aggregate_folds, measure_features, score_rows
from coview.evaluation.query_gallery import EvaluationVideos, QueryGallerySplit

LABELS = ("a", "b", "a", "b")
SPLIT = QueryGallerySplit((0, 1), (2, 3))
ENTRIES = tuple(VideoEntry(id=str(row), path="", label=label) for row, label in enumerate(LABELS))
TABLE = FeatureTable(
    "trained",
    {"rgb": np.eye(4, dtype=np.float32), "flow": np.eye(4, dtype=np.float32)[::-1].copy()},
    {"both": {"rgb": 0.25, "flow": 0.75}},
)
EVEN = {"rgb": 0.5, "flow": 0.5}


def test_an_ensemble_averages_probabilities_where_a_metric_gives_them():
    """Flow weighs three times as much and is sure of the wrong class; joined vectors would be right."""

    def metric(features, labels, split):
        is_rgb = features.shape[1] == 4 and features[0, 0] == 1
        scores = np.array([[0.9, 0.1], [0.1, 0.9]] if is_rgb else [[0.2, 0.8], [0.8, 0.2]], np.float32)
        return accuracy_of_scores(scores, ["a", "b"], ["a", "b"], is_probability=features.shape[1] == 4)

    found = measure_features(TABLE, metric, LABELS, SPLIT)
    assert found["rgb"].scores["top-1"] == 1
    np.testing.assert_allclose(found["both"].probabilities, [[0.375, 0.625], [0.625, 0.375]], rtol=1e-6)
    assert found["both"].predicted == ["b", "a"]


def test_one_classifier_reads_all_views_where_ensembles_average_probabilities():
    """Each view alone tells one class from the two others; side by side they tell all three."""
    labels = ("a", "b", "c") * 4
    split = QueryGallerySplit(tuple(range(6)), tuple(range(6, 12)))
    features = {
        "rgb": np.array([[1, 0], [0, 1], [0, 1]] * 4, np.float32),
        "flow": np.array([[0, 1], [0, 1], [1, 0]] * 4, np.float32),
    }
    found = measure_features(FeatureTable("trained", features, {"both": EVEN}), linear_accuracy, labels, split)
    assert found["rgb"].scores["top-1"] == found["flow"].scores["top-1"] == pytest.approx(2 / 3)
    assert found[VIEWS_JOINED].predicted == ["a", "b", "c"] * 2
    joined = np.concatenate(list(features.values()), axis=1) / np.float32(np.sqrt(2))
    alone = linear_accuracy(joined, labels, split)
    np.testing.assert_allclose(found[VIEWS_JOINED].probabilities, alone.probabilities, rtol=1e-5)


def test_an_ensemble_averages_cosines_where_a_metric_gives_none():
    seen = []

    def metric(features, labels, split):
        seen.append(features @ features.T)
        return {"size": float(features.shape[1])}

    assert measure_features(TABLE, metric, LABELS, SPLIT)["both"].scores == {"size": 8}
    np.testing.assert_allclose(seen[2], 0.25 * seen[0] + 0.75 * seen[1], rtol=1e-6)


def test_folds_give_mean_and_sample_deviation():
    videos = EvaluationVideos(ENTRIES, (SPLIT,) * 3, {})
    values = [0.2, 0.5, 0.9]
    found = [MetricValues({"x": value}) for value in values]
    row = aggregate_folds("trained", "rgb", videos, found, seed=0, description="")
    assert row.metrics["x"] == pytest.approx(statistics.fmean(values))
    assert row.standard_errors["x"] == pytest.approx(statistics.stdev(values))


def test_one_fold_has_an_error_only_where_queries_were_given_a_class():
    videos = EvaluationVideos(ENTRIES, (SPLIT,), {})
    silent = score_rows(TABLE, lambda *_: {"x": 0.5}, videos, seed=0)[0]
    assert [(row.name, dict(row.standard_errors)) for row in silent] == [("rgb", {}), ("flow", {}), ("both", {})]
    rows, given = score_rows(TABLE, lambda *_: MetricValues({"x": 0.5}, predicted=["a", "a"]), videos, seed=0)
    assert rows[0].standard_errors["x"] == pytest.approx(np.sqrt(0.25 / 2), rel=0.1)
    assert given["both"] == ["a", "a"]
