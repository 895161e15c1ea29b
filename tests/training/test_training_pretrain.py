"""`coview pretrain` as a user runs it: real processes, kill -9, resume, two processes, wrong input."""

import dataclasses
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from command_process import start_command, steps_logged, wait_until
from coview.config import OptimiserSettings, RunConfig, TrainingSettings, as_plain
from coview.datasets.prepared import PreparedDataset
from coview.errors import UserError
from coview.training.checkpoint import checkpoints, latest_checkpoint, load_checkpoint
from coview.training.distributed import joined_processes
from coview.training.pretrain import pretrain
from coview.training.runfolder import FORMAT, open_run, read_resolved
from coview.training.runlog import read_log
from coview.training.video_feed import VideoFeed
from coview.views.opened import open_views
from small_run import make_data, small_config


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("prepared")
    make_data(root, root / "videos")
    return root


def config(**training) -> RunConfig:
    base = small_config()
    method = {**base.method, "epochs": 3, "dropout": 0.1, "temperature": 0.1}
    settings = {
        "batch_size": 2,
        "workers": 0,
        "log_every": 1,
        "precision": "fp32",
        "channels_last": "never",
        **training,
    }
    return dataclasses.replace(base, method=method, training=TrainingSettings(**settings))


def weights(run: Path) -> dict[str, torch.Tensor]:
    return dict(load_checkpoint(latest_checkpoint(run)).weights)


def different(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> list[str]:
    """Return the names of weights that are not the same to the bit, or that one of the two lacks."""
    both = one.keys() & other.keys()
    return sorted((one.keys() ^ other.keys()) | {name for name in both if not torch.equal(one[name], other[name])})


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory) -> Path:
    """A run from beginning to end, in this process, every step checkpointed."""
    out = tmp_path_factory.mktemp("whole") / "run"
    assert pretrain(config(), data=data, out=out).is_complete
    return out


def command(tmp_path: Path, data: Path, out: Path, settings: RunConfig, *more: str) -> list[str]:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(as_plain(settings), sort_keys=False))
    return ["-m", "coview", "pretrain", str(path), "--data", str(data), "--out", str(out), *more]


def test_a_run_explains_itself(whole, data):
    resolved = yaml.safe_load((whole / "resolved.yaml").read_text())
    assert resolved["data"]["root"] == str(data.resolve())
    assert resolved["channels"] == {"rgb": 3, "flow": 2}
    assert resolved["versions"]["torch"] == str(torch.__version__)
    assert yaml.safe_load((whole / "config.yaml").read_text()) == as_plain(config())
    assert [path.name.rsplit("-", 1)[0] for path in checkpoints(whole)] == ["rgb", "flow"]
    events = read_log(whole / "log.jsonl")
    assert events[0]["event"] == "start"
    assert events[-1]["event"] == "end"
    step = next(event for event in events if event["event"] == "step")
    assert step["chance_level"].keys() == step["parts"].keys() == {"rgb/cpc"}
    assert step["health"]["rgb"].keys() == {"std", "effective_rank"}
    assert any("validation_loss" in event for event in events if event["event"] == "epoch")
    assert list((whole / "tensorboard").iterdir())


@pytest.mark.parametrize(
    "how",
    [
        {"workers": 2, "worker_kind": "processes"},
        {"workers": 2, "worker_kind": "threads", "frame_memory": 0},
        {"workers": 1, "worker_kind": "threads", "frame_memory": 100},
    ],
)
def test_who_decodes_and_what_is_kept_change_nothing(whole, data, tmp_path, how):
    out = tmp_path / "run"
    pretrain(config(**how), data=data, out=out)
    assert losses(out) == losses(whole)
    assert different(weights(whole), weights(out)) == []


def losses(run: Path) -> list[float]:
    events = map(json.loads, (run / "log.jsonl").read_text().splitlines())
    return [event["loss"] for event in events if event["event"] == "step"]


def test_the_log_says_what_decoding_and_augmentation_take(whole):
    events = [json.loads(line) for line in (whole / "log.jsonl").read_text().splitlines()]
    steps = [event for event in events if event["event"] == "step"]
    assert all(0 < step[name] < 1 for step in steps for name in ("decoding_cores", "augmenting_cores"))
    assert all(step["decoding_cores"] + step["augmenting_cores"] <= step["data_wait_share"] for step in steps[1:])


