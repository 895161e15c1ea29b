"""What a run was not told is derived once, shown, and stored apart from what was asked."""

import dataclasses
import logging
from typing import Any

import pytest
import torch
import yaml

from coview.config import (
    ClipSettings,
    OptimiserSettings,
    RunConfig,
    ScheduleSettings,
    TrainingSettings,
    as_plain,
)
from coview.embedding.run import load
from coview.training.building import build_method, compile_encoders, derived_settings, resolve_config
from coview.training.pretrain import pretrain
from small_run import make_data, small_config

ASKED = dataclasses.replace(
    small_config(),
    method={"name": "vicc", "single_stream_epochs": 2, "cycles": 1, "cross_stream_epochs": 1, "projection_size": 8},
    clip=ClipSettings(num_blocks=1, block_length=4, frame_stride=1, clips_per_video=2),
    optimiser=OptimiserSettings(name="lars", learning_rate=0.6, reference_batch=192),
    schedule=ScheduleSettings(name="cosine", final_learning_rate=6e-4),
    training=TrainingSettings(
        batch_size=2, workers=0, log_every=1, precision="fp32", channels_last="never", val_fraction=0.0
    ),
)


def test_only_what_was_not_set_is_derived():
    found = resolve_config(ASKED, num_videos=40)
    assert derived_settings(ASKED, found) == {
        "method.prototypes": 8,
        "method.queue": 10,
        "method.frozen_prototypes_epochs": 0,
        "optimiser.learning_rate": pytest.approx(0.6 * 2 / 192),
        "schedule.final_learning_rate": pytest.approx(6e-4 * 2 / 192),
    }
    assert resolve_config(found, num_videos=40) == found
    told = dataclasses.replace(ASKED, method={**ASKED.method, "prototypes": 5, "queue": 0})
    assert resolve_config(told, num_videos=40).method["prototypes"] == 5


def test_a_batch_larger_than_the_data_counts_as_the_data():
    large = dataclasses.replace(ASKED, training=dataclasses.replace(ASKED.training, batch_size=384))
    assert resolve_config(large, num_videos=96).optimiser.learning_rate == pytest.approx(0.3)


def test_a_method_that_derives_nothing_is_left_as_it_is():
    config = RunConfig()
    assert resolve_config(config, num_videos=40).method == config.method
    assert derived_settings(config, resolve_config(config, num_videos=40)) == {"optimiser.learning_rate": 1e-3}


def test_a_run_shows_what_it_derived_and_opens_with_it(tmp_path, caplog):
    data, out = tmp_path / "data", tmp_path / "run"
    data.mkdir()
    make_data(data, tmp_path / "videos")
    with caplog.at_level(logging.INFO):
        assert pretrain(ASKED, data=data, out=out).is_complete
    assert "derived: method.prototypes 1" in caplog.text
    assert yaml.safe_load((out / "config.yaml").read_text()) == as_plain(ASKED)
    resolved = yaml.safe_load((out / "resolved.yaml").read_text())["config"]
    assert resolved["optimiser"]["learning_rate"] == pytest.approx(0.6 * 2 / 192)
    assert resolved["method"]["prototypes"] == 1
    run = load(out)
    assert run.method.prototypes["rgb"].weight.shape == (1, 8)
    assert [stage.name for stage in run.stages] == ["rgb", "flow", "cycle1-rgb", "cycle1-flow"]
    assert pretrain(ASKED, data=data, out=out, resume=True).is_complete


@pytest.mark.parametrize(
    ("settings", "device", "expected"),
    [
        ({}, "cpu", None),
        ({}, "cuda", None),
        ({"compile": True}, "cpu", {"mode": None}),
        ({"cuda_graphs": True}, "cpu", None),
        ({"cuda_graphs": True}, "cuda", {"mode": "reduce-overhead"}),
        ({"compile": True, "cuda_graphs": True}, "cuda", {"mode": "reduce-overhead"}),
    ],
)
def test_encoders_are_compiled_as_set(
    settings: dict[str, bool], device: str, expected: dict[str, Any] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self, **how: asked.append(how))
    config = small_config()
    method = build_method(config, dict.fromkeys(config.views, 3))
    compile_encoders(method, TrainingSettings(**settings), torch.device(device))
    assert asked == ([] if expected is None else [expected] * len(config.views))
    has_graphs = expected == {"mode": "reduce-overhead"}
    assert len(method._forward_pre_hooks) == has_graphs  # each pass begins by letting go of the last one's graphs
