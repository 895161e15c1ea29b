"""Ensembles across runs: who speaks, how loudly, and that a run with itself is the run."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

from coview.datasets.prepared import PreparedDataset
from coview.embedding.run import load
from coview.errors import UserError
from coview.evaluation import evaluate
from coview.evaluation.ensembles import MemberWord, load_members, read_member_word, shares_of_members
from coview.evaluation.results.result import read_result
from coview.evaluation.results.tables import tabulate_runs
from small_run import make_run, small_config

QUICK = {"linear": {"epochs": 6, "milestones": [4]}, "retrieval": {"variant": "leave-group-out"}}


@pytest.fixture(scope="module")
def other_run(small_run, tmp_path_factory):
    """A run of another seed and clip length."""
    folder = tmp_path_factory.mktemp("other") / "other"
    config = small_config()
    clip = dataclasses.replace(config.clip, num_blocks=3)
    make_run(folder, small_run.data, dataclasses.replace(config, seed=4, clip=clip))
    return folder


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("runs/a", MemberWord("runs/a", None, None, 1.0)),
        ("runs/a:flow=2", MemberWord("runs/a", None, "flow", 2.0)),
        ("runs/a=0.5", MemberWord("runs/a", None, None, 0.5)),
        ("runs/a@rgb-00000010:rgb", MemberWord("runs/a", "rgb-00000010", "rgb", 1.0)),
        ("x=y/a", MemberWord("x=y/a", None, None, 1.0)),
    ],
)
def test_words(word, expected):
    assert read_member_word(word) == expected


def test_a_folder_with_marks_in_its_name_is_a_folder(tmp_path):
    folder = tmp_path / "lr=1:b"
    folder.mkdir()
    assert read_member_word(str(folder)) == MemberWord(str(folder), None, None, 1.0)
    assert read_member_word(f"{folder}:rgb=3") == MemberWord(str(folder), None, "rgb", 3.0)


@pytest.mark.parametrize("word", ["a=x", "a=-1", "a=nan", "a=inf"])
def test_a_weight_that_is_none_is_the_users_error(word):
    with pytest.raises(UserError, match="is not a number of 0 or more"):
        read_member_word(word)


@pytest.mark.parametrize("protocol", ["retrieval", "linear", "knn"])
def test_an_ensemble_of_a_run_with_itself_is_the_run(small_run, protocol):
    options = {"baselines": False, **QUICK.get(protocol, {})}
    alone = evaluate(small_run.run, small_run.data, protocol=protocol, settings=options)
    twice = [f"{small_run.run}:flow=2", f"{small_run.run}:flow=0.5"]
    result = evaluate(twice, small_run.data, protocol=protocol, settings=options)
    expected = alone.row("trained", "flow")
    for name in ("run:flow", "run:flow (2)", "ensemble"):
        assert result.row("trained", name).metrics == expected.metrics
        assert result.row("trained", name).standard_errors == expected.standard_errors


def test_cosines_of_all_members_are_weighed(small_run, other_run):
    """Leave-group-out over two runs, by plain loops; one view left out by its weight of 0."""
    words = [f"{small_run.run}:flow=3", str(other_run), f"{small_run.run}:rgb=0"]
    options = {"variant": "leave-group-out"}
    result = evaluate(words, small_run.data, settings=options)
    data = PreparedDataset.open(small_run.data)
    one, two = load(small_run.run).embed(data).features, load(other_run).embed(data).features
    loud = [(one["flow"], 3 / 5), (two["rgb"], 1 / 5), (two["flow"], 1 / 5)]
    hits = 0
    for query in range(8):
        gallery = [item for item in range(8) if item // 2 != query // 2]
        cosines = [sum(share * float(rows[query] @ rows[item]) for rows, share in loud) for item in gallery]
        hits += gallery[int(np.argmax(cosines))] % 2 == query % 2
    assert result.row("trained", "ensemble").metrics["R@1"] == pytest.approx(hits / 8)
    names = ["run:flow", "other:rgb", "other:flow", "run:rgb", "ensemble"]
    assert [row.name for row in result.rows if row.kind == "trained"] == names
    assert [row.name for row in result.rows if row.kind == "random"] == names
    assert result.curve == ()


def test_softmax_of_members_is_mixed(small_run, other_run):
    """One of two members weighs so much that the ensemble is that member."""
    words = [f"{small_run.run}:flow=0.0001", f"{other_run}:rgb=1000"]
    result = evaluate(words, small_run.data, protocol="linear", settings={"baselines": False, **QUICK["linear"]})
    assert result.row("trained", "ensemble").metrics == result.row("trained", "other:rgb").metrics
    assert "softmax: run:flow 0%, other:rgb 100%" in result.row("trained", "ensemble").description


def test_the_file_names_every_member_and_another_ensemble_gets_another(small_run, other_run):
    words = [f"{small_run.run}:flow=2", f"{other_run}@rgb-00000010:rgb"]
    result = evaluate(words, small_run.data, settings={"baselines": False})
    members = read_result(Path(result.path)).settings["members"]
    assert [(m["name"], m["checkpoint"], m["view"], m["weight"], m["seed"]) for m in members] == [
        ("run:flow", "flow-00000010", "flow", 2.0, 3),
        ("other:rgb", "rgb-00000010", "rgb", 1.0, 4),
    ]
    assert [m["run"] for m in members] == [small_run.run.name, other_run.name]
    other = evaluate([words[0], f"{other_run}:rgb"], small_run.data, settings={"baselines": False})
    assert "retrieval-split1-ensemble-" in other.path
    assert other.path != result.path
    titles = " ".join(table.title for table in tabulate_runs([small_run.run], protocol="retrieval"))
    assert result.variant in titles
    assert other.variant in titles


def test_runs_of_one_name_are_numbered(small_run, tmp_path):
    shutil.copytree(small_run.run, tmp_path / "run", ignore=shutil.ignore_patterns("embeddings", "evaluation"))
    members = load_members([str(small_run.run), f"{tmp_path / 'run'}:rgb=2"])
    assert [member.name for member in members] == ["run:rgb", "run:flow", "run:rgb (2)"]
    assert shares_of_members(members) == {"run:rgb": 0.25, "run:flow": 0.25, "run:rgb (2)": 0.5}


def test_what_is_no_ensemble_is_the_users_error(small_run):
    with pytest.raises(UserError, match="two members or more"):
        load_members([f"{small_run.run}:rgb"])
    with pytest.raises(UserError, match="no view 'flw'; did you mean 'flow'"):
        load_members([str(small_run.run), f"{small_run.run}:flw"])
    with pytest.raises(UserError, match="every member weighs 0"):
        load_members([f"{small_run.run}=0"])
    with pytest.raises(UserError, match="has no checkpoint 'x'"):
        load_members([f"{small_run.run}@x"])
    with pytest.raises(UserError, match="few-labels scores one run at a time; these score an ensemble: retrieval"):
        evaluate([str(small_run.run)], small_run.data, protocol="few-labels")
