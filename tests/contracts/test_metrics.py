"""What holds for every metric: a new row in the registry is tested by being there."""

import math

import numpy as np
import pytest

from coview.evaluation import METRICS, evaluate
from coview.evaluation.metrics.base import as_values
from coview.evaluation.query_gallery import QueryGallerySplit
from small_run import small_run

__all__ = ["small_run"]

SPLIT = QueryGallerySplit(tuple(range(12)), tuple(range(12, 48)))
LABELS = tuple(f"class{number % 3}" for number in range(48))


def rows(*, spread, seed=0):
    """Unit rows around one direction for each class."""
    generator = np.random.default_rng(seed)
    features = np.eye(6)[np.arange(48) % 3] + spread * generator.normal(size=(48, 6))
    return (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(params=list(METRICS))
def metric(request):
    return METRICS.load(request.param)


def test_classes_that_are_apart_score_better_than_noise(metric):
    apart, noise = (as_values(metric(rows(spread=spread), LABELS, SPLIT)) for spread in (0.02, 100.0))
    assert list(apart.scores) == list(noise.scores)
    for name, value in apart.scores.items():
        scale = apart.scales.get(name)
        assert math.isfinite(value)
        assert scale is not None or 0 <= value <= 1
        better = value > noise.scores[name] if scale is None else scale.better(value, noise.scores[name])
        assert better or value == noise.scores[name]
    first = next(iter(apart.scores))
    assert apart.scores[first] != noise.scores[first]


def test_it_changes_nothing_and_says_the_same_twice(metric):
    features = rows(spread=0.5)
    before = features.copy()
    first, second = (as_values(metric(features, LABELS, SPLIT)) for _ in range(2))
    assert first.scores == second.scores
    np.testing.assert_array_equal(features, before)


def test_predictions_agree_with_the_first_score(metric):
    found = as_values(metric(rows(spread=0.5), LABELS, SPLIT))
    if found.predicted:
        right = [given == LABELS[row] for given, row in zip(found.predicted, SPLIT.queries, strict=True)]
        assert next(iter(found.scores.values())) == pytest.approx(np.mean(right))


@pytest.mark.parametrize("name", list(METRICS))
def test_retrieval_measures_it_for_every_view_and_ensemble(name, small_run):
    settings = {"metrics": [name], "baselines": False, "stages": False}
    result = evaluate(small_run.run, small_run.data, settings=settings)
    assert [row.name for row in result if row.kind == "trained"] == ["rgb", "flow", "mean of views"]
    assert result.row("chance", "chance").metrics.keys() == result["flow"].keys()
    assert len(result.to_pandas()) == 4
