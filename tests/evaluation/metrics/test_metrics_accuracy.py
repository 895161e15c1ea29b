"""Top-k, accuracy per class, confusion and chance against plain loops, scikit-learn and numbers worked out by hand."""

import math

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, top_k_accuracy_score

from coview.evaluation.metrics.accuracy import (
    _accuracy_per_class,
    accuracy_of_scores,
    chance_accuracy,
    count_confusions,
)

CLASSES = tuple("abcdefg")


@pytest.mark.parametrize("seed", range(3))
def test_equals_plain_loops_and_scikit_learn(seed):
    generator = np.random.default_rng(seed)
    labels = [CLASSES[v] for v in generator.integers(0, 7, 40)]
    scores = generator.normal(size=(40, 7)).astype(np.float32)
    found = accuracy_of_scores(scores, labels, CLASSES)
    for k in (1, 5):
        right = 0
        for row, label in zip(scores, labels, strict=True):
            better = sum(value > row[CLASSES.index(label)] for value in row)
            right += better < k
        assert found.scores[f"top-{k}"] == pytest.approx(right / 40)
        expected = top_k_accuracy_score(labels, scores, k=k, labels=list(CLASSES))
        assert found.scores[f"top-{k}"] == pytest.approx(expected)
    given = [CLASSES[place] for place in scores.argmax(axis=1)]
    assert found.scores["mean per class"] == pytest.approx(balanced_accuracy_score(labels, given))
    matrix = confusion_matrix(labels, given, labels=list(CLASSES))
    for i, truth in enumerate(CLASSES):
        for j, name in enumerate(CLASSES):
            assert count_confusions(labels, found.predicted).get(truth, {}).get(name, 0) == matrix[i, j]
    assert list(found.predicted) == given


def test_by_hand():
    """Two classes: a is right once of two, b once of one; z was never taught and can only be missed."""
    scores = np.log(np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.7, 0.3]], np.float32))
    found = accuracy_of_scores(scores, ["a", "a", "b", "z"], ["a", "b"])
    assert found.scores == pytest.approx({"top-1": 2 / 4, "top-5": 3 / 4, "mean per class": (1 / 2 + 1 + 0) / 3})
    confusions = count_confusions(["a", "a", "b", "z"], found.predicted)
    assert _accuracy_per_class(confusions) == {"a": 0.5, "b": 1.0, "z": 0.0}
    assert confusions == {"a": {"a": 1, "b": 1}, "b": {"b": 1}, "z": {"a": 1}}


def test_equal_scores_are_ordered_by_class_and_a_class_without_a_score_is_not_named():
    scores = np.array([[0, 0], [-math.inf, 0], [-math.inf, -math.inf]], np.float32)
    found = accuracy_of_scores(scores, ["b", "a", "a"], ["a", "b"])
    assert found.scores == {"top-1": 0, "top-5": pytest.approx(1 / 3), "mean per class": 0}
    assert found.predicted == ["a", "b", ""]


def test_chance_is_the_mean_over_all_orders():
    classes = list("abcdefgh")
    labels = ["a", "a", "b", "z"]
    generator = np.random.default_rng(0)
    draws = [
        accuracy_of_scores(generator.random((4, 8)).astype(np.float32), labels, classes).scores for _ in range(1500)
    ]
    for name, value in chance_accuracy(labels, classes).items():
        assert value == pytest.approx(np.mean([draw[name] for draw in draws]), abs=0.05)
    assert chance_accuracy(["a"], ["a", "b"])["top-5"] == 1
