"""The curve over stages, from a result as an evaluation writes it."""

import pytest

from coview.analysis import analyse_run
from coview.errors import UserError
from coview.evaluation import evaluate
from small_run import make_run


def test_without_an_evaluation_it_says_how(small_run, tmp_path):
    make_run(tmp_path / "run", small_run.data)
    with pytest.raises(UserError, match="has not been evaluated: stages are scored by coview evaluate"):
        analyse_run(tmp_path / "run", small_run.data, analysis="stages")


def test_the_numbers_are_those_of_the_evaluation(small_run):
    result = evaluate(small_run.run, small_run.data)
    assert [one.stage for one in result.curve] == ["random weights", "rgb", "flow"]
    found = analyse_run(small_run.run, small_run.data, analysis="stages", options={"metric": "R@5"}).findings
    for place, one in enumerate(result.curve):
        for row in one.rows:
            assert found.values["lines"][row.name][place] == row.metrics["R@5"]
    assert found.tables[0].columns == ("stage", "taught", "rgb", "flow", "mean of views")
    assert [row[:2] for row in found.tables[0].rows] == [("random weights", "-"), ("rgb", "rgb"), ("flow", "flow")]
    assert "random weights" in found.figures[0].svg
    with pytest.raises(UserError, match="--stages.metric top1: retrieval has R@1"):
        analyse_run(small_run.run, small_run.data, analysis="stages", options={"metric": "top1"})
