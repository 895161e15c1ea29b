"""Numbers as words."""

import math

import pytest

from coview.evaluation.metrics.clusters import SCALES as ENTROPY
from coview.evaluation.results.result import ScoreRow
from coview.reports.words import and_list, compare, count_sources, duration, judge, percent, score_text, shown_path


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
    assert compare(*rows, metric="R@1", sources=150) == words


@pytest.mark.parametrize("kind", ["random", "pixels"])
def test_a_missing_standard_error_is_not_zero(kind):
    own = ScoreRow("trained", "rgb", {"R@1": 0.28}, {"R@1": 0.03})
    for errors in ({}, {"R@1": math.nan}):
        other = ScoreRow(kind, "rgb", {"R@1": 0.30}, errors)
        assert judge(own, other, metric="R@1", sources=150) == "unknown"
        assert compare(own, other, metric="R@1", sources=150) == "how sure is not known, -2 points"
    guess = ScoreRow("chance", "chance", {"R@1": 0.1})  # counted, not measured: it has no error
    assert compare(own, guess, metric="R@1", sources=150) == "clearly better, +18 ± 3 points"


@pytest.mark.parametrize("sources", [1, 3, 9])
def test_of_few_recordings_nothing_is_clear(sources):
    own, other = ScoreRow("trained", "rgb", {"R@1": 1.0}, {"R@1": 0.1}), ScoreRow("chance", "chance", {"R@1": 0.1})
    assert judge(own, other, metric="R@1", sources=sources) == "unknown"
    assert compare(own, other, metric="R@1", sources=sources) == "too few videos to tell, +90 ± 10 points"
    assert judge(own, other, metric="R@1", sources=10) == "better"


def test_sources_are_recordings_where_they_were_counted():
    assert count_sources({"queries_scored": 150, "query_groups": 7}) == 7
    assert count_sources({"queries_scored": 150}) == 150


def test_paths_in_commands_tell_no_more_than_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert shown_path(tmp_path / "runs" / "a b", full=False) == "'runs/a b'"
    assert shown_path(tmp_path.parent / "elsewhere", full=False) == "elsewhere"
    assert shown_path(tmp_path / "x", full=True) == str(tmp_path / "x")


def test_where_less_is_better_and_where_there_is_no_number():
    low, high = (
        ScoreRow("trained", "rgb", {"mean entropy": value}, {"mean entropy": 0.1}, scales=ENTROPY)
        for value in (1.0, 2.5)
    )
    assert judge(low, high, metric="mean entropy", sources=50) == "better"
    assert compare(high, low, metric="mean entropy", sources=50) == "clearly worse, +1.50 ± 0.14 nats"
    nothing = ScoreRow("trained", "rgb", {"R@1": math.nan})
    assert judge(nothing, ScoreRow("chance", "chance", {"R@1": 0.1}), metric="R@1", sources=50) == "unknown"


def test_small_words():
    assert [duration(s) for s in (45, 600, 12000)] == ["45 s", "10 min", "3 h 20 min"]
    assert [and_list(list(words)) for words in ("a", "ab", "abc")] == ["a", "a and b", "a, b and c"]
    assert percent(0.415) == "42%"
    assert percent(float("nan")) == "?"
    row = ScoreRow("trained", "rgb", {"R@1": 0.415, "mean entropy": 1.4}, scales=ENTROPY)
    assert [score_text(row, name) for name in ("R@1", "mean entropy", "R@5")] == ["42%", "1.40 nats", "?"]
