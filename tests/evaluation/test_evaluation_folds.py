"""Scores over folds: mean and spread of plain loops, every video tested once."""

import statistics

import numpy as np
import pytest

from coview.datasets.prepared import PreparedDataset
from coview.datasets.splits import deal_folds
from coview.embedding.run import load
from coview.errors import UserError
from coview.evaluation import evaluate
from coview.evaluation.results.predictions import Predictions


def test_scores_are_mean_and_spread_over_folds_of_plain_loops(small_run):
    result = evaluate(small_run.run, small_run.data, settings={"folds": 2, "fold_seed": 5})
    data = PreparedDataset.open(small_run.data)
    features = load(small_run.run).embed(data).features["flow"]
    entries = data.ready[:8]
    parts = deal_folds([f"group {entry.group}" for entry in entries], 2, seed=5)
    shares = []
    for part in range(2):
        queries, gallery = np.flatnonzero(parts == part), np.flatnonzero(parts != part)
        best = [gallery[int(np.argmax(features[gallery] @ features[query]))] for query in queries]
        shares.append(np.mean([entries[b].label == entries[q].label for b, q in zip(best, queries, strict=True)]))
    row = result.row("trained", "flow")
    assert row.metrics["R@1"] == pytest.approx(statistics.fmean(shares))
    assert row.standard_errors["R@1"] == pytest.approx(statistics.stdev(shares))
    assert (result.split, result.variant) == (None, "2-fold")
    assert result.path.endswith("retrieval-all-2-fold.json")
    assert sum(result.counts["folds"]) == result.counts["queries_scored"] == 8
    assert result.settings["standard_error"] == "standard deviation over 2 folds"
    assert any("folds test every labelled video" in remark for remark in result.remarks)


@pytest.mark.parametrize("protocol", ["knn", "linear"])
def test_classifiers_test_every_video_once(small_run, protocol):
    quick = {"epochs": 3, "milestones": [2], "head": "plain"} if protocol == "linear" else {}
    result = evaluate(small_run.run, small_run.data, protocol=protocol, settings={"folds": 4, **quick})
    assert result.variant == ("plain-4-fold" if protocol == "linear" else "4-fold")
    assert {row.kind for row in result.rows} == {"trained", "random", "pixels", "chance"}
    kept = Predictions.unpacked(result.predictions)
    for name in kept.given:
        assert sum(sum(row.values()) for row in kept.confusions(name).values()) == 8


def test_settings_that_exclude_each_other_are_the_users_error(small_run):
    with pytest.raises(UserError, match="folds and the variant leave-group-out exclude each other"):
        evaluate(small_run.run, small_run.data, settings={"folds": 2, "variant": "leave-group-out"})
    with pytest.raises(UserError, match="greater than or equal to 2"):
        evaluate(small_run.run, small_run.data, settings={"folds": 1})
    with pytest.raises(UserError, match="9 folds need as many groups"):
        evaluate(small_run.run, small_run.data, settings={"folds": 9})