def test_frames_are_kept_where_they_fit_and_this_process_decodes(data):
    dataset = PreparedDataset.open(data)
    views = open_views(dataset.view_options, ["rgb"])

    def kept(**training) -> bool:
        with joined_processes("cpu") as processes:
            settings = config(**training)
            feed = VideoFeed(dataset, dataset.ready, (), views, config=settings, processes=processes)
            assert ("once decoded are kept" in feed.describe()) == (feed.frame_memory is not None)
            return feed.frame_memory is not None

    assert kept(workers=0)
    assert kept(workers=2, worker_kind="threads")
    assert not kept(workers=2, worker_kind="processes")
    assert not kept(workers=0, frame_memory=0)


def test_who_decodes_may_change_when_a_run_is_resumed(whole, data):
    changed = config(workers=1, worker_kind="threads", frame_memory=1)
    assert pretrain(changed, data=data, out=whole, resume=True).is_complete


def test_kill_minus_nine_and_resume_gives_the_same_weights(whole, data, tmp_path):
    out = tmp_path / "run"
    words = command(tmp_path, data, out, config(checkpoint_every_steps=1), "--resume")[2:]
    process = start_command(words, tmp_path)
    wait_until(lambda: checkpoints(out) or not process.is_alive())
    process.kill()
    process.join()
    assert latest_checkpoint(out) is not None, (tmp_path / "said.txt").read_text()
    assert pretrain(config(checkpoint_every_steps=1), data=data, out=out, resume=True).is_complete
    # the killed process and this one may use different numbers of threads, but here the work is too small to split
    assert different(weights(whole), weights(out)) == []
    steps = [event["global_step"] for event in read_log(out / "log.jsonl") if event["event"] == "step"]
    assert steps == sorted(set(steps))


