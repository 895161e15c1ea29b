"""Trackers are told a run's name, settings and scalars, go on with it when it resumes, and never end it."""

import importlib.util
import json
import logging
import socket
import sys
import time
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace

import pytest

import coview
from coview.errors import MissingExtraError, UserError
from coview.training.runlog import RunLog, read_log
from coview.training.trackers import TRACKERS, TRACKERS_FILE, check_trackers
from small_run import small_run

__all__ = ["small_run"]

SETTINGS = {"method": {"name": "joint"}, "start_from": {"rgb": "/home/someone/secret/runs/first"}, "seed": 3}
QUICK = {
    "views.rgb.size": 16,
    "encoder.widths": [4, 4, 8, 8],
    "training.workers": 0,
    "training.log_every": 1,
    "clip.block_length": 2,
    "method.epochs": 2,
}


class Told(list):
    """What a stand-in for a package was told, as (what, value)."""

    def of(self, what):
        return [value for name, value in self if name == what]


def fake_wandb(told: Told) -> dict[str, ModuleType]:
    run = SimpleNamespace(
        define_metric=lambda name, **given: told.append(("metric", given)),
        log=lambda values: told.append(("scalars", (values["global_step"], values["loss"]))),
        finish=lambda: told.append(("finish", None)),
    )

    def init(**given):
        told.append(("begin", (given["name"], given["config"], given["id"])))
        assert given["resume"] == "allow"
        return run

    return {"wandb": module("wandb", init=init, Settings=lambda **given: given)}


def fake_mlflow(told: Told) -> dict[str, ModuleType]:
    class Client:
        def get_experiment_by_name(self, name):
            return None

        def create_experiment(self, name):
            return "7"

        def create_run(self, experiment, run_name):
            assert experiment == "7"
            self.name, self.parameters = run_name, {}
            return SimpleNamespace(info=SimpleNamespace(run_id="key-of-run"))

        def update_run(self, key, status):
            told.append(("begin", (None, None, key)))

        def log_batch(self, key, params=(), metrics=()):
            if params:
                told.append(("begin", (self.name, dict(params), key)))
            for name, value, _, step in metrics:
                assert name == "loss"
                told.append(("scalars", (step, value)))

        def set_terminated(self, key):
            told.append(("finish", None))

    return {
        "mlflow": module("mlflow"),
        "mlflow.entities": module("mlflow.entities", Metric=lambda *row: row, Param=lambda *row: row),
        "mlflow.tracking": module("mlflow.tracking", MlflowClient=Client),
    }


def fake_trackio(told: Told) -> dict[str, ModuleType]:
    def init(**given):
        assert given["resume"] == "allow"
        told.append(("begin", (given["name"].rpartition("-")[0], given["config"], given["name"])))

    def log(values, step):
        told.append(("scalars", (step, values["loss"])))

    return {"trackio": module("trackio", init=init, log=log, finish=lambda: told.append(("finish", None)))}


def module(name: str, **content) -> ModuleType:
    made = ModuleType(name)
    made.__spec__ = ModuleSpec(name, None)
    made.__dict__.update(content)
    return made


@pytest.fixture(params=sorted(TRACKERS))
def stand_in(request, monkeypatch) -> tuple[str, Told]:
    """A tracker's name, and what the stand-in for its package is told."""
    told = Told()
    modules = {"wandb": fake_wandb, "mlflow": fake_mlflow, "trackio": fake_trackio}[request.param](told)
    for name, made in modules.items():
        monkeypatch.setitem(sys.modules, name, made)
    return request.param, told


def log_steps(folder, tracker, *steps, last_step=None):
    log = RunLog(folder, is_main=True, last_step=last_step, trackers=[tracker], settings=SETTINGS)
    for step in steps:
        log.scalars({"loss": step / 2}, global_step=step)
    log.close()


def test_a_tracker_is_told_name_settings_and_scalars_and_a_resumed_run_goes_on_there(stand_in, tmp_path):
    tracker, told = stand_in
    run = tmp_path / "mine"
    run.mkdir()
    log_steps(run, tracker, 1, 2)
    log_steps(run, tracker, 2, 3, last_step=1)
    (name, settings, key), (_, _, again) = told.of("begin")
    assert name == "mine"
    assert again == key == json.loads((run / TRACKERS_FILE).read_text())[tracker]
    assert told.of("scalars") == [(1, 0.5), (2, 1.0), (2, 1.0), (3, 1.5)]
    assert len(told.of("finish")) == 2
    assert "first" in str(settings)
    assert "someone" not in str(settings)


