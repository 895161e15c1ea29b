"""Training without a config: joint on the views there are, for the minutes asked."""

import dataclasses
import time

import pytest

import coview
from coview.config import as_plain
from coview.datasets.prepared import PreparedDataset
from coview.errors import UserError
from coview.training import sizing
from coview.training.sizing import seconds_per_step, sized_config
from small_run import make_data

SMALL = {"views.rgb.size": 16, "encoder.widths": [4, 4, 8, 8], "training.workers": 0, "clip.block_length": 2}


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> PreparedDataset:
    folder = tmp_path_factory.mktemp("small")
    make_data(folder / "data", folder / "source")
    return PreparedDataset.open(folder / "data")


@pytest.fixture
def half_a_second(monkeypatch) -> list[str]:
    """A step lasts half a second; what was measured."""
    measured = []

    def measure(config, data, *, device):
        measured.append(config.method["name"])
        return 0.5

    monkeypatch.setattr(sizing, "seconds_per_step", measure)
    return measured


def test_takes_joint_with_the_views_of_the_data_and_the_epochs_that_fit(data, half_a_second):
    config = sized_config(data, minutes=2)
    assert config.method == {"name": "joint", "epochs": 240}  # one step an epoch: 4 videos to train on
    assert set(config.views) == {"rgb", "flow"}
    assert sized_config(data).method["epochs"] == 1200
    assert sized_config(data, minutes=0.001).method["epochs"] == 1
    assert half_a_second == ["joint"] * 3


def test_rgb_alone_and_more_views_work(data, half_a_second):
    alone = dataclasses.replace(data, view_options={"rgb": {}})
    assert set(sized_config(alone).views) == {"rgb"}
    four = dataclasses.replace(data, view_options=dict.fromkeys(("rgb", "flow", "pose", "segmentation"), {}))
    config = sized_config(four, {"views.pose.size": 32})
    assert {view: item.size for view, item in config.views.items()} == {
        "rgb": 48,
        "flow": 48,
        "pose": 32,
        "segmentation": 48,
    }


def test_a_short_run_is_not_all_warm_up(data, half_a_second):
    assert sized_config(data, minutes=0.5).schedule.warmup_steps == 3  # of 60
    assert sized_config(data, minutes=20).schedule.warmup_steps == 50  # of 2400
    assert sized_config(data, {"schedule.warmup_steps": 9}, minutes=0.5).schedule.warmup_steps == 9


def test_given_epochs_are_taken_without_measuring(data, half_a_second):
    assert sized_config(data, {"method.epochs": 3}).method["epochs"] == 3
    assert sized_config(data, {"method": {"epochs": 4}}).method["epochs"] == 4
    assert half_a_second == []


def test_what_does_not_fit_is_named(data, half_a_second, monkeypatch):
    with pytest.raises(UserError, match="give one of them"):
        sized_config(data, {"method.epochs": 3}, minutes=2)
    with pytest.raises(UserError, match="minutes is 0"):
        sized_config(data, minutes=0)
    with pytest.raises(UserError, match="without a config"):
        coview.pretrain("joint", data, "unused", minutes=3)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UserError, match="several processes"):
        sized_config(data)


def test_a_step_is_timed_on_the_data(data):
    config = sized_config(data, {**SMALL, "method.epochs": 1})
    before = time.monotonic()
    seconds = seconds_per_step(config, data, device="cpu")
    assert 0 < seconds * sizing.TIMED_STEPS < time.monotonic() - before


def test_pretrain_without_a_config_trains_and_resumes_what_it_sized(data, half_a_second, tmp_path):
    run = coview.pretrain(None, data, tmp_path / "run", settings=SMALL, minutes=0.02, max_steps=2, device="cpu")
    assert run.views == ("rgb", "flow")
    assert run.trained_views == ("rgb", "flow")
    assert run.config.method["epochs"] == 2
    again = coview.pretrain(None, data, tmp_path / "run", settings=SMALL, resume=True, max_steps=2, device="cpu")
    assert as_plain(again.config) == as_plain(run.config)
    assert half_a_second == ["joint"], "not measured again"
