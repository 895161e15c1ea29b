"""The first lines say what the numbers say."""

import pytest

from coview.evaluate.base import ScoreRow
from coview.report.facts import gather
from coview.report.words import and_list, compare, duration, first_lines, percent


def texts(run_folder):
    return {(line.level, line.text) for line in first_lines(gather(run_folder.path))}


def levels(run_folder, beginning):
    return [line.level for line in first_lines(gather(run_folder.path)) if line.text.startswith(beginning)]


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


def test_better_than_everything_is_good_news(run_folder):
    run_folder.train()
    run_folder.evaluate(trained=0.6, random=0.3, pixels=0.2)
    assert levels(run_folder, "rgb: the nearest") == ["good"]


def test_better_than_random_but_not_than_pixels_is_no_good_news(run_folder):
    run_folder.train()
    run_folder.evaluate(trained=0.6, random=0.3, pixels=0.59)
    assert levels(run_folder, "rgb: the nearest") == ["note"]


def test_healthy_collapsed_and_ignorant_stages(run_folder):
    run_folder.train(stages=("rgb",))
    assert levels(run_folder, "Stage rgb is healthy") == ["good"]
    run_folder.train(stages=("rgb",), std=0.01)
    assert levels(run_folder, "Stage rgb has collapsed") == ["bad"]
    run_folder.train(stages=("rgb",), loss=7.0)
    assert levels(run_folder, "Stage rgb has not learnt anything yet") == ["note"]


def test_warnings_of_the_log_are_repeated(run_folder):
    run_folder.log(
        {"event": "start"},
        {"event": "warning", "stage": "rgb", "step": 50, "text": "collapsed: all the same"},
        {"event": "non-finite", "stage": "rgb", "step": 60, "parts": ["cpc_rgb"]},
    )
    assert ("bad", "Warning in stage rgb, step 50: collapsed: all the same") in texts(run_folder)
    assert ("bad", "Warning in stage rgb, step 60: the loss was not finite (cpc_rgb)") in texts(run_folder)


def test_time_adds_up_over_calls_and_leaves_out_the_pause(run_folder):
    run_folder.log(
        {"event": "start", "time": "2026-01-01T00:00:00+00:00"},
        {"event": "stopped", "time": "2026-01-01T00:10:00+00:00"},
        {"event": "resume", "time": "2026-01-02T00:00:00+00:00"},
        {"event": "step", "stage": "rgb", "step": 5, "time": "2026-01-02T00:05:00+00:00"},
    )
    facts = gather(run_folder.path)
    assert facts.elapsed_seconds == 15 * 60
    assert not facts.is_complete


def test_training_that_went_on_after_the_evaluation_is_said(run_folder):
    run_folder.train(steps=40)
    run_folder.evaluate()
    assert any("evaluate again" in text for _, text in texts(run_folder))


def test_small_words():
    assert [duration(s) for s in (45, 600, 12000)] == ["45 s", "10 min", "3 h 20 min"]
    assert [and_list(list(words)) for words in ("a", "ab", "abc")] == ["a", "a and b", "a, b and c"]
    assert percent(0.415) == "42%"
    assert percent(float("nan")) == "?"
