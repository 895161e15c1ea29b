"""Fine-tuning through the real trainer: it learns what can be told apart, all parts move, resumed equals whole."""

from collections.abc import Generator, Sequence
from pathlib import Path

import pytest
import torch

from coview.config import RunConfig, parse
from coview.datatypes import ViewBatch, random_generator
from coview.training.building import build_method
from coview.training.checkpoint import Position, checkpoints, latest_checkpoint, load_checkpoint, save_checkpoint
from coview.training.distributed import Processes
from coview.training.precision import Precision
from coview.training.runlog import RunLog, read_log
from coview.training.start_from import start_from
from coview.training.trainer import Trainer

CHANNELS = {"rgb": 3, "flow": 2}
SETTINGS = {
    "views": {"rgb": {"size": 16}, "flow": {"size": 16}},
    "encoder": {"name": "tiny3d"},
    "clip": {"num_blocks": 2, "block_length": 2},
    "optimiser": {"name": "adam", "learning_rate": 0.01},
    "schedule": {"name": "steps", "milestones": [0.4, 0.8]},
    "training": {
        "batch_size": 6,
        "log_every": 1,
        "checkpoint_every_seconds": 1e6,
        "checkpoint_every_steps": 4,
        "keep_checkpoints": 99,
    },
    "method": {"name": "classify", "head": "context", "classes": ["fast", "slow"], "epochs": 3, "dropout": 0.2},
}


def config_of(**method) -> RunConfig:
    return parse(RunConfig, {**SETTINGS, "method": {**SETTINGS["method"], **method}}, source="test")


class Feed:
    """Five batches of six videos an epoch: stripes that stand upright in one class and lie in the other."""

    steps_per_epoch = 5

    def _batch(self, views: Sequence[str], *keys: int) -> ViewBatch:
        draw = random_generator(*keys)
        labels = tuple("fast" if coin else "slow" for coin in draw.integers(2, size=6))
        clips = {}
        for view in views:
            noise = torch.from_numpy(draw.normal(size=(6, 1, CHANNELS[view], 4, 16, 16)).astype("float32"))
            stripes = torch.tensor([2.0, -2.0]).repeat_interleave(2).repeat(4)  # (16,)
            for row, label in enumerate(labels):
                noise[row] += stripes[:, None] if label == "fast" else stripes
            clips[view] = noise
        return ViewBatch(clips, torch.arange(6), labels)

    def training(self, views: Sequence[str], *, epoch: int, first_step: int) -> Generator[ViewBatch]:
        for step in range(first_step, self.steps_per_epoch):
            yield self._batch(views, 1, epoch, step)

    def validation(self, views: Sequence[str]) -> Generator[ViewBatch]:
        yield self._batch(views, 2)


def make_trainer(run: Path, config: RunConfig) -> Trainer:
    torch.manual_seed(0)
    run.mkdir(parents=True, exist_ok=True)
    return Trainer(
        build_method(config, CHANNELS),
        Feed(),
        config=config,
        run=run,
        processes=Processes(0, 1, torch.device("cpu")),
        precision=Precision("fp32", channels_last=False, seconds={}),
        log=RunLog(run, is_main=True),
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> tuple[Path, Trainer]:
    run = tmp_path_factory.mktemp("whole")
    trainer = make_trainer(run, config_of())
    assert trainer.run()
    return run, trainer


@torch.no_grad()
def test_what_can_be_told_apart_is_told_apart(whole):
    _, trainer = whole
    method = trainer.method.eval()
    batch = Feed()._batch(("rgb", "flow"), 3)
    for view in method.views:
        named = [method.classes[place] for place in method.class_scores(view, batch.clips[view][:, 0]).argmax(dim=1)]
        assert named == list(batch.labels), view


def test_every_part_moves_and_the_idle_prediction_does_not(whole):
    _, trainer = whole
    before = make_trainer(whole[0], config_of()).method.state_dict()
    after = trainer.method.state_dict()
    for name, value in before.items():
        if name.endswith(".names") or ".predict." in name:
            assert torch.equal(value, after[name]), name
        elif value.is_floating_point():
            assert not torch.equal(value, after[name]), name
    moved = "predictors.rgb.aggregate.candidate.weight"
    assert (after[moved] - before[moved]).norm() > 1e-3 * before[moved].norm()


def test_the_learning_rate_falls_at_the_milestones(whole):
    rates = [event["learning_rate"] for event in read_log(whole[0] / "log.jsonl") if event["event"] == "step"]
    assert rates == pytest.approx(2 * ([1e-2] * 6 + [1e-3] * 6 + [1e-4] * 3))


@pytest.mark.parametrize("killed_at", [7, 22])  # in the middle of either view's stage
def test_resumed_equals_not_stopped(whole, tmp_path, killed_at):
    class Killed(BaseException):
        pass

    def kill(done: int, total: int, amounts: object) -> None:
        if trainer.position.global_step == killed_at:
            raise Killed

    trainer = make_trainer(tmp_path, config_of())
    trainer.progress = kill
    with pytest.raises(Killed):
        trainer.run()
    resumed = make_trainer(tmp_path, config_of())
    assert resumed.run(load_checkpoint(latest_checkpoint(tmp_path)))
    for name, value in whole[1].method.state_dict().items():
        assert torch.equal(resumed.method.state_dict()[name], value), name
    assert len(checkpoints(tmp_path)) == len(checkpoints(whole[0]))


def test_a_fine_tuned_checkpoint_gives_its_classifier_where_the_classes_are_the_same(whole, tmp_path):
    source = latest_checkpoint(whole[0])
    weights = load_checkpoint(source).weights
    same, other = (build_method(config_of(classes=names), CHANNELS) for names in (["fast", "slow"], ["fast", "still"]))
    started = start_from(same, {"rgb": source})["rgb"]
    assert started.loaded == ("encoders", "predictors", "classifiers")
    assert torch.equal(same.classifiers["rgb"].linear.weight, weights["classifiers.rgb.linear.weight"])
    before = other.classifiers["rgb"].linear.weight.clone()
    started = start_from(other, {"rgb": source})["rgb"]
    assert started.loaded == ("encoders", "predictors")
    assert started.left_random == started.left_out == ("classifiers",)
    assert torch.equal(other.classifiers["rgb"].linear.weight, before)
    more = build_method(config_of(classes=["fast", "slow", "still"]), CHANNELS)
    assert start_from(more, {"rgb": source})["rgb"].left_random == ("classifiers",)


def test_the_aggregation_of_a_pre_trained_run_is_taken_where_the_head_reads_contexts(tmp_path):
    cpc = parse(RunConfig, {**SETTINGS, "method": {"name": "cpc", "predict_blocks": 1}}, source="test")
    torch.manual_seed(5)
    pretrained = build_method(cpc, CHANNELS)
    save_checkpoint(tmp_path, Position(stage="rgb"), weights=pretrained.state_dict(), state={}, keep=1)
    name = "predictors.rgb.aggregate.update.weight"
    method = build_method(config_of(), CHANNELS)
    assert start_from(method, {"rgb": tmp_path})["rgb"].left_random == ("classifiers",)
    assert torch.equal(method.state_dict()[name], pretrained.state_dict()[name])
    plain = build_method(config_of(head="features"), CHANNELS)
    assert start_from(plain, {"rgb": tmp_path})["rgb"].left_out == ("predictors",)
