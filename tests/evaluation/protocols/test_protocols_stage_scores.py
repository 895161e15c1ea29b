"""The curve over stages: each point is what evaluating that stage's checkpoint by itself gives."""

import pytest

from coview.evaluation import evaluate
from coview.evaluation.results.result import read_result
from coview.evaluation.results.tables import lay_out, stage_table
from coview.reports.score_curves import curve_lines, stages_in_words


@pytest.fixture(scope="module")
def result(small_run):
    return evaluate(small_run.run, small_run.data)


def scores_of(rows, kind="trained"):
    return {row.name: row.metrics for row in rows if row.kind == kind}


def test_it_begins_with_random_weights_and_ends_with_the_run(result):
    assert [(one.stage, one.checkpoint, one.trained) for one in result.curve] == [
        ("random weights", "", ()),
        ("rgb", "rgb-00000010", ("rgb",)),
        ("flow", "flow-00000010", ("flow",)),
    ]
    assert scores_of(result.curve[0].rows) == scores_of(result.rows, "random")
    assert scores_of(result.curve[2].rows) == scores_of(result.rows)


def test_a_stage_has_its_own_view_trained_and_the_other_as_before(result, small_run):
    after_rgb = scores_of(result.curve[1].rows)
    alone = evaluate(small_run.run, small_run.data, checkpoint="rgb-00000010", settings={"stages": False})
    assert not alone.curve
    assert after_rgb["rgb"] == scores_of(alone.rows)["rgb"]
    assert after_rgb["flow"] == scores_of(result.rows, "random")["flow"]
    assert set(after_rgb) == {"rgb", "flow", "mean of views"}


def test_without_baselines_a_view_appears_when_it_has_been_trained(small_run, result):
    bare = evaluate(small_run.run, small_run.data, settings={"baselines": False, "variant": "leave-group-out"})
    assert [set(scores_of(one.rows)) for one in bare.curve] == [{"rgb"}, {"rgb", "flow", "mean of views"}]


def test_an_early_checkpoint_has_no_curve_of_later_stages(small_run):
    early = evaluate(small_run.run, small_run.data, checkpoint="rgb-00000010")
    assert early.curve == ()


def test_it_is_kept_with_the_result_and_shown(result, tmp_path):
    from pathlib import Path

    assert read_result(Path(result.path)).curve == result.curve
    shown = lay_out([stage_table(result)], "text")
    assert "random weights" in shown
    first = 100 * scores_of(result.rows)["rgb"]["R@1"]
    assert f"{first:.1f}" in shown
    assert shown.count("*") == 4  # two metrics of the view that each of two stages trained


def test_lines_and_words_of_the_report(result):
    lines = {line.name: line for line in curve_lines(result)}
    assert list(lines["flow"].x) == [0, 1, 2]
    assert lines["flow"].y[2] == pytest.approx(100 * scores_of(result.rows)["flow"]["R@1"])
    assert stages_in_words(result) == "0: random weights, 1: rgb, 2: flow"
