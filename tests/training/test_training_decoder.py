"""`training.decoder torchcodec`: the same training, and clear words where it does not go."""

import dataclasses
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from coview.config import RunConfig, TrainingSettings
from coview.datasets.prepared import PreparedDataset
from coview.errors import MissingExtraError, UserError
from coview.training import video_feed
from coview.training.checkpoint import latest_checkpoint, load_checkpoint
from coview.training.distributed import joined_processes
from coview.training.pretrain import pretrain
from coview.training.video_feed import VideoFeed
from coview.views.opened import open_views
from small_run import make_data, small_config
from stand_in_torchcodec import require_torchcodec, use_stand_in


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("prepared")
    make_data(root, root / "videos")
    return root


def config(**training: Any) -> RunConfig:
    settings = {
        "batch_size": 2,
        "workers": 2,
        "log_every": 1,
        "precision": "fp32",
        "channels_last": "never",
        "decoder": "torchcodec",
        **training,
    }
    base = small_config()
    return dataclasses.replace(base, method={**base.method, "epochs": 2}, training=TrainingSettings(**settings))


def feed(data: Path, settings: RunConfig, views: tuple[str, ...] = ("rgb", "flow")) -> VideoFeed:
    dataset = PreparedDataset.open(data)
    opened = open_views(dataset.view_options, views)
    with joined_processes("cpu") as processes:
        return VideoFeed(dataset, dataset.ready, (), opened, config=settings, processes=processes)


def weights(run: Path) -> dict[str, torch.Tensor]:
    newest = latest_checkpoint(run)
    assert newest is not None
    return dict(load_checkpoint(newest).weights)


def test_pictures_alike_give_the_same_weights_and_a_run_goes_on(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = use_stand_in(monkeypatch)
    assert pretrain(config(decoder="pyav"), data=data, out=tmp_path / "pyav").is_complete
    assert kind.opened == []
    assert pretrain(config(), data=data, out=tmp_path / "torchcodec").is_complete
    assert kind.opened
    expected = weights(tmp_path / "pyav")
    assert all(torch.equal(value, expected[name]) for name, value in weights(tmp_path / "torchcodec").items())
    with pytest.raises(UserError, match="training.decoder was torchcodec, now pyav"):
        pretrain(config(decoder="pyav"), data=data, out=tmp_path / "torchcodec", resume=True)
    assert pretrain(config(workers=0), data=data, out=tmp_path / "torchcodec", resume=True).is_complete


def test_threads_decode_anew_each_time(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_stand_in(monkeypatch)
    monkeypatch.setattr(video_feed, "default_worker_kind", lambda: "processes")
    made = feed(data, config())
    assert (made.kind, made.frame_memory, made.held_bytes()) == ("threads", None, 0)
    assert made.describe().endswith("2 threads for decoding, rgb by torchcodec on cpu")
    assert feed(data, config(decoder="pyav")).kind == "processes"


@pytest.mark.parametrize(
    ("settings", "views", "message"),
    [
        ({"worker_kind": "processes"}, ("rgb",), "training.worker_kind processes.* Leave worker_kind at auto"),
        ({"frame_cache": "frames"}, ("rgb",), "training.frame_cache is set.* Leave one of the two"),
        ({"frame_memory": 5}, ("rgb",), "training.frame_memory is set.* Leave one of the two"),
        ({}, ("flow",), "decodes rgb, and the run has flow alone; leave it at pyav"),
    ],
)
def test_what_does_not_go_together_is_told(
    data: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], views: tuple[str, ...], message: str
) -> None:
    kind = use_stand_in(monkeypatch)
    with pytest.raises(UserError, match=f"training.decoder is torchcodec.* {message}"):
        feed(data, config(**settings), views)
    assert kind.opened == []


def test_keeping_nothing_is_what_torchcodec_does(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_stand_in(monkeypatch)
    assert feed(data, config(frame_memory=0)).frame_memory is None


def test_a_device_that_cannot_decode_is_told_before_there_is_a_run(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = use_stand_in(monkeypatch)
    monkeypatch.setattr(kind, "get_frames_at", lambda self, indices: (_ for _ in ()).throw(RuntimeError("no NVDEC")))
    with pytest.raises(UserError, match=r"torchcodec cannot read .* on cpu: no NVDEC; training.decoder pyav"):
        pretrain(config(), data=data, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_without_torchcodec_there_is_no_run(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchcodec", None)
    monkeypatch.delitem(sys.modules, "torchcodec.decoders", raising=False)
    with pytest.raises(MissingExtraError, match=r"coview\[torchcodec\]"):
        pretrain(config(), data=data, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_with_torchcodec_itself(data: Path, tmp_path: Path) -> None:
    require_torchcodec()
    assert pretrain(config(), data=data, out=tmp_path / "run").is_complete
    assert pretrain(config(), data=data, out=tmp_path / "again").is_complete
    first = weights(tmp_path / "run")
    assert all(torch.equal(value, first[name]) for name, value in weights(tmp_path / "again").items())
