"""Numbers as words."""

import math

import pytest

from coview.evaluation.metrics.clusters import SCALES as ENTROPY
from coview.evaluation.results.result import ScoreRow
from coview.reports.words import and_list, compare, duration, judge, percent, score_text


@pytest.mark.parametrize(
    ("trained", "other", "words"),
    [
        (0.5, 0.3, "clearly better, +20 ± 4 points"),
        (0.35, 0.3, "no clear difference, +5 ± 4 points"),
        (0.1, 0.3, "clearly worse, -20 ± 4 points"),
    ],
)
def test_a_difference_is_judged_by_its_standard_error(trained, other, words):
    rows = [ScoreRow("trained", "rgb", {"R@1": value}, {"R@1": 0.03}) for value in (trained, other)]
    assert compare(*rows, metric="R@1") == words


def test_where_less_is_better_and_where_there_is_no_number():
    low, high = (ScoreRow("trained", "rgb", {"mean entropy": value}, scales=ENTROPY) for value in (1.0, 2.5))
    assert judge(low, high, metric="mean entropy") == "better"
    assert compare(high, low, metric="mean entropy") == "clearly worse, +1.50 ± 0.00 nats"
    nothing = ScoreRow("trained", "rgb", {"R@1": math.nan})
    assert judge(nothing, ScoreRow("chance", "chance", {"R@1": 0.1}), metric="R@1") == "unclear"


def test_small_words():
    assert [duration(s) for s in (45, 600, 12000)] == ["45 s", "10 min", "3 h 20 min"]
    assert [and_list(list(words)) for words in ("a", "ab", "abc")] == ["a", "a and b", "a, b and c"]
    assert percent(0.415) == "42%"
    assert percent(float("nan")) == "?"
    row = ScoreRow("trained", "rgb", {"R@1": 0.415, "mean entropy": 1.4}, scales=ENTROPY)
    assert [score_text(row, name) for name in ("R@1", "mean entropy", "R@5")] == ["42%", "1.40 nats", "?"]
