"""Adapting a base: training begins with it, all answer the same questions, the verdict says no more than they."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

import coview
from coview.adaptation import contest
from coview.adaptation.adapting import SCRATCH_FOLDER
from coview.adaptation.contest import Question, ask_with_labels, judge
from coview.adaptation.recipes import choose_recipes
from coview.cli import run_arguments
from coview.datasets.manifest import read_manifest, write_manifest
from coview.datasets.prepared import PreparedDataset
from coview.errors import UserError
from coview.evaluation.query_gallery import choose_videos
from pretrained_folders import needs_transformers, write_folder
from small_run import small_run

__all__ = ["small_run"]


@pytest.fixture(autouse=True)
def one_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few labels are drawn once: a second a draw."""
    monkeypatch.setattr(contest, "DRAWS", 1)


THREE = ("adapted", "frozen", "from scratch")
QUICK = {
    "method.epochs": 1,
    "training.max_steps": 1,
    "training.workers": 0,
    "training.batch_size": 4,
    "views.flow.size": 16,
    "clip.block_length": 4,
    "clip.frame_stride": 1,
}
WORDS = [word for name, value in QUICK.items() for word in (f"--{name}", str(value))]


def question(name: str, hits: dict[str, list[int]], *, needs_labels: bool = True) -> Question:
    count = len(next(iter(hits.values())))
    arrays = {who: np.array(own, dtype=np.float64) for who, own in hits.items()}
    return Question(name, arrays, tuple(f"g{number}" for number in range(count)), needs_labels)


@pytest.mark.parametrize(
    ("frozen", "adapted", "scratch", "says"),
    [
        ([0] * 30 + [1] * 10, [1] * 30 + [0] * 10, [0] * 40, "adapted is better than frozen, by 50.0 ± "),
        ([1, 0] * 20, [0, 1] * 20, [1, 0] * 20, "the frozen model is as good, use it"),
        ([1] * 30 + [0] * 10, [0] * 40, [0] * 40, "adapting made it worse: use the frozen model"),
        ([0] * 40, [0] * 40, [1] * 30 + [0] * 10, "training from scratch is better than frozen"),
        ([0, 1] * 20, [0, 1] * 20, [1, 0] * 20, "training from scratch does not differ from frozen beyond chance"),
    ],
)
def test_the_verdict_follows_the_intervals(frozen, adapted, scratch, says):
    asked = [question("R@1", {"from scratch": scratch, "frozen": frozen, "adapted": adapted})]
    assert says in judge(asked, scratch="from scratch", frozen="frozen", adapted="adapted")


def test_measures_that_disagree_and_labels_that_are_missing_are_said():
    up, down = [0] * 40, [1] * 30 + [0] * 10
    two = [question("R@1", {"frozen": up, "adapted": down}), question("few", {"frozen": down, "adapted": up})]
    assert "better in one measure and worse in another" in judge(two, scratch="s", frozen="frozen", adapted="adapted")
    none = [question("moments", {"frozen": up, "adapted": down}, needs_labels=False)]
    assert judge(none, scratch="s", frozen="frozen", adapted="adapted").startswith("without labels it is open")


def test_intervals_are_over_whole_groups():
    hits = {"one": np.array([1.0, 1, 1, 1]), "other": np.zeros(4)}
    alone = Question("R@1", hits, ("g",) * 4).difference("one", "other")
    assert np.isnan(alone.low)
    assert alone.sign == 0
    assert "no interval" in alone.describe()
    known = Question("R@1", hits, ("a", "a", "b", "b")).difference("one", "other")
    assert (known.gain, known.low, known.high, known.sign) == (1, 1, 1, 1)
    assert known.describe() == "one against other, R@1: +100.0 points (95% interval +100.0 to +100.0)"


def test_every_contestant_answers_the_same_questions(small_run):
    data = PreparedDataset.open(small_run.data)
    videos = choose_videos(data, "split1")
    classes = np.array([videos.labels[row] == "fast" for row in range(len(videos.entries))], dtype=np.float32)
    told = np.stack([classes, 1 - classes], axis=1)
    asked = ask_with_labels({"knows": told, "wrong": told[::-1].copy()}, videos, seed=0)
    assert [one.name for one in asked] == ["retrieval R@1", "top-1 at 1 label a class", "top-1 at 5 labels a class"]
    assert asked[0].score("knows") == 1
    assert asked[2].score("knows") == 1
    assert all(len(one.groups) == len(videos.tested) for one in asked)


def test_a_run_is_adapted_by_the_command(small_run, tmp_path, capsys):
    out = tmp_path / "adapted"
    words = ["adapt", str(small_run.run), "--data", str(small_run.data), "--out", str(out), *WORDS]
    assert run_arguments([*words, "--views.rgb.size", "16"]) == 0
    shown = capsys.readouterr().out
    assert "retrieval R@1" in shown
    assert "adapted against frozen, retrieval R@1" in shown
    assert "adapted: training: " in shown
    assert all(re.search(rf"{name}: .* minutes, .* clips/s, .* MiB at most so far", shown) for name in THREE)
    assert "verdict: " in shown
    told = json.loads((out / "adaptation.json").read_text())
    assert set(told["scores"]["retrieval R@1"]) == set(THREE)
    frozen = coview.evaluate(small_run.run, small_run.data, settings={"baselines": False, "stages": False})
    assert told["scores"]["retrieval R@1"]["frozen"] == pytest.approx(frozen["mean of views"]["R@1"])
    begun = yaml.safe_load((out / "resolved.yaml").read_text())["start_from"]
    assert set(begun) == {"rgb", "flow"}
    assert "start_from" not in yaml.safe_load((out / SCRATCH_FOLDER / "resolved.yaml").read_text())
    assert run_arguments([*words, "--views.rgb.size", "16", "--resume"]) == 0  # nothing is trained again


@needs_transformers
def test_a_network_learns_beside_small_encoders_of_other_views(small_run, tmp_path):
    base = write_folder(tmp_path / "net", "dinov2")
    data = unlabelled(small_run.data, tmp_path / "data")
    made = coview.adapt(base, data, tmp_path / "out", from_scratch=False, settings=QUICK)
    run = made.run
    assert [run.config.encoder_of(view)["name"] for view in run.views] == ["transformers", "tiny3d"]
    assert run.encoders["rgb"].image_size == 32
    assert [one.name for one in made.questions] == ["the same video at another time R@1"]
    assert made.verdict.startswith("without labels it is open")
    assert not (tmp_path / "out" / SCRATCH_FOLDER).exists()


def unlabelled(data: Path, copy: Path) -> Path:
    """The same data set without labels and splits."""
    import shutil

    shutil.copytree(data, copy)
    entries = [replace(entry, label=None, splits={}) for entry in read_manifest(copy / "videos.parquet")]
    write_manifest(entries, copy / "videos.parquet")
    return copy


def test_what_cannot_be_adapted_is_told(small_run, tmp_path):
    data = PreparedDataset.open(small_run.data)
    with pytest.raises(UserError, match=r"holds no config\.json"):
        choose_recipes(tmp_path, data)
    with pytest.raises(UserError, match="both minutes and method"):
        coview.adapt(small_run.run, data, tmp_path / "out", minutes=3, settings=QUICK)
    assert not (tmp_path / "out").exists()
