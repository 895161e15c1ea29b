"""From videos to a report as it is typed: what is printed as the next command works, with labels and without."""

import dataclasses
import shlex

import pytest
import yaml

from coview.cli import run_arguments
from coview.cli.terminal import run_command
from coview.config import TrainingSettings, as_plain
from coview.datasets.manifest import write_manifest
from coview.datasets.prepared import PreparedDataset
from small_run import classifier_config, make_data, small_config


@pytest.fixture
def typed(tmp_path, monkeypatch, capsys):
    """Types a command in an empty folder; returns what is printed."""
    monkeypatch.chdir(tmp_path)

    def give(words: str) -> str:
        assert run_command(lambda: run_arguments(shlex.split(words))) == 0, capsys.readouterr().err
        return capsys.readouterr().out

    return give


def prepare(tmp_path, **changes):
    """Put a prepared data set there, its rows changed."""
    (tmp_path / "data").mkdir()
    make_data(tmp_path / "data", tmp_path / "videos")
    entries = [dataclasses.replace(entry, **changes) for entry in PreparedDataset.open(tmp_path / "data").entries]
    write_manifest(entries, tmp_path / "data" / "videos.parquet")


def write_config(tmp_path, base=None, **changes):
    settings = TrainingSettings(workers=0, batch_size=4, max_steps=2, precision="fp32", channels_last="never")
    config = dataclasses.replace(base or small_config(), training=settings, split="split1", **changes)
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(as_plain(config)))


def next_of(printed: str) -> str:
    (line,) = [line for line in printed.splitlines() if line.startswith("next: coview ")]
    return line.removeprefix("next: coview ")


def test_without_labels_every_step_leads_to_the_next(tmp_path, typed):
    prepare(tmp_path, label=None, group=None, splits={})
    write_config(tmp_path)
    printed = typed("pretrain c.yaml --data data --out 'my run'")
    assert "report: my run/report.html" in printed
    page = (tmp_path / "my run" / "report.html").read_text()
    for words in ("What did it learn?", "Not looked at yet.", "Too early to tell", "train about"):
        assert words in page, words
    follow = next_of(printed)
    assert follow == "analyse 'my run' --data data"
    assert "report: my run/report.html" in typed(follow)
    page = (tmp_path / "my run" / "report.html").read_text()
    for words in ("finds a video again by its other end", "random weights", "rgb"):
        assert words in page, words
    assert "Not looked at yet." not in page
    assert "clearly better" not in page
    assert "coview evaluate" not in page.split("<main")[0]


def test_with_labels_the_next_command_scores(tmp_path, typed):
    prepare(tmp_path)
    write_config(tmp_path)
    follow = next_of(typed("pretrain c.yaml --data data --out run"))
    assert follow == "evaluate run --data data"
    assert "4 of 5 query videos scored" in " ".join(typed(f"{follow} --retrieval.baselines false").split())


def test_a_classifier_is_scored_as_one(tmp_path, typed):
    prepare(tmp_path)
    write_config(tmp_path, classifier_config())
    assert next_of(typed("pretrain c.yaml --data data --out run")).endswith(" --protocol inference")


def test_labels_that_cannot_be_scored_lead_to_what_needs_none(tmp_path, typed):
    prepare(tmp_path, label="wave")
    write_config(tmp_path)
    assert next_of(typed("pretrain c.yaml --data data --out run")) == "analyse run --data data"


def test_after_folds_the_commands_that_worked_still_work(tmp_path, typed):
    prepare(tmp_path, splits={"fold1": "train", "fold2": "test"})
    info = yaml.safe_load((tmp_path / "data" / "dataset.yaml").read_text())
    (tmp_path / "data" / "dataset.yaml").write_text(yaml.safe_dump({**info, "folds": 2}))
    write_config(tmp_path)
    follow = next_of(typed("pretrain c.yaml --data data --out run"))
    assert "retrieval (leave-group-out), all labelled videos" in typed(f"{follow} --retrieval.baselines false")
