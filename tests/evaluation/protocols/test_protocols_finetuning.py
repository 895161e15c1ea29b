"""Fine-tuning from a run: its children are trained once, go on, stand beside random weights, with few labels too."""

import dataclasses
import logging
import shutil
from pathlib import Path

import pytest
import torch
import yaml

from coview.config import as_plain, parse
from coview.datasets.prepared import PreparedDataset
from coview.embedding.run import Run
from coview.errors import UserError
from coview.evaluation import evaluate
from coview.evaluation.protocols.base import Task
from coview.evaluation.protocols.finetuning import FinetuneSettings, finetune_config, finetune_run
from coview.training.checkpoint import load_checkpoint
from coview.training.precision import Precision
from coview.training.pretrain import PretrainResult
from small_run import SmallRun, classifier_config, make_run, small_config


@pytest.fixture
def own(small_run, tmp_path) -> SmallRun:
    """A copy of the run, for its children."""
    shutil.copytree(small_run.run, tmp_path / "run")
    return dataclasses.replace(small_run, run=tmp_path / "run")


def task_of(run: SmallRun) -> Task:
    return Task(Run.load(run.run), PreparedDataset.open(run.data), "split1", "cpu")


def children(run: SmallRun) -> list[str]:
    return sorted(path.name.rsplit("-", 1)[0] for path in (run.run / "finetune").iterdir())


def test_a_run_is_fine_tuned_from_its_weights_and_from_random_ones_and_found_again(own, caplog):
    result = evaluate(own.run, own.data, protocol="finetune", settings={"epochs": 1})
    assert [(row.kind, row.name) for row in result.rows] == [
        *[("trained", name) for name in ("rgb", "flow", "mean of views")],
        *[("random", name) for name in ("rgb", "flow", "mean of views")],
        ("chance", "chance"),
    ]
    assert children(own) == ["random", "trained"]
    assert (result.counts["gallery_used"], result.counts["gallery"]) == (4, 5)  # one has no label
    for folder in (own.run / "finetune").iterdir():
        child = Run.load(folder)
        assert child.method.classes == ("fast", "slow")
        begun = child.resolved.get("start_from", {})
        is_trained = folder.name.startswith("trained")
        assert begun.keys() == ({"rgb", "flow"} if is_trained else set())
        assert not is_trained or begun["flow"]["loaded"] == ["encoders", "predictors"]
    caplog.clear()
    with caplog.at_level(logging.INFO):
        again = evaluate(own.run, own.data, protocol="finetune", settings={"epochs": 1})
    assert again.rows == result.rows
    assert "fine-tuned from the run's weights before" in caplog.text
    assert "stage rgb: step" not in caplog.text
    evaluate(own.run, own.data, protocol="finetune", settings={"epochs": 2, "start": "random"})
    assert children(own) == ["random", "random", "trained"]


def test_a_stopped_child_goes_on_though_the_run_has_moved(own, tmp_path, monkeypatch):
    from coview.evaluation.protocols import finetuning
    from coview.training import pretrain as training

    # Two runs time the layouts for themselves, and what is faster decides the last bits.
    monkeypatch.setattr(training, "choose_precision", lambda *args: Precision("fp32", False, seconds={}))
    settings = FinetuneSettings(epochs=1)
    whole = load_checkpoint(finetune_run(task_of(own), settings, "trained").checkpoint).weights
    shutil.rmtree(own.run / "finetune")
    original = finetuning.pretrain

    def stopped(config, **options):
        original(config, **options)
        last = max((options["out"] / "checkpoints").iterdir(), key=lambda path: path.stat().st_mtime_ns)
        shutil.rmtree(last)  # the second stage is not done
        return PretrainResult(options["out"], stopped_by=15)

    monkeypatch.setattr(finetuning, "pretrain", stopped)
    with pytest.raises(KeyboardInterrupt, match="the same command goes on there"):
        finetune_run(task_of(own), settings, "trained")
    monkeypatch.setattr(finetuning, "pretrain", original)
    own.run.rename(tmp_path / "moved")
    child = finetune_run(task_of(dataclasses.replace(own, run=tmp_path / "moved")), settings, "trained")
    assert len(list((tmp_path / "moved" / "finetune").iterdir())) == 1
    weights = load_checkpoint(child.checkpoint).weights
    assert all(torch.equal(value, weights[name]) for name, value in whole.items())