def test_a_new_run_in_the_same_folder_is_another_one(stand_in, tmp_path):
    tracker, told = stand_in
    if tracker == "mlflow":
        pytest.skip("its server gives the keys")
    log_steps(tmp_path, tracker, 1)
    log_steps(tmp_path, tracker, 1)
    (_, _, first), (_, _, second) = told.of("begin")
    assert first != second


def test_keys_that_are_damaged_begin_a_new_run(stand_in, tmp_path, caplog):
    tracker, told = stand_in
    (tmp_path / TRACKERS_FILE).write_text("[1]")
    log_steps(tmp_path, tracker, 5, last_step=4)
    assert told.of("scalars") == [(5, 2.5)]
    assert "damaged" in caplog.text


def test_a_tracker_that_fails_is_given_up_with_one_warning(stand_in, tmp_path, caplog, monkeypatch):
    tracker, told = stand_in

    def refuse(self, values, *, global_step):
        raise ConnectionError("no network\nat all")

    monkeypatch.setattr(TRACKERS[tracker], "scalars", refuse)
    with caplog.at_level(logging.WARNING):
        log_steps(tmp_path, tracker, 1, 2, 3)
    assert [r.message for r in caplog.records] == [
        f"--log {tracker} failed (no network): going on without; log.jsonl has the same numbers"
    ]
    assert told.of("scalars") == []


def test_other_processes_tell_nothing(stand_in, tmp_path):
    tracker, told = stand_in
    log = RunLog(tmp_path, is_main=False, trackers=[tracker], settings=SETTINGS)
    log.scalars({"loss": 1.0}, global_step=1)
    log.close()
    assert told == []


def test_training_tells_what_tensorboard_is_told(monkeypatch, small_run, tmp_path):
    told = Told()
    for name, made in fake_trackio(told).items():
        monkeypatch.setitem(sys.modules, name, made)
    values = []
    monkeypatch.setattr(sys.modules["trackio"], "log", lambda scalars, step: values.append((step, scalars)))
    out = tmp_path / "run"
    coview.pretrain("joint", small_run.data, out, settings=QUICK, max_steps=2, device="cpu", log=["trackio"])
    steps = [event for event in read_log(out / "log.jsonl") if event["event"] == "step"]
    assert steps
    sent = {step: scalars["together/loss"] for step, scalars in values if "together/loss" in scalars}
    assert sent == {event["global_step"]: event["loss"] for event in steps}


def test_what_is_asked_for_is_checked_before_any_work(tmp_path, monkeypatch):
    with pytest.raises(UserError, match="no tracker 'wandbb'; did you mean 'wandb'"):
        coview.pretrain("joint", "no/data", tmp_path / "run", log=["wandbb"])
    with pytest.raises(TypeError, match="not one string"):
        check_trackers("wandb")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'coview\[mlflow\]'"):
        check_trackers(["mlflow"])


def test_wandb_offline_keeps_scalars_and_tells_no_folder_and_no_host(tmp_path, monkeypatch):
    pytest.importorskip("wandb", reason="wandb is not installed: pip install 'coview[wandb]'")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setattr(socket, "gethostname", lambda: "host-of-mine")
    run = tmp_path / "mine"
    run.mkdir()
    log_steps(run, "wandb", 1, 2)
    (record,) = run.glob("wandb/offline-run-*/*.wandb")
    waited_until = time.monotonic() + 30
    while b"global_step" not in record.read_bytes() and time.monotonic() < waited_until:
        time.sleep(0.05)  # its own process writes it after the run has ended
    written = record.read_bytes()
    assert b"global_step" in written
    assert b"joint" in written
    for told in (str(tmp_path), "host-of-mine", "someone"):
        assert told.encode() not in written, told


def test_mlflow_keeps_scalars_in_a_folder(tmp_path, monkeypatch):
    pytest.importorskip("mlflow", reason="mlflow is not installed: pip install 'coview[mlflow]'")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    run = tmp_path / "mine"
    run.mkdir()
    log_steps(run, "mlflow", 1, 2)
    log_steps(run, "mlflow", 3, last_step=2)
    (scalars,) = (tmp_path / "mlruns").glob("*/*/metrics/loss")
    assert [line.split()[1:] for line in scalars.read_text().splitlines()] == [["0.5", "1"], ["1.0", "2"], ["1.5", "3"]]
    written = "".join(
        path.read_text() for path in (tmp_path / "mlruns").rglob("*") if path.is_file() and path.name != "meta.yaml"
    )
    assert "someone" not in written


def test_trackio_keeps_scalars_in_a_file(tmp_path, monkeypatch):
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))  # before the import, which reads it
    pytest.importorskip("trackio", reason="trackio is not installed: pip install 'coview[trackio]'")
    run = tmp_path / "mine"
    run.mkdir()
    log_steps(run, "trackio", 1, 2)
    assert any((tmp_path / "trackio").rglob("*.db"))