def start_ranks(words: list[str], folder: Path) -> list:
    """Start the command twice, with what torchrun tells its processes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "WORLD_SIZE": "2"}
    ranks = []
    for rank in ("0", "1"):
        (folder / rank).mkdir(exist_ok=True)
        ranks.append(start_command(words, folder / rank, RANK=rank, LOCAL_RANK=rank, **meeting))
    return ranks


def start_torchrun(words: list[str], folder: Path) -> subprocess.Popen:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    with (folder / "said.txt").open("w") as said:
        return subprocess.Popen(
            [*torchrun, *words], stdout=said, stderr=said, env={**os.environ, "OMP_NUM_THREADS": "1"}
        )


def run_ranks(words: list[str], folder: Path) -> None:
    for rank, process in enumerate(start_ranks(words, folder)):
        process.join(120)
        assert process.exitcode == 0, (folder / str(rank) / "said.txt").read_text()


@pytest.fixture(scope="module")
def whole_of_two(data, tmp_path_factory) -> Path:
    """The same run by two processes, from beginning to end."""
    folder = tmp_path_factory.mktemp("two")
    words = command(folder, data, folder / "run", config(batch_size=4))
    run_ranks(words[2:], folder)
    return folder / "run"


def same(one, other) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


@pytest.mark.xdist_group("processes")
@pytest.mark.parametrize(("workers", "kill_at", "by_torchrun"), [(0, 2, False), (2, 4, True)])
def test_two_processes_killed_and_resumed_end_in_the_state_of_uninterrupted_ones(
    whole_of_two, data, tmp_path, workers, kill_at, by_torchrun
):
    out = tmp_path / "run"
    settings = config(batch_size=4, workers=workers, checkpoint_every_steps=1)
    words = command(tmp_path, data, out, settings, "--resume")
    ranks = start_ranks(words[2:], tmp_path)
    wait_until(lambda: steps_logged(out) >= kill_at or not all(rank.is_alive() for rank in ranks))
    for rank in ranks:
        rank.kill()
        rank.join()
    saved = load_checkpoint(latest_checkpoint(out))
    expected = load_checkpoint(latest_checkpoint(whole_of_two))
    assert kill_at - 1 <= saved.position.global_step < expected.position.global_step
    if by_torchrun:  # what became of the whole by itself becomes of it under torchrun, to the bit
        assert start_torchrun(words, tmp_path).wait(250) == 0, (tmp_path / "said.txt").read_text()
    else:
        run_ranks(words[2:], tmp_path)
    found = load_checkpoint(latest_checkpoint(out))
    assert found.position == expected.position
    assert same(dict(found.weights), dict(expected.weights))
    assert len(expected.state["random"]) == 2
    assert same(found.state, expected.state)


@pytest.mark.xdist_group("processes")
def test_two_processes_equal_one(data, tmp_path):
    """The whole command in two processes against one with the same global batch; dropout is drawn apart."""
    # With seed 3 a value before a ReLU lies so near 0 that rounding decides: clips off by 5e-7 move weights by 0.002.
    base = dataclasses.replace(config(val_fraction=0.0, batch_size=4), seed=6)
    still = {**base.method, "dropout": 0.0, "epochs": 2}
    # plain SGD: Adam divides by the size of a gradient, and so blows rounding up where that is almost nothing
    settings = dataclasses.replace(base, method=still, optimiser=OptimiserSettings(name="sgd", learning_rate=0.05))
    out = tmp_path / "together"
    run_ranks(command(tmp_path, data, out, settings)[2:], tmp_path)
    pretrain(settings, data=data, out=tmp_path / "alone")
    alone, together = weights(tmp_path / "alone"), weights(out)
    for name, value in alone.items():
        torch.testing.assert_close(together[name], value, rtol=1e-3, atol=1e-4, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 4}, r"seed was 3, now 4"),
        (
            {"views": dict(reversed(small_config().views.items()))},
            r"view_order was \['rgb', 'flow'\], now \['flow', 'rgb'\]",
        ),
        (
            {"optimiser": dataclasses.replace(RunConfig().optimiser, learning_rate=0.5)},
            r"learning_rate was 0.001, now 0.5",
        ),
    ],
)
def test_going_on_with_other_settings_is_refused(whole, data, change, message):
    with pytest.raises(UserError, match=message):
        pretrain(dataclasses.replace(config(), **change), data=data, out=whole, resume=True)


def test_an_occupied_folder_is_refused_and_left_alone(whole, data, tmp_path):
    before = sorted(path.name for path in whole.iterdir())
    with pytest.raises(UserError, match="already holds a run; continue it with --resume"):
        pretrain(config(), data=data, out=whole)
    assert sorted(path.name for path in whole.iterdir()) == before
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="is not empty"):
        pretrain(config(), data=data, out=tmp_path)


def test_a_run_that_another_process_trains_is_left_alone(whole, data):
    fcntl = pytest.importorskip("fcntl")
    before = weights(whole)
    with (whole / ".lock").open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="is being trained by another process"):
            pretrain(config(), data=data, out=whole, resume=True)
    assert different(before, weights(whole)) == []


def test_a_finished_run_resumed_does_nothing(whole, data):
    before = weights(whole)
    assert pretrain(config(), data=data, out=whole, resume=True).is_complete
    assert different(before, weights(whole)) == []


def test_a_view_that_was_not_prepared_is_named(data, tmp_path):
    views = {**config().views, "pose": config().views["rgb"]}
    with pytest.raises(UserError, match="pose"):
        pretrain(dataclasses.replace(config(), views=views), data=data, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_settings_that_touch_no_weight_may_change_on_resume(tmp_path):
    settings = as_plain(config(workers=0))
    described = {"format": FORMAT, "config": settings, "data": {"root": "/a", "num_train": 3}}
    assert open_run(tmp_path / "run", described, resume=False) is None
    (tmp_path / "run" / "resolved.yaml").write_text(yaml.safe_dump({**described, "precision": {}}))
    moved = {"format": FORMAT, "config": as_plain(config(workers=5)), "data": {"root": "/b", "num_train": 3}}
    assert open_run(tmp_path / "run", moved, resume=True) is not None
    with pytest.raises(UserError, match="num_train was 3, now 4"):
        open_run(tmp_path / "run", {**moved, "data": {"root": "/b", "num_train": 4}}, resume=True)


def test_a_run_that_is_older_than_a_setting_goes_on_with_its_default(tmp_path):
    described = {"format": FORMAT, "config": as_plain(config())}
    older = yaml.safe_load(yaml.safe_dump(described))
    del older["config"]["training"]["decoder"]
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "resolved.yaml").write_text(yaml.safe_dump(older))
    assert open_run(tmp_path / "run", described, resume=True) is not None
    other = {**described, "config": as_plain(config(decoder="torchcodec"))}
    with pytest.raises(UserError, match="training.decoder was pyav, now torchcodec"):
        open_run(tmp_path / "run", other, resume=True)


@pytest.mark.parametrize(
    ("resolved", "message"),
    [
        (
            {},
            r"made by an older coview \(format 1; this one reads \d\): train again .* that made it \(an earlier one\)",
        ),
        ({"format": 1, "versions": {"coview": "0.0.7"}}, r"or use the version that made it \(0\.0\.7\)"),
        ({"format": FORMAT + 1}, "made by a newer coview"),
        ({"format": "two"}, "is damaged: its format is 'two'"),
    ],
)
def test_runs_of_another_format_are_told(tmp_path, resolved, message):
    (tmp_path / "resolved.yaml").write_text(yaml.safe_dump(resolved))
    with pytest.raises(UserError, match=message):
        read_resolved(tmp_path)