def test_what_is_not_told_comes_from_the_run_and_from_the_recipe_of_its_method(small_run, tmp_path):
    run = Run.load(small_run.run)
    found = finetune_config(run, FinetuneSettings(epochs=7, labels=2, draw=1), split="split2")
    assert found.method["head"] == "context"
    assert (found.method["epochs"], found.method["labels"], found.method["draw"]) == (7, 2, 1)
    assert (found.views, found.clip, found.encoder, found.seed) == (
        run.config.views,
        run.config.clip,
        run.config.encoder,
        run.config.seed,
    )
    assert (found.split, found.start_from, found.optimiser.name) == ("split2", None, "adam")
    make_run(tmp_path / "tuned", small_run.data, classifier_config())  # fine-tuned once already
    assert finetune_config(Run.load(tmp_path / "tuned"), FinetuneSettings(), split=None).method["head"] == "context"
    vicc = {"name": "vicc", "prototypes": 4, "queue": 0}
    clip = dataclasses.replace(small_config().clip, num_blocks=1, clips_per_video=2)
    augment = dataclasses.replace(small_config().augment, blur_probability=0.5)
    config = dataclasses.replace(small_config(), preset="paper", method=vicc, clip=clip, augment=augment)
    make_run(tmp_path / "vicc", small_run.data, config)
    found = finetune_config(Run.load(tmp_path / "vicc"), FinetuneSettings(), split="split1")
    assert (found.method["head"], found.method["epochs"], found.method["dropout"]) == ("features", 500, 0.9)
    assert (found.clip.clips_per_video, found.augment.blur_probability, found.training.batch_size) == (1, 0.0, 128)
    assert (found.optimiser.name, found.optimiser.weight_decay) == ("sgd", 1e-3)
    assert found.schedule.milestones == (0.4, 0.6, 0.8, 0.9)


def test_a_config_of_ones_own_is_used_where_it_fits(own, tmp_path):
    def written(name: str, config) -> str:
        (tmp_path / name).write_text(yaml.safe_dump(as_plain(config)))
        return str(tmp_path / name)

    base = classifier_config()
    rgb = dataclasses.replace(base, views={"rgb": base.views["rgb"]}, method={**base.method, "epochs": 1})
    options = {"config": written("mine.yaml", rgb), "start": "trained"}
    result = evaluate(own.run, own.data, protocol="finetune", settings=options)
    assert [row.name for row in result.rows] == ["rgb", "chance"]
    assert Path(result.path).name == "finetune-split1-mine-trained.json"
    cpc = written("cpc.yaml", small_config())
    with pytest.raises(UserError, match="config of method cpc, which names no classes"):
        evaluate(own.run, own.data, protocol="finetune", settings={"config": cpc})
    pose = written("pose.yaml", dataclasses.replace(base, views={"pose": base.views["rgb"]}))
    with pytest.raises(UserError, match="names the view 'pose'"):
        evaluate(own.run, own.data, protocol="finetune", settings={"config": pose})
    with pytest.raises(UserError, match="no config file finetune-coco"):
        evaluate(own.run, own.data, protocol="finetune", settings={"config": "finetune-coco"})


def test_few_labels_by_fine_tuning(own):
    options = {"labels": [1], "draws": 2, "classifier": "finetune", "finetune": {"max_steps": 1}}
    result = evaluate(own.run, own.data, protocol="few-labels", settings=options)
    assert Path(result.path).name == "few-labels-split1-finetune.json"
    assert children(own) == [f"{start}-labels1-draw{draw}" for start in ("random", "trained") for draw in (0, 1)]
    names = ("rgb", "flow", "mean of views")
    assert [row.name for row in result.rows] == [*names, *names, "chance"]
    assert all(row.metrics.keys() == {"top-1 at 1 label"} for row in result.rows)
    assert all("top-1 at 1 label" in row.standard_errors for row in result.rows[:-1])
    taught = [Run.load(path).resolved["data"]["num_train"] for path in (own.run / "finetune").iterdir()]
    assert taught == [2] * 4


def test_a_setting_that_does_not_exist_is_named():
    with pytest.raises(UserError, match="unknown setting 'epoch'; did you mean 'epochs'"):
        parse(FinetuneSettings, {"epoch": 3}, source="x")
