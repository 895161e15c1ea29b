"""What holds for every protocol: a new row in the registry is tested by being there."""

import math
import re

import pytest

from coview.config import parse
from coview.datasets.prepared import PreparedDataset
from coview.errors import UserError
from coview.evaluation import PROTOCOLS, evaluate
from coview.evaluation.results.predictions import Predictions
from coview.evaluation.results.result import read_result
from coview.evaluation.results.tables import lay_out, result_table, tabulate_runs
from coview.reports import write_report
from small_run import classifier_config, make_run, small_run

__all__ = ["small_run"]

QUICK = {
    "linear": {"epochs": 4, "milestones": [3]},
    "few-labels": {"labels": [1], "draws": 2},
    "clusters": {"restarts": 2},
    "finetune": {"epochs": 1},
}
"""Settings that change how long a protocol takes, not what it does."""
BESIDE = {"finetune": ("random",), "inference": ()}
"""What stands beside a run where that is not random weights and pixels."""


@pytest.fixture(scope="module")
def run_of(small_run, tmp_path_factory):
    """Give the run that a protocol scores: a classifier where it wants one."""
    classifier = tmp_path_factory.mktemp("classifier") / "run"
    make_run(classifier, small_run.data, classifier_config())
    return lambda protocol: classifier if protocol == "inference" else small_run.run


@pytest.fixture(scope="module", params=list(PROTOCOLS))
def result(request, small_run, run_of):
    options = {"weights": {"rgb": 3}, **QUICK.get(request.param, {})}
    return evaluate(run_of(request.param), small_run.data, protocol=request.param, settings=options)


def test_every_kind_of_row_is_there(result):
    names = ["rgb", "flow", "mean of views", "weighted views"]
    names += ["views joined"] if result.protocol in ("linear", "few-labels") else []
    assert [row.name for row in result.rows if row.kind == "trained"] == names
    beside = BESIDE.get(result.protocol, ("random", "pixels"))
    assert [row.name for row in result.rows if row.kind == "random"] == (names if "random" in beside else [])
    assert sum(row.kind == "pixels" for row in result.rows) == (3 if "pixels" in beside else 0)
    assert [row.kind for row in result.rows][-1] == "chance"
    for row in result.rows:
        assert list(row.metrics) == list(result.rows[0].metrics)
        assert row.description
        for name, value in row.metrics.items():
            assert math.isfinite(value)
            assert not row.scale(name).is_share or -1 <= value <= 1


def test_no_test_video_is_dropped(result):
    assert (result.counts["queries_scored"], result.counts["queries"]) == (4, 5)
    assert result.counts["not_ready_videos"] == {"broken": "corrupt: made so"}


def test_what_became_of_each_video_agrees_with_the_scores(result):
    """Protocols that name a class for every video keep it; the share that is right is their first metric."""
    assert bool(result.predictions) or result.protocol in ("few-labels", "clusters")
    kept = Predictions.unpacked(result.predictions) if result.predictions else None
    for row in result.rows if kept else ():
        if row.kind == "trained":
            assert kept.hits(row.name).mean() == pytest.approx(next(iter(row.metrics.values())))


def test_the_file_and_a_second_time_say_the_same(result, small_run, run_of):
    run = run_of(result.protocol)
    assert read_result(run / "evaluation" / f"{result.protocol}-split1.json").rows == result.rows
    options = {name: result.settings[name] for name in ("weights", *QUICK.get(result.protocol, {}))}
    again = evaluate(run, small_run.data, protocol=result.protocol, settings=options)
    assert again.rows == result.rows
    assert again.predictions == result.predictions


def test_it_is_shown_everywhere(result, small_run, run_of):
    run = run_of(result.protocol)
    text = lay_out([result_table(result)], "text")
    assert f"4 of 5 {result.counts.get('roles', ['query'])[0]} videos scored" in " ".join(text.split())
    page = write_report(run, PreparedDataset.open(small_run.data)).read_text()
    assert re.search(rf"<h3>{result.protocol}, split1\b[^<]*</h3>", page)
    text = lay_out(tabulate_runs([run], protocol=result.protocol), "markdown")
    assert "| weighted views | 1 | 20 |" in text


def test_a_foreign_setting_and_a_foreign_split_are_the_users_error(result, small_run, run_of):
    kind = PROTOCOLS.load(result.protocol)
    with pytest.raises(UserError, match="unknown setting 'no_such'"):
        parse(kind.Settings, {"no_such": 1}, source="x")
    with pytest.raises(UserError, match="no split 'split9'"):
        evaluate(run_of(result.protocol), small_run.data, protocol=result.protocol, split="split9")
