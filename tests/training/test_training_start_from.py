"""A run that starts from others has their weights, says so, and resumes as any other."""

import dataclasses
import logging
from pathlib import Path

import pytest
import torch
import yaml

from coview.config import RunConfig, TrainingSettings, ViewInput, as_plain
from coview.embedding.run import load
from coview.encoders import ENCODERS
from coview.encoders.published_weights import NAMINGS, published_name
from coview.errors import UserError
from coview.methods import Method
from coview.training.building import build_method
from coview.training.checkpoint import Position, checkpoints, latest_checkpoint, load_checkpoint, save_checkpoint
from coview.training.pretrain import pretrain
from coview.training.runfolder import FORMAT
from coview.training.start_from import find_checkpoint, recorded_sources, sources_of, start_from
from small_run import make_data, small_config

CHANNELS = {"rgb": 3, "flow": 2}
BASE = small_config()
ALONE = dataclasses.replace(BASE, method={"name": "cpc", "predict_blocks": 1})
TOGETHER = dataclasses.replace(
    BASE,
    method={"name": "cocon", "predict_blocks": 1, "single_view_epochs": 0, "cooperation_epochs": 2, "temperature": 0.1},
    training=TrainingSettings(batch_size=2, workers=0, precision="fp32", channels_last="never", log_every=1),
)


def build(config: RunConfig, seed: int, channels=CHANNELS) -> Method:
    torch.manual_seed(seed)
    return build_method(config, channels)


def save(folder: Path, method: Method, *, stage_index: int = 1, step: int = 5, config: RunConfig = ALONE):
    """Leave a checkpoint as training does, with random weights that are known."""
    with torch.no_grad():
        for name, buffer in method.named_buffers():
            if name.endswith("running_mean"):
                buffer.fill_(0.25)
    at = Position(stage_index, method.stages()[stage_index].name, step=step)
    saved = save_checkpoint(folder, at, weights=method.state_dict(), state={}, keep=9)
    resolved = {"format": FORMAT, "config": as_plain(config), "channels": CHANNELS}
    (folder / "resolved.yaml").write_text(yaml.safe_dump(resolved, sort_keys=False))
    return saved


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("prepared")
    make_data(root, root / "videos")
    return root


def test_each_view_takes_encoder_predictor_and_statistics_of_its_own_run(tmp_path, caplog):
    one, other = build(ALONE, 1), build(ALONE, 2)
    save(tmp_path / "one", one)
    earlier = save(tmp_path / "other", other, step=5)
    save(tmp_path / "other", build(ALONE, 3), step=6)
    method = build(TOGETHER, 4)
    with caplog.at_level(logging.INFO):
        started = start_from(method, {"rgb": tmp_path / "one", "flow": earlier})
    for name, value in method.state_dict().items():
        source = one if ".rgb." in name else other
        assert torch.equal(value, source.state_dict()[name]), name
    assert started["rgb"].loaded == ("encoders", "predictors")
    assert started["rgb"].num_parameters == sum(v.numel() for n, v in one.state_dict().items() if ".rgb." in n)
    assert "view flow starts from" in caplog.text
    assert "encoders, predictors" in caplog.text
    assert "has not been trained" not in caplog.text


def test_a_view_that_is_not_named_stays_random(tmp_path):
    save(tmp_path / "one", build(ALONE, 1))
    method, untouched = build(TOGETHER, 4), build(TOGETHER, 4)
    start_from(method, {"rgb": tmp_path / "one"})
    for name, value in method.state_dict().items():
        if ".flow." in name:
            assert torch.equal(value, untouched.state_dict()[name]), name


