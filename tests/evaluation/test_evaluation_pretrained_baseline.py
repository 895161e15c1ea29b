"""A frozen pretrained network beside a run: a row in the table, kept, and never confused with another one."""

import logging
import re

import numpy as np
import pytest
import torch

import coview
from coview.cli import run_arguments
from coview.datasets.prepared import PreparedDataset
from coview.encoders.pretrained import load_pretrained
from coview.errors import UserError
from coview.evaluation.pretrained_baseline import baseline_config, embed_with_baseline, hash_folder
from coview.exports.frames import crop_frames
from coview.views.opened import open_views
from pretrained_folders import needs_transformers, write_folder
from small_run import make_run, small_run

__all__ = ["small_run"]


@needs_transformers
def test_the_command_shows_a_frozen_row_and_what_it_took(small_run, tmp_path, capsys, caplog):
    caplog.set_level(logging.INFO, "coview")
    folder = write_folder(tmp_path / "dino-small", "dinov2")
    words = ["--data", str(small_run.data), "--baseline", str(folder), "--retrieval.stages", "false"]
    assert run_arguments(["evaluate", str(small_run.run), *words]) == 0
    assert "dino-small, pretrained, frozen" in capsys.readouterr().out
    assert re.search(
        r"dino-small, frozen: \d+ videos: 0\.\d minutes, [\d.]+ clips/s, \d+ MiB at most so far", caplog.text
    )
    result = coview.evaluate(small_run.run, small_run.data, protocol="linear", settings={"baseline": str(folder)})
    row = result.row("pretrained", "dino-small")
    assert 0 <= row.metrics["top-1"] <= 1
    assert "frozen dinov2, each frame by itself" in row.description
    assert "embedded before" in caplog.text


@needs_transformers
def test_its_vectors_are_those_of_the_network_on_frames_of_the_window(small_run, tmp_path):
    folder = write_folder(tmp_path / "net", "videomae")
    run, data = coview.load(small_run.run), PreparedDataset.open(small_run.data)
    encoder = load_pretrained(folder)
    config = baseline_config(encoder, run.config)
    assert (config.clip.num_frames, config.clip.frame_stride) == (4, 2)  # 8 neighbouring frames of the run's windows
    entries = data.ready[:2]
    made = embed_with_baseline(folder, run, data, entries)["net"]
    (view,) = open_views(data.view_options, ["rgb"]).values()
    pictures = view.read(data.view_path("rgb", entries[0].id, view.suffix), np.arange(20))
    frames = crop_frames(pictures, size=32)
    from coview.clips.sampling import window_indices

    windows = torch.from_numpy(frames[window_indices(20, config.clip)]).float() / 255  # (W, T, H, W, C)
    clips = view.standardise(windows.permute(0, 4, 1, 2, 3))
    mean = torch.nn.functional.normalize(encoder.pooled(clips), dim=1).mean(dim=0)
    assert float(torch.nn.functional.normalize(mean, dim=0) @ torch.from_numpy(made[0])) > 0.999


@needs_transformers
def test_other_weights_in_the_same_folder_are_another_baseline(small_run, tmp_path):
    folder = write_folder(tmp_path / "net", "dinov2")
    run, data = coview.load(small_run.run), PreparedDataset.open(small_run.data)
    first, name = embed_with_baseline(folder, run, data, data.ready[:2])["net"], hash_folder(folder)
    torch.manual_seed(7)
    for path in folder.iterdir():
        path.unlink()
    write_folder(folder, "dinov2")
    assert hash_folder(folder) != name
    assert not np.array_equal(embed_with_baseline(folder, run, data, data.ready[:2])["net"], first)


def test_another_run_can_be_the_baseline(small_run, tmp_path):
    make_run(tmp_path / "other", small_run.data)
    result = coview.evaluate(
        small_run.run, small_run.data, settings={"baseline": str(tmp_path / "other"), "stages": False}
    )
    assert result.row("pretrained", "other:rgb").metrics["R@1"] == result["rgb"]["R@1"]  # the same weights


def test_what_is_neither_is_told(small_run, tmp_path):
    with pytest.raises(UserError, match=r"holds no config\.json"):
        coview.evaluate(small_run.run, small_run.data, settings={"baseline": str(tmp_path)})
