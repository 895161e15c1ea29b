"""Draws of few labels: how many of each class, the same for everyone, larger draws around smaller ones."""

from collections import Counter

import numpy as np

from coview.evaluation.classification import Problem
from coview.evaluation.few_labels import _too_few, drawn, metric_name

TARGETS = np.array([0] * 30 + [1] * 12 + [2] * 3)
PROBLEM = Problem(
    classes=("a", "b", "c"),
    train=tuple(range(100, 145)),
    targets=TARGETS,
    test=(7, 8),
    labels=("a", "z"),
    groups=("g", "h"),
)


def test_each_class_has_as_many_as_asked_or_all_it_has():
    for count, expected in ((1, [1, 1, 1]), (5, [5, 5, 3]), (20, [20, 12, 3])):
        few = drawn(PROBLEM, count, seed=0, draw=0)
        assert [Counter(few.targets.tolist())[number] for number in range(3)] == expected
        for row, target in zip(few.train, few.targets, strict=True):
            assert TARGETS[row - 100] == target
        assert len(set(few.train)) == len(few.train)
        assert (few.test, few.labels, few.classes) == (PROBLEM.test, PROBLEM.labels, PROBLEM.classes)


def test_draws_differ_repeat_and_are_nested():
    one = drawn(PROBLEM, 5, seed=0, draw=0)
    assert one.train == drawn(PROBLEM, 5, seed=0, draw=0).train
    assert len({drawn(PROBLEM, 5, seed=seed, draw=draw).train for seed in range(2) for draw in range(3)}) == 6
    assert set(drawn(PROBLEM, 1, seed=0, draw=0).train) < set(one.train) < set(drawn(PROBLEM, 10, seed=0, draw=0).train)


def test_classes_that_are_too_small_are_said():
    assert "2 of 3 classes have fewer than 20 training videos (the smallest 3)" in _too_few(PROBLEM, (1, 20))[0]
    assert _too_few(PROBLEM, (1, 3)) == ()


def test_metric_names():
    assert [metric_name(count) for count in (1, 5)] == ["top-1 at 1 label", "top-1 at 5 labels"]
