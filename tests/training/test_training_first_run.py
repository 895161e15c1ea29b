"""`coview init`: what is chosen follows videos, machine and time, and the config it writes is the one it chose."""

import pytest

from coview.cli import run_arguments
from coview.config import as_plain
from coview.config.files import load_config
from coview.datasets.prepared import PreparedDataset
from coview.errors import UserError
from coview.training import first_run, sizing
from coview.training.choices import Footage, Machine, choose_config
from coview.training.first_run import plan_first_run, seconds_per_clip_step
from small_run import small_run

__all__ = ["small_run"]

LAPTOP = Machine(cores=2, memory_bytes=8 * 2**30)
SERVER = Machine(cores=16, gpu="a GPU", gpu_bytes=24 * 10**9, has_bf16=True)
FOOTAGE = Footage(count=200, seconds=10.0, fps=30.0, views=("rgb", "flow"))


@pytest.fixture
def timed(monkeypatch) -> dict[str, float]:
    """Seconds that the flow of a frame and a step are taken to last."""
    seconds = {"dis": 0.01, "tvl1": 0.1, "step": 0.4}
    monkeypatch.setattr(first_run, "_seconds_a_frame", lambda name, clip: seconds[name])
    monkeypatch.setattr(first_run, "seconds_per_clip_step", lambda config, **_: seconds["step"])
    monkeypatch.setattr(Machine, "look", classmethod(lambda cls, device="auto": LAPTOP))
    return seconds


def test_a_laptop_gets_a_small_encoder_and_a_gpu_a_larger_one():
    config, choices = choose_config(FOOTAGE, LAPTOP, {})
    assert (config.method["name"], config.encoder["name"]) == ("joint", "tiny3d")
    assert {view: item.size for view, item in config.views.items()} == {"rgb": 48, "flow": 48}
    assert all(choice.why for choice in choices)
    config, _ = choose_config(FOOTAGE, SERVER, {})
    assert config.encoder["name"] == load_config("medium").encoder["name"] == "r2d3d18"
    assert config.training.batch_size == 16
    assert config.views["flow"].size == 112


@pytest.mark.parametrize(("fps", "stride"), [(5, 1), (15, 2), (25, 4), (60, 9)])
def test_a_clip_lasts_about_as_long_at_every_rate(fps, stride):
    footage = Footage(count=20, seconds=10.0, fps=fps, views=("rgb",))
    assert choose_config(footage, LAPTOP, {})[0].clip.frame_stride == stride


def test_settings_stand_above_choices():
    config, choices = choose_config(FOOTAGE, LAPTOP, {"training.batch_size": 4, "encoder.name": "s3d"})
    assert config.training.batch_size == 4
    assert {choice.what: choice.value for choice in choices}["encoder"] == "s3d at 48 px"


@pytest.mark.parametrize(
    ("minutes", "views", "flow", "expected"),
    [
        (10, (), None, (("rgb", "flow"), "tvl1")),
        (0.05, (), None, (("rgb", "flow"), "dis")),
        (0.0001, (), None, (("rgb",), None)),
        (0.0001, ("rgb", "flow"), None, (("rgb", "flow"), "dis")),
        (0.0001, (), "farneback", (("rgb", "flow"), "farneback")),
        (10, ("rgb",), None, (("rgb",), None)),
    ],
)
def test_flow_is_the_quick_one_where_the_other_takes_longer_than_training(
    timed, source, minutes, views, flow, expected
):
    first = plan_first_run(source, minutes=minutes, views=views, flow=flow)
    prepare = list(first.commands[0])
    algorithm = prepare[prepare.index("--flow.algorithm") + 1] if "--flow.algorithm" in prepare else None
    assert (tuple(first.config.views), algorithm) == expected


def test_the_command_writes_what_it_chose_and_says_why_and_what_comes_next(
    timed, source, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert run_arguments(["init", "videos", "--minutes", "2", "--training.batch-size", "4"]) == 0
    shown = capsys.readouterr().out
    assert "6 videos" in shown
    assert "2 class folders" in shown
    assert "coview pretrain videos.yaml --data data/videos --out runs/videos" in shown
    config = load_config("videos.yaml")
    first = plan_first_run(source, {"training.batch_size": 4}, minutes=2)
    assert as_plain(config) == as_plain(first.config)
    assert config.method["epochs"] == 240  # one step an epoch, of 0.4 s and what loading adds
    assert "# epochs: 240 of 1 step" in (tmp_path / "videos.yaml").read_text()
    with pytest.raises(UserError, match="is there already"):
        run_arguments(["init", "videos"])


def test_a_prepared_data_set_is_measured(small_run, monkeypatch):
    monkeypatch.setattr(sizing, "seconds_per_step", lambda config, data, *, device: 0.5)
    first = plan_first_run(small_run.data, minutes=2, device="cpu")
    assert first.config.method["epochs"] == 240
    assert first.commands[0][:3] == ("coview", "pretrain", "CONFIG")
    assert set(first.config.views) == set(PreparedDataset.open(small_run.data).view_options)
    with pytest.raises(UserError, match="is prepared"):
        plan_first_run(small_run.data, flow="dis")


def test_what_cannot_be_read_is_named(tmp_path):
    (tmp_path / "clip.mp4").write_bytes(b"no video")
    with pytest.raises(UserError, match="no video of .* can be read"):
        plan_first_run(tmp_path)
    for minutes in (0, float("nan"), float("inf"), 1e308):
        with pytest.raises(UserError, match="minutes is .*, expected above 0"):
            plan_first_run(tmp_path, minutes=minutes)


def test_a_step_is_timed_on_clips_of_the_runs_shapes():
    config, _ = choose_config(
        FOOTAGE, LAPTOP, {"encoder.widths": [4, 4, 8, 8], "views.rgb.size": 16, "views.flow.size": 16}
    )
    assert 0 < seconds_per_clip_step(config, num_videos=4, device="cpu") < 60
