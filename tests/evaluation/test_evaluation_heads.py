"""Scores of segments, classes and probabilities, by numbers that can be checked by hand; and the page of a head."""

import math

import numpy as np
import pytest

from coview.collection.heads.fitting import fit_head
from coview.collection.heads.training_set import TrainingSet
from coview.evaluation.heads import judge_head
from coview.evaluation.metrics.calibration import measure_reliability
from coview.evaluation.metrics.per_class import score_classes
from coview.evaluation.metrics.segments import mean_average_precision, segment_average_precision, temporal_iou
from coview.reports.heads import write_head_report


def test_temporal_iou():
    assert temporal_iou(0, 4, 2, 6) == pytest.approx(2 / 6)
    assert temporal_iou(0, 2, 2, 4) == 0
    assert temporal_iou(1, 2, 0, 4) == pytest.approx(1 / 4)


def test_average_precision_of_segments_by_hand():
    true = [("v", 0.0, 10.0), ("v", 20.0, 30.0), ("w", 0.0, 10.0)]
    predicted = [("v", 0.0, 9.0), ("v", 1.0, 10.0), ("w", 5.0, 15.0), ("v", 20.0, 30.0), ("x", 0.0, 10.0)]
    scores = [0.9, 0.8, 0.7, 0.6, 0.5]
    # hits at 0.5: yes, no (found already), no (1/3), yes, no: precision 1 at recall 1/3, 2/4 at 2/3
    assert segment_average_precision(predicted, scores, true, tiou=0.5) == pytest.approx((1 + 0.5) / 3)
    # at 0.3 the third is right too: precision 1, 3/4 (made falling) and 3/4
    assert segment_average_precision(predicted, scores, true, tiou=0.3) == pytest.approx((1 + 0.75 + 0.75) / 3)
    assert math.isnan(segment_average_precision(predicted, scores, [], tiou=0.5))
    assert segment_average_precision([], [], true, tiou=0.5) == 0


def test_the_order_of_equal_predictions_follows_their_scores():
    true = [("v", 0.0, 1.0)]
    assert segment_average_precision([("v", 5, 6), ("v", 0, 1)], [0.1, 0.9], true, tiou=0.5) == 1
    assert segment_average_precision([("v", 5, 6), ("v", 0, 1)], [0.9, 0.1], true, tiou=0.5) == 0.5


def test_the_mean_is_over_classes_that_are_there():
    true = {"a": [("v", 0.0, 1.0)], "b": [], "c": [("v", 2.0, 3.0)]}
    found = mean_average_precision({"a": [(("v", 0.0, 1.0), 0.5)], "b": [(("v", 0.0, 1.0), 0.5)]}, true, tiou=0.5)
    assert found["a"] == 1
    assert found["c"] == 0
    assert math.isnan(found["b"])
    assert found[""] == 0.5


def test_reliability_by_hand():
    found = measure_reliability(np.array([0.05, 0.95, 0.95, 0.93, 1.0]), np.array([0, 1, 1, 0, 1], dtype=bool))
    assert found.counts == (1, 4)
    assert found.came_true == (0, 0.75)
    assert found.said == pytest.approx((0.05, 0.9575))
    assert found.error == pytest.approx((0.05 + 4 * (0.9575 - 0.75)) / 5)


def test_classes_by_hand():
    decided = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0]], dtype=bool)
    targets = np.array([[1, 0, 0], [0, 1, 0], [0, 1, 0], [1, 0, 0]], dtype=bool)
    table = score_classes(decided, targets, classes=("a", "b", "c"), groups=("1", "1", "2", "2"))
    assert [row.name for row in table.rows] == ["a", "b"], "nobody was asked about c"
    a, b = table.rows
    assert (a.precision, a.recall, a.f1, a.support, a.recordings) == (0.5, 0.5, 0.5, 2, 2)
    assert (b.precision, b.recall, b.f1) == pytest.approx((1.0, 0.5, 2 / 3))
    assert table.macro_f1 == pytest.approx((0.5 + 2 / 3) / 2)
    assert table.interval[0] <= table.macro_f1 <= table.interval[1]
    alone = score_classes(decided, targets, classes=("a", "b", "c"), groups=("1",) * 4)
    assert all(math.isnan(end) for end in alone.interval)


def judged(groups=8):
    generator = np.random.default_rng(0)
    shown = np.repeat(generator.integers(0, 2, groups * 4), 3)
    rows = np.eye(2)[shown] @ generator.standard_normal((2, 12)) + 0.4 * generator.standard_normal((len(shown), 12))
    codes = np.repeat(np.arange(groups), 12)
    names = np.array([f"group {code}" for code in codes])
    starts = np.tile(np.arange(12.0), groups)
    given = TrainingSet(
        rows.astype(np.float32),
        np.eye(2, dtype=bool)[shown],
        names,
        tuple(names),
        np.stack([starts, starts + 1], axis=1),
        ("run", "<script>alert(1)</script>"),
        len(rows),
        groups,
    )
    run = {"path": "/somewhere/private/mine", "checkpoint": "rgb-1", "identity": "abc"}
    return fit_head(given, views=("rgb",), combine="concat", multi_label=None, run=run)


def test_a_head_is_judged_by_recordings_it_has_not_seen():
    head = judged()
    found = judge_head(head)
    assert found.classes.macro_f1 > 0.8
    assert found.accuracy > 0.8
    assert found.windows == 96
    assert found.recordings == 8
    assert found.reliability.error < 0.15
    assert set(found.segments) == {0.3, 0.5, 0.7}
    assert found.segments[0.3][""] >= found.segments[0.7][""] > 0.3
    assert judge_head(judged(groups=1)) is None
    assert "intervals say little" in judge_head(judged(groups=2)).remarks[0]


def test_the_page_of_a_head(tmp_path):
    head = judged()
    text = write_head_report(head, judge_head(head), tmp_path).read_text()
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "/somewhere" not in text
    assert "macro-F1" in text
    assert text.count("<svg") == 1
    assert "cannot be said yet" in write_head_report(judged(groups=1), None, tmp_path).read_text()
