"""The example's mAP against scikit-learn, with and without groups that are left out."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from coview.evaluation.query_gallery import QueryGallerySplit
from examples.mean_average_precision import mean_average_precision


@pytest.mark.parametrize("with_groups", [False, True])
def test_it_is_the_mean_of_scikit_learns_average_precision(with_groups):
    generator = np.random.default_rng(0)
    features = generator.normal(size=(30, 5)).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    labels = [f"class{label}" for label in generator.integers(0, 3, 30)]
    groups = tuple(f"group{number // 3}" for number in range(30)) if with_groups else None
    split = QueryGallerySplit(tuple(range(10)), tuple(range(30)) if with_groups else tuple(range(10, 30)), groups)
    expected = []
    for query in split.queries:
        items = [item for item in split.gallery if groups is None or groups[item] != groups[query]]
        is_right = [labels[item] == labels[query] for item in items]
        expected.append(average_precision_score(is_right, features[items] @ features[query]))
    assert mean_average_precision(features, labels, split) == {"mAP": pytest.approx(np.mean(expected))}


def test_by_hand():
    """Right, wrong, right: (1 / 1 + 2 / 3) / 2."""
    features = np.array([[1, 0], [1, 0], [0.8, 0.6], [0.6, 0.8]], np.float32)
    split = QueryGallerySplit((0,), (1, 2, 3))
    found = mean_average_precision(features, ["a", "a", "b", "a"], split)
    assert found["mAP"] == pytest.approx((1 + 2 / 3) / 2)
    assert mean_average_precision(features, ["z", "a", "b", "a"], split) == {"mAP": 0.0}
