"""One encoder on several splits: every split has a result, and the mean says what it is."""

import dataclasses
import statistics

import pytest

from coview.cli import run_arguments
from coview.datasets.manifest import write_manifest
from coview.datasets.prepared import PreparedDataset
from coview.errors import UserError
from coview.evaluation import read_results
from coview.evaluation.results.runs import mean_over_splits
from small_run import make_data, make_run


@pytest.fixture(scope="module")
def two_splits(tmp_path_factory):
    """The small data set with a second split: its parts the other way round, one test video fewer."""
    root = tmp_path_factory.mktemp("splits")
    (root / "data").mkdir()
    make_data(root / "data", root / "videos")
    turned = {"train": "test", "test": "train"}
    entries = [
        entry
        if entry.id == "v3"  # so the splits differ in their videos
        else dataclasses.replace(entry, splits={**entry.splits, "split2": turned[entry.splits["split1"]]})
        for entry in PreparedDataset.open(root / "data").entries
    ]
    write_manifest(entries, root / "data" / "videos.parquet")
    make_run(root / "run", root / "data")
    return root


def test_every_split_and_their_mean(two_splits, capsys):
    words = ["evaluate", str(two_splits / "run"), "--data", str(two_splits / "data"), "--split", "split1", "split2"]
    assert run_arguments([*words, "--retrieval.stages", "false", "--retrieval.baselines", "false"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "split mean of split1, split2" in shown
    assert "7 of 9 query videos scored" in shown
    results = {result.split: result for result in read_results(two_splits / "run")}
    assert set(results) == {"split1", "split2"}
    mean = mean_over_splits([results["split1"], results["split2"]])
    for kind, name in (("trained", "flow"), ("chance", "chance")):
        values = [results[split].row(kind, name).metrics["R@1"] for split in ("split1", "split2")]
        assert mean.row(kind, name).metrics["R@1"] == pytest.approx(statistics.fmean(values))
        assert mean.row(kind, name).standard_errors["R@1"] == pytest.approx(statistics.stdev(values))
    assert len(list((two_splits / "run" / "embeddings").iterdir())) == 1  # one embedding served both splits
    assert mean.remarks[0].startswith("± is the standard deviation over 2 splits")


def test_a_split_that_is_not_there_is_said_at_once(two_splits):
    words = ["evaluate", str(two_splits / "run"), "--data", str(two_splits / "data"), "--split", "split1", "split9"]
    before = len(list((two_splits / "run").glob("evaluation/*")))
    with pytest.raises(UserError, match="no split 'split9'"):
        run_arguments(words)
    assert len(list((two_splits / "run").glob("evaluation/*"))) == before
