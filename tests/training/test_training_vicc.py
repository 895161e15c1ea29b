"""ViCC through the real trainer: resume with the queue on and in mid stage, the frozen stream, released prototypes."""

import dataclasses
from collections.abc import Generator, Sequence
from pathlib import Path

import pytest
import torch

from coview.config import RunConfig, ViewInput, parse
from coview.datatypes import ViewBatch, random_generator
from coview.training.building import build_method
from coview.training.checkpoint import checkpoints, latest_checkpoint, load_checkpoint
from coview.training.distributed import Processes
from coview.training.precision import Precision
from coview.training.runlog import RunLog, read_log
from coview.training.trainer import Trainer
from two_processes import run_in_processes

CHANNELS = {"rgb": 3, "flow": 2}
STEPS_PER_EPOCH, VIDEOS = 2, 4
CONFIG = parse(
    RunConfig,
    {
        "views": {"rgb": {"size": 8}, "flow": {"size": 8}},
        "encoder": {"name": "tiny3d"},
        "clip": {"num_blocks": 1, "block_length": 2, "clips_per_video": 2},
        "optimiser": {"name": "lars", "learning_rate": 0.5, "weight_decay": 1e-6},
        "schedule": {"name": "cosine", "final_learning_rate": 0.01},
        "training": {"batch_size": VIDEOS, "log_every": 1, "checkpoint_every_steps": 1, "keep_checkpoints": 99},
        "method": {
            "name": "vicc",
            "prototypes": 4,
            "queue": 5,
            "projection_size": 8,
            "single_stream_epochs": 3,
            "cycles": 1,
            "cross_stream_epochs": 2,
            "frozen_prototypes_epochs": 1,
            "single_stream_queue_from": {"rgb": 1},
            "cross_stream_queue_from": 1,
            "shuffle_groups": 2,
        },
    },
    source="test",
)


class Feed:
    """Two batches of four videos an epoch, two clips each."""

    steps_per_epoch = STEPS_PER_EPOCH

    def __init__(self, config: RunConfig, processes: Processes) -> None:
        self.shape = (config.clip.num_frames, config.views["rgb"].size, config.views["rgb"].size)
        share = VIDEOS // processes.world_size
        self.part = slice(processes.rank * share, (processes.rank + 1) * share)

    def _batch(self, views: Sequence[str], *keys: int) -> ViewBatch:
        draw = random_generator(*keys)
        clips = {
            view: torch.from_numpy(draw.normal(size=(VIDEOS, 2, channels, *self.shape)).astype("float32"))
            for view, channels in CHANNELS.items()
        }
        return ViewBatch({view: clips[view][self.part] for view in views}, torch.arange(VIDEOS)[self.part])

    def training(self, views: Sequence[str], *, epoch: int, first_step: int) -> Generator[ViewBatch]:
        for step in range(first_step, STEPS_PER_EPOCH):
            yield self._batch(views, 1, epoch, step)

    def validation(self, views: Sequence[str]) -> Generator[ViewBatch]:
        yield self._batch(views, 2)


def make_trainer(run: Path, config: RunConfig = CONFIG, *, rank: int = 0, world_size: int = 1) -> Trainer:
    torch.manual_seed(0)
    run.mkdir(parents=True, exist_ok=True)
    processes = Processes(rank, world_size, torch.device("cpu"))
    return Trainer(
        build_method(config, CHANNELS),
        Feed(config, processes),
        config=config,
        run=run,
        processes=processes,
        precision=Precision("fp32", channels_last=False, seconds={}),
        log=RunLog(run, is_main=processes.is_main),
    )