def test_parts_that_one_side_lacks_are_reported(tmp_path, caplog):
    method = build(ALONE, 1)
    at = Position(0, "rgb", step=1)
    weights = {n: v for n, v in method.state_dict().items() if not n.startswith("predictors.")}
    save_checkpoint(tmp_path, at, weights={**weights, "heads.rgb.weight": torch.ones(2)}, state={}, keep=1)
    with caplog.at_level(logging.INFO):
        started = start_from(build(TOGETHER, 2), {"rgb": tmp_path})["rgb"]
    assert (started.loaded, started.left_random, started.left_out) == (("encoders",), ("predictors",), ("heads",))
    assert "not there, so random: predictors; not used here: heads" in caplog.text


FIRST = "encoders.rgb.stem.0.weight"


def test_a_view_that_the_other_run_had_not_reached_is_warned_of(tmp_path, caplog):
    save(tmp_path, build(ALONE, 1), stage_index=0)
    start_from(build(TOGETHER, 2), {"rgb": tmp_path, "flow": tmp_path})
    assert "view flow has not been trained" in caplog.text
    assert "view rgb has not been trained" not in caplog.text


def test_weights_of_an_older_run_are_taken_though_its_settings_cannot_be_read(tmp_path, caplog):
    other = build(ALONE, 1)
    save(tmp_path, other)
    (tmp_path / "resolved.yaml").write_text("config: {names: of old}")
    method = build(TOGETHER, 2)
    start_from(method, {"rgb": tmp_path})
    assert torch.equal(method.state_dict()[FIRST], other.state_dict()[FIRST])
    assert "whether" in caplog.text
    assert "made by an older coview (format 1" in caplog.text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"encoder": {"name": "r2d3d18"}}, r"start_from\.rgb: .* does not fit: it lacks"),
        ({"views": {"rgb": ViewInput(pad_channels=4), "flow": ViewInput()}}, r"\(24, 3, .*there and \(24, 4, .*here"),
    ],
)
def test_weights_that_do_not_fit_are_named(tmp_path, change, message):
    save(tmp_path, build(ALONE, 1))
    config = dataclasses.replace(TOGETHER, **change)
    channels = {view: item.pad_channels or CHANNELS[view] for view, item in config.views.items()}
    with pytest.raises(UserError, match=message):
        start_from(build(config, 2, channels), {"rgb": tmp_path})


def test_a_run_without_the_view_and_folders_without_weights_are_named(tmp_path):
    config = dataclasses.replace(ALONE, views={"rgb": BASE.views["rgb"]})
    save(tmp_path / "rgb", build(config, 1), stage_index=0, config=config)
    with pytest.raises(UserError, match="has no encoder of the view flow"):
        start_from(build(TOGETHER, 2), {"flow": tmp_path / "rgb"})
    with pytest.raises(UserError, match="neither a run nor a checkpoint"):
        find_checkpoint(tmp_path / "absent")
    (tmp_path / "resolved.yaml").write_text("config: {}")
    with pytest.raises(UserError, match="has no checkpoint yet"):
        find_checkpoint(tmp_path)
    damaged = latest_checkpoint(tmp_path / "rgb") / "model.safetensors"
    damaged.write_bytes(b"half")
    with pytest.raises(UserError, match="every checkpoint of .*rgb is damaged"):
        start_from(build(TOGETHER, 2), {"rgb": tmp_path / "rgb"})


def test_published_weights_go_into_the_encoder_and_misfits_stay_random(tmp_path, caplog):
    config = dataclasses.replace(ALONE, encoder={"name": "s3d"})
    published = build_published_s3d()
    torch.save({"state_dict": published}, tmp_path / "s3d.pth")
    method = build(config, 2)
    before = method.encoders["flow"].state_dict()["layers.conv1a.spatial.weight"].clone()
    with caplog.at_level(logging.INFO):
        started = start_from(method, {"flow": tmp_path / "s3d.pth"})["flow"]
    assert started.checkpoint == str((tmp_path / "s3d.pth").resolve())
    assert started.left_random == ("layers.conv1a.spatial.weight",)
    assert torch.equal(method.encoders["flow"].state_dict()["layers.conv1a.spatial.weight"], before)
    assert "tensors loaded, as named by torchvision's s3d" in caplog.text
    with pytest.raises(UserError, match="nothing in .* fits the encoder Tiny3D"):
        start_from(build(ALONE, 1), {"rgb": tmp_path / "s3d.pth"})


