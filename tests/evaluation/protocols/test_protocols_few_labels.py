"""Draws of few labels: how many of each class, the same for everyone, larger draws around smaller ones."""

from collections import Counter

from coview.datatypes import VideoEntry
from coview.evaluation.protocols.few_labels import _draw_labels, _metric_name, _remark_on_small_classes
from coview.evaluation.query_gallery import EvaluationVideos, QueryGallerySplit

LABELS = ("a", "z", *("a" * 30), *("b" * 12), *("c" * 3))
SPLIT = QueryGallerySplit((0, 1), tuple(range(2, 47)))


def test_each_class_has_as_many_as_asked_or_all_it_has():
    for count, expected in ((1, [1, 1, 1]), (5, [5, 5, 3]), (20, [20, 12, 3])):
        few = _draw_labels(LABELS, SPLIT, count, seed=0, draw=0)
        drawn = Counter(LABELS[row] for row in few.gallery)
        assert [drawn[name] for name in "abc"] == expected
        assert len(set(few.gallery)) == len(few.gallery)
        assert set(few.gallery) <= set(SPLIT.gallery)
        assert few.queries == SPLIT.queries


def test_draws_differ_repeat_and_are_nested():
    def rows(count, *, seed=0, draw=0):
        return _draw_labels(LABELS, SPLIT, count, seed=seed, draw=draw).gallery

    assert rows(5) == rows(5)
    assert len({rows(5, seed=seed, draw=draw) for seed in range(2) for draw in range(3)}) == 6
    assert set(rows(1)) < set(rows(5)) < set(rows(10))


def test_classes_that_are_too_small_are_said():
    entries = tuple(VideoEntry(id=str(row), path="", label=label) for row, label in enumerate(LABELS))
    videos = EvaluationVideos(entries, (SPLIT,), {})
    assert (
        "2 of 3 classes have fewer than 20 training videos (the smallest 3)"
        in (_remark_on_small_classes(videos, (1, 20))[0])
    )
    assert _remark_on_small_classes(videos, (1, 3)) == ()


def test_metric_names():
    assert [_metric_name(count) for count in (1, 5)] == ["top-1 at 1 label", "top-1 at 5 labels"]
