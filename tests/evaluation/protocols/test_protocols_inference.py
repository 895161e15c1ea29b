"""Inference of a fine-tuned run: windows x crops by plain loops, constant pictures, frames read once, user mistakes."""

import dataclasses
import shutil

import numpy as np
import pytest
import torch

from coview.augmentation.batch import cropped
from coview.augmentation.geometry import crops_of_a_picture
from coview.clips.samples import collate
from coview.clips.windows import WindowDataset
from coview.config import EvaluationSettings
from coview.datasets.prepared import PreparedDataset
from coview.embedding.run import Run
from coview.errors import UserError
from coview.evaluation import evaluate
from coview.evaluation.protocols.base import Task
from coview.evaluation.protocols.inference import _class_probabilities
from coview.evaluation.results.predictions import Predictions
from coview.video.stored import write_rgb
from coview.views.opened import open_views
from coview.views.rgb import RgbView
from small_run import FRAMES, HEIGHT, WIDTH, classifier_config, make_run


@pytest.fixture(scope="module")
def task(small_run, tmp_path_factory) -> Task:
    folder = tmp_path_factory.mktemp("classifier") / "run"
    make_run(folder, small_run.data, classifier_config())
    return Task(Run.load(folder), PreparedDataset.open(small_run.data), "split1", "cpu")


@pytest.mark.parametrize("crops", [1, 10])
@pytest.mark.parametrize("batch_size", [2, 16])  # fewer and more than the windows of a video
def test_a_video_has_the_mean_softmax_of_its_windows_and_crops(task, crops, batch_size):
    config = dataclasses.replace(task.run.config, evaluation=EvaluationSettings(batch_size=batch_size))
    run, data = Run.load(task.run.path), task.data
    run.config = config
    entries = [data.entry("v5"), data.entry("v2")]
    found = _class_probabilities(dataclasses.replace(task, run=run), entries, crops=crops)
    views = open_views(data.view_options, run.views)
    for row, entry in enumerate(entries):
        windows = WindowDataset(data, [entry], views, config.clip)[0]
        assert len(windows) > 2
        for view in run.views:
            rows = []
            for window in windows:
                for crop in crops_of_a_picture(crops):
                    options = {"crop": crop, "device": torch.device("cpu")}
                    clips = cropped(collate([window]), views, config.views, **options).clips[view][:, 0]
                    with torch.no_grad():
                        rows.append(run.method.class_scores(view, clips)[0].exp())
            expected = torch.stack([row / row.sum() for row in rows]).mean(dim=0)
            np.testing.assert_allclose(found[view][row], expected, atol=1e-4)
            np.testing.assert_allclose(found[view][row].sum(), 1, atol=1e-5)


def test_crops_of_a_constant_video_say_what_one_crop_says(task, tmp_path):
    shutil.copytree(task.data.root, tmp_path / "data")
    data = PreparedDataset.open(tmp_path / "data")
    grey = np.full((FRAMES, HEIGHT, WIDTH, 3), 140, np.uint8)
    write_rgb(iter(grey), data.view_path("rgb", "v4", ".mp4"), fps=25.0, gop=8, crf=18.0)
    constant = dataclasses.replace(task, data=data)
    one = _class_probabilities(constant, [data.entry("v4")], crops=1)["rgb"]
    for crops in (3, 5, 10):
        many = _class_probabilities(constant, [data.entry("v4")], crops=crops)["rgb"]
        np.testing.assert_allclose(many, one, atol=1e-3)
    other = _class_probabilities(constant, [data.entry("v5")], crops=1)["rgb"]
    assert np.abs(other - one).max() > 1e-3


def test_every_frame_is_decoded_once_for_all_windows_and_crops(task, monkeypatch):
    read: list[int] = []
    original = RgbView.read

    def counted(self, path, frame_indices):
        read.extend(frame_indices.tolist())
        return original(self, path, frame_indices)

    monkeypatch.setattr(RgbView, "read", counted)
    _class_probabilities(task, [task.data.entry("v4")], crops=10)
    assert read == list(range(FRAMES))


def test_the_crops_of_a_head_are_those_of_its_paper_unless_told(task):
    path, data = task.run.path, task.data.root
    assert evaluate(path, data, protocol="inference").settings["crops"] == 1
    assert evaluate(path, data, protocol="inference", settings={"crops": 3}).settings["crops"] == 3
    with pytest.raises(UserError, match="crops"):
        evaluate(path, data, protocol="inference", settings={"crops": 4})


def test_classes_that_were_not_taught_are_missed_and_a_view_not_yet_taught_is_named(small_run, tmp_path):
    method = {**classifier_config().method, "classes": ["fast", "still"]}
    make_run(tmp_path / "run", small_run.data, dataclasses.replace(classifier_config(), method=method))
    first = next(path.name for path in (tmp_path / "run" / "checkpoints").iterdir() if path.name.startswith("rgb"))
    result = evaluate(tmp_path / "run", small_run.data, protocol="inference", checkpoint=first)
    assert result.row("trained", "rgb").metrics["top-5"] == 0.5
    assert result.counts["queries_scored"] == 4
    assert any("2 of 4 test videos are of classes that the run was not trained on" in text for text in result.remarks)
    assert any("its classifier is random: flow" in text for text in result.remarks)


def test_an_ensemble_of_a_run_with_itself_says_what_the_run_says_and_other_classes_are_refused(task, tmp_path):
    run, data = str(task.run.path), task.data.root
    alone = evaluate(run, data, protocol="inference")
    result = evaluate([f"{run}:rgb", f"{run}:rgb=3"], data, protocol="inference")
    assert result.row("trained", "ensemble").metrics == alone.row("trained", "rgb").metrics
    assert len(result.rows) == 4
    turned = {**classifier_config().method, "classes": ["slow", "fast"]}
    make_run(tmp_path / "turned", data, dataclasses.replace(classifier_config(), method=turned))
    result = evaluate([f"{run}:rgb", f"{tmp_path / 'turned'}:rgb=0"], data, protocol="inference")
    assert result.row("trained", "ensemble").metrics == alone.row("trained", "rgb").metrics
    other = {**classifier_config().method, "classes": ["fast", "still"]}
    make_run(tmp_path / "other", data, dataclasses.replace(classifier_config(), method=other))
    with pytest.raises(UserError, match="tell different classes apart"):
        evaluate([run, str(tmp_path / "other")], data, protocol="inference")


def test_what_became_of_each_video_is_kept(task):
    result = evaluate(task.run.path, task.data.root, protocol="inference")
    kept = Predictions.unpacked(result.predictions)
    assert kept.videos == ("v4", "v5", "v6", "v7")
    for name in ("rgb", "flow", "mean of views"):
        assert kept.hits(name).mean() == result.row("trained", name).metrics["top-1"]


def test_a_run_that_names_no_class_is_told_what_to_do(small_run):
    with pytest.raises(UserError, match=r"names no classes. Fine-tune and score it with: coview evaluate .*finetune"):
        evaluate(small_run.run, small_run.data, protocol="inference")