def build_published_s3d():
    """An S3D for pictures under the names of torchvision, which a flow encoder's first layer does not fit."""
    encoder = ENCODERS.load("s3d")(in_channels=3)
    rules = next(naming for naming in NAMINGS if naming.source == "torchvision's s3d").rules
    return {published_name(name, rules): value for name, value in encoder.state_dict().items()}


def test_settings_name_one_folder_for_all_views_or_one_a_view():
    assert sources_of(TOGETHER) == {}
    everywhere = dataclasses.replace(TOGETHER, start_from="runs/cpc")
    assert sources_of(everywhere) == {"rgb": Path("runs/cpc"), "flow": Path("runs/cpc")}
    assert sources_of(dataclasses.replace(TOGETHER, start_from={"flow": "f"})) == {"flow": Path("f")}
    with pytest.raises(UserError, match="did you mean 'flow'"):
        sources_of(dataclasses.replace(TOGETHER, start_from={"flwo": "f"}))


def test_a_run_begins_there_records_it_and_resumes(data, tmp_path, monkeypatch):
    source = build(ALONE, 1)
    save(tmp_path / "cpc", source)
    monkeypatch.chdir(tmp_path)
    config = dataclasses.replace(TOGETHER, start_from="cpc")
    seen = {}
    original = Method.__call__

    def first_weights(self, *arguments):
        seen.setdefault("start", {name: value.clone() for name, value in self.state_dict().items()})
        return original(self, *arguments)

    monkeypatch.setattr(Method, "__call__", first_weights)
    whole = tmp_path / "whole"
    assert pretrain(config, data=data, out=whole).is_complete
    assert all(torch.equal(value, source.state_dict()[name]) for name, value in seen["start"].items())
    resolved = yaml.safe_load((whole / "resolved.yaml").read_text())
    recorded = resolved["start_from"]["flow"]
    assert recorded["checkpoint"] == str(latest_checkpoint(tmp_path / "cpc").resolve())
    assert recorded["loaded"] == ["encoders", "predictors"]
    assert resolved["config"]["start_from"] == "cpc"
    assert recorded_sources(resolved["start_from"])["rgb"] == latest_checkpoint(tmp_path / "cpc").resolve()

    # stopped before its first checkpoint, it starts from the same one, though there is a newer by now
    stopped = tmp_path / "stopped"
    stopped.mkdir()
    (stopped / "resolved.yaml").write_text((whole / "resolved.yaml").read_text())
    save(tmp_path / "cpc", build(ALONE, 9), step=7)
    assert pretrain(config, data=data, out=stopped, resume=True).is_complete
    expected = load_checkpoint(latest_checkpoint(whole)).weights
    for name, value in load_checkpoint(latest_checkpoint(stopped)).weights.items():
        assert torch.equal(value, expected[name]), name

    # once it has a checkpoint of its own, the other run is not needed any more
    (tmp_path / "cpc").rename(tmp_path / "gone")
    assert pretrain(config, data=data, out=whole, resume=True).is_complete

    run = load(whole)
    assert run.trained_views == ("rgb", "flow")
    random = build(TOGETHER, TOGETHER.seed)
    for view, encoder in run.random_encoders().items():
        for own, other in zip(encoder.parameters(), random.encoders[view].parameters(), strict=True):
            assert torch.equal(own, other)


def test_nothing_is_left_behind_when_it_cannot_start(data, tmp_path):
    config = dataclasses.replace(TOGETHER, start_from={"rgb": str(tmp_path / "absent")})
    with pytest.raises(UserError, match="neither a run nor a checkpoint"):
        pretrain(config, data=data, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert checkpoints(tmp_path / "run") == []