def weights_of(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in trainer.method.state_dict().items()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> tuple[Path, dict[str, torch.Tensor]]:
    """A run with a checkpoint of every step, and the weights it ends with."""
    run = tmp_path_factory.mktemp("whole")
    trainer = make_trainer(run)
    assert trainer.run()
    return run, weights_of(trainer)


def test_stages_run_in_order_and_each_keeps_a_checkpoint_of_its_end(whole):
    events = read_log(whole[0] / "log.jsonl")
    assert [e["stage"] for e in events if e["event"] == "stage"] == ["rgb", "flow", "cycle1-rgb", "cycle1-flow"]
    last = {path.name.rsplit("-", 1)[0]: path.name for path in checkpoints(whole[0])}
    assert list(last.values()) == ["rgb-00000006", "flow-00000006", "cycle1-rgb-00000004", "cycle1-flow-00000004"]


def make_killed(run: Path, step: int, config: RunConfig = CONFIG) -> None:
    """Leave a run as a kill in the middle of a global step leaves it."""

    class Killed(BaseException):
        pass

    def kill(done: int, total: int, amounts: object) -> None:
        if trainer.position.global_step == step:
            raise Killed

    trainer = make_trainer(run, config)
    trainer.progress = kill
    with pytest.raises(Killed):
        trainer.run()


# steps 1-6 are rgb, its queue on from step 3; 7-12 flow, its queue begins by itself; 13-16 and 17-20 the cycle
@pytest.mark.parametrize(("killed_at", "kept"), [(5, "rgb-00000004"), (20, "cycle1-flow-00000003")])
def test_resumed_in_mid_stage_with_the_queue_on_equals_uninterrupted(tmp_path, whole, killed_at, kept):
    make_killed(tmp_path, killed_at)
    newest = latest_checkpoint(tmp_path)
    assert newest is not None
    assert newest.name == kept
    start = load_checkpoint(newest)
    assert start.weights["queue._extra_state"][0] > 0
    again = make_trainer(tmp_path)
    torch.rand(7)  # whatever the process drew before must not matter
    assert again.run(start)
    found, expected = weights_of(again), whole[1]
    assert not [name for name in expected if not torch.equal(expected[name], found[name])]


def _run_stage(trainer: Trainer, index: int) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Run one stage by itself; return the weights before and after."""
    before = weights_of(trainer)
    stage = trainer.method.stages()[index]
    trainer.position.stage_index, trainer.position.stage = index, stage.name
    assert trainer._run_stage(stage, None)
    return before, weights_of(trainer)


def test_the_frozen_stream_is_bit_for_bit_the_same_after_a_cross_stream_stage(tmp_path):
    before, after = _run_stage(make_trainer(tmp_path), 2)
    for name, value in before.items():
        if ".flow." in name:
            assert torch.equal(value, after[name]), name
    changed = {name for name, value in before.items() if not torch.equal(value, after[name])}
    for part in ("encoders.rgb", "heads.rgb", "prototypes.rgb"):
        own = {name for name in before if name.startswith(part) and not name.endswith("idle")}
        assert own <= changed


def test_prototypes_are_frozen_first_and_then_released(tmp_path):
    trainer = make_trainer(tmp_path)
    seen = []
    trainer.progress = lambda done, total, amounts: seen.append(trainer.method.prototypes["rgb"].weight.clone())
    before, _ = _run_stage(trainer, 0)
    start = before["prototypes.rgb.weight"]
    assert [torch.equal(weight, start) for weight in seen] == [True, True, False, False, False, False]
    for weight in seen[2:]:
        torch.testing.assert_close(weight.norm(dim=1), torch.ones(4))


def test_the_queue_begins_at_its_epoch(tmp_path):
    trainer = make_trainer(tmp_path)
    filled = []
    trainer.progress = lambda done, total, amounts: filled.append(trainer.method.queue.filled)
    _run_stage(trainer, 0)
    assert filled == [0, 0, 4, 5, 5, 5]


def test_meters_and_the_value_that_says_nothing_are_in_the_log(whole):
    steps = [event for event in read_log(whole[0] / "log.jsonl") if event["event"] == "step"]
    first, last = steps[0], steps[-1]
    assert first["chance_level"]["rgb/swapped"] == pytest.approx(1.3863, abs=1e-4)
    assert {"prototypes/used", "assignments/entropy", "assignments/agreement"} <= first["meters"].keys()
    assert "queue/filled" not in first["meters"]
    assert {"streams/cosine", "queue/filled"} <= last["meters"].keys()


def test_a_batch_in_parts_fills_the_queue_with_all_of_it(tmp_path):
    training = dataclasses.replace(CONFIG.training, accumulate=2)
    method = {**CONFIG.method, "single_stream_queue_from": {"rgb": 0}, "queue": 9, "shuffle_groups": 1}
    trainer = make_trainer(tmp_path, dataclasses.replace(CONFIG, training=training, method=method))
    filled = []
    trainer.progress = lambda done, total, amounts: filled.append(trainer.method.queue.filled)
    _run_stage(trainer, 0)
    assert filled == [4, 8, 9, 9, 9, 9]


def _trained(rank: int, world_size: int, run: str) -> dict[str, torch.Tensor]:
    """Train two stages alone, prototypes released after the first epoch, and a cycle, the queue always on."""
    method = {
        **CONFIG.method,
        "shuffle_groups": 1,
        "single_stream_epochs": 2,
        "cross_stream_epochs": 1,
        "single_stream_queue_from": {"rgb": 0, "flow": 0},
        "cross_stream_queue_from": 0,
    }
    training = dataclasses.replace(CONFIG.training, checkpoint_every_steps=0)
    # moments over a few values and large steps would let rounding grow from step to step
    changes = {
        "optimiser": dataclasses.replace(CONFIG.optimiser, learning_rate=0.02),
        "clip": dataclasses.replace(CONFIG.clip, block_length=4),
        "views": {view: ViewInput(size=48) for view in CHANNELS},
    }
    config = dataclasses.replace(CONFIG, method=method, training=training, **changes)
    trainer = make_trainer(Path(run), config, rank=rank, world_size=world_size)
    assert trainer.run()
    return weights_of(trainer)


@pytest.mark.xdist_group("processes")
def test_two_processes_train_as_one_through_all_stages(tmp_path):
    one, other = run_in_processes(_trained, 2, str(tmp_path / "together"), folder=tmp_path)
    for name, value in _trained(0, 1, str(tmp_path / "alone")).items():
        assert torch.equal(one[name], other[name]), name
        torch.testing.assert_close(one[name], value, rtol=1e-3, atol=1e-3, msg=lambda m, n=name: f"{n}: {m}")
