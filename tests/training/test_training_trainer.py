"""The loop: resumed equals uninterrupted to the bit, frozen is frozen, nan stops before the update."""

import dataclasses
from pathlib import Path

import pytest
import torch
from toy import ToyFeed, ToyMethod, ToySettings

from coview.config import OptimiserSettings, RunConfig, ScheduleSettings, TrainingSettings, ViewInput
from coview.datatypes import ViewBatch
from coview.methods import LossOutput, Stage
from coview.training.checkpoint import Position, checkpoints, latest_checkpoint, load_checkpoint
from coview.training.distributed import Processes
from coview.training.finite import FiniteWatch
from coview.training.precision import Precision
from coview.training.runlog import RunLog, read_log
from coview.training.trainer import NonFiniteLossError, Trainer, split_batch

CONFIG = RunConfig(
    views={"a": ViewInput(), "b": ViewInput(learning_rate_factor=0.5)},
    optimiser=OptimiserSettings(learning_rate=0.05),
    schedule=ScheduleSettings(name="plateau", patience=0, factor=0.5),
    training=TrainingSettings(log_every=1, checkpoint_every_steps=1, keep_checkpoints=100),
)


def make_trainer(
    run: Path,
    config: RunConfig = CONFIG,
    *,
    settings: ToySettings | None = None,
    feed=None,
    last_step=None,
    method: type[ToyMethod] = ToyMethod,
):
    torch.manual_seed(0)
    built = method(settings or ToySettings())
    torch.manual_seed(1)
    run.mkdir(exist_ok=True)
    return Trainer(
        built,
        feed or ToyFeed(),
        config=config,
        run=run,
        processes=Processes(0, 1, torch.device("cpu")),
        precision=Precision("fp32", channels_last=False, seconds={}),
        log=RunLog(run, is_main=True, last_step=last_step),
    )


def weights_of(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in trainer.method.state_dict().items()}


def assert_same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    different = [name for name in one if not torch.equal(one[name], other[name])]
    assert not different, different


class Killed(BaseException):
    """Stands for kill -9: nothing of ours may handle it."""


COSINE = dataclasses.replace(CONFIG, schedule=dataclasses.replace(CONFIG.schedule, name="cosine"))


@pytest.fixture(scope="module", params=[CONFIG, COSINE], ids=["plateau", "cosine"])
def uninterrupted(request, tmp_path_factory):
    """A config and the weights its run ends with."""
    trainer = make_trainer(tmp_path_factory.mktemp("whole") / "run", request.param)
    trainer.run()
    return request.param, weights_of(trainer)


@pytest.mark.parametrize("killed_at", [1, 4, 5, 8, 9, 16])
def test_killed_at_any_step_and_resumed_gives_the_weights_of_an_uninterrupted_run(tmp_path, uninterrupted, killed_at):
    config, expected = uninterrupted

    def kill(done: int, total: int, amounts: object) -> None:
        if killed.position.global_step == killed_at:
            raise Killed

    killed = make_trainer(tmp_path / "killed", config)
    killed.progress = kill
    with pytest.raises(Killed):
        killed.run()
    newest = latest_checkpoint(tmp_path / "killed")
    assert (newest is None) == (killed_at == 1)
    again = make_trainer(tmp_path / "killed", config)
    if newest is not None:
        torch.rand(7)  # whatever the process drew before must not matter
    assert again.run(load_checkpoint(newest) if newest else None)
    assert_same(expected, weights_of(again))


def test_weights_move_and_a_finished_stage_keeps_its_last_checkpoint(tmp_path):
    trainer = make_trainer(tmp_path)
    start = weights_of(trainer)
    trainer.run()
    now = weights_of(trainer)
    assert all(not torch.equal(start[name], now[name]) for name in start if name.endswith("weight"))
    assert [path.name for path in checkpoints(tmp_path)] == ["b-00000008", "both-00000008"]


def test_each_step_of_each_stage_is_taken_once(tmp_path):
    trainer = make_trainer(tmp_path)
    trainer.run()
    assert trainer.method.num_after_steps == 16
    events = read_log(tmp_path / "log.jsonl")
    steps = [(event["stage"], event["step"], event["global_step"]) for event in events if event["event"] == "step"]
    assert steps == [("b", n, n) for n in range(1, 9)] + [("both", n, n + 8) for n in range(1, 9)]
    assert sum(event["event"] == "epoch" for event in events) == 4


class BesideMethod(ToyMethod):
    """One stage: b learns, a is encoded beside it and frozen."""

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("beside", ("a", "b"), ("encoders.b",), 1),)


@pytest.mark.parametrize("method", [ToyMethod, BesideMethod])
def test_a_frozen_encoder_keeps_its_weights_and_statistics_whether_it_is_used_or_not(tmp_path, method):
    trainer = make_trainer(tmp_path, method=method)
    trainer.position.stage = trainer.method.stages()[0].name
    used = []
    trainer.method.encoders["a"].register_forward_hook(lambda module, given, made: used.append(module.training))
    before = weights_of(trainer)
    trainer._run_stage(trainer.method.stages()[0], None)
    assert set(used) == ({False} if method is BesideMethod else set())
    after = weights_of(trainer)
    for name in before:
        is_frozen = name.startswith("encoders.a")
        changed = not torch.equal(before[name], after[name])
        assert changed != is_frozen, name


def updates(run: Path, clip_norm: float) -> torch.Tensor:
    """What one step of plain gradient descent at rate 1 subtracts from the weights of b: its gradient, clipped."""
    config = dataclasses.replace(
        CONFIG,
        views={"b": ViewInput()},
        optimiser=OptimiserSettings(name="sgd", learning_rate=1.0, momentum=0.0, weight_decay=0.0),
        training=TrainingSettings(clip_norm=clip_norm, max_steps=1),
    )
    trainer = make_trainer(run, config)
    before = [parameter.detach().clone() for parameter in trainer.method.encoders["b"].parameters()]
    trainer.position.stage = "b"
    trainer._run_stage(trainer.method.stages()[0], None)
    now = list(trainer.method.encoders["b"].parameters())
    return torch.cat([(one - other.detach()).flatten() for one, other in zip(before, now, strict=True)])


def test_gradients_are_clipped_to_the_norm_that_is_set_and_left_alone_at_zero(tmp_path):
    plain = updates(tmp_path / "plain", 0.0)
    norm = float(plain.norm())
    assert norm > 0.01
    assert torch.equal(updates(tmp_path / "wide", 100 * norm), plain)
    clipped = updates(tmp_path / "narrow", norm / 4)
    assert float(clipped.norm()) == pytest.approx(norm / 4, rel=1e-3)
    torch.testing.assert_close(clipped, plain / 4, rtol=1e-3, atol=1e-6)


def test_learning_rate_factors_reach_their_submodules(tmp_path):
    trainer = make_trainer(tmp_path)
    trainer.run()
    rates = [group["lr"] for group in trainer.optimiser.param_groups]
    assert rates[1] == pytest.approx(rates[0] / 2)


def test_nan_stops_before_the_update_and_names_the_part(tmp_path):
    trainer = make_trainer(tmp_path, settings=ToySettings(explode_at=3))
    with pytest.raises(NonFiniteLossError, match=r"stage b, epoch 0, step 3: b/error"):
        trainer.run()
    kept = load_checkpoint(latest_checkpoint(tmp_path)).weights
    now = {
        name: value
        for name, value in weights_of(trainer).items()
        if "running" not in name and "num_batches" not in name
    }
    assert_same({name: kept[name] for name in now}, now)
    assert all(torch.isfinite(value).all() for value in now.values())


def test_nan_that_is_told_a_step_later_names_its_step_and_reaches_no_checkpoint(tmp_path):
    config = dataclasses.replace(CONFIG, training=TrainingSettings(log_every=1))
    for folder, every in (("seldom", 100), ("always", 1)):
        training = dataclasses.replace(config.training, checkpoint_every_steps=every, keep_checkpoints=100)
        settings = ToySettings(explode_at=3)
        trainer = make_trainer(tmp_path / folder, dataclasses.replace(config, training=training), settings=settings)
        trainer._finite = FiniteWatch(trainer.processes, is_late=True)  # as on a GPU
        with pytest.raises(NonFiniteLossError, match=r"stage b, epoch 0, step 3: b/error. No update with it was kept"):
            trainer.run()
        steps = [load_checkpoint(path).position.step for path in checkpoints(tmp_path / folder)]
        assert steps == ([1, 2, 3] if every == 1 else [])
        for path in checkpoints(tmp_path / folder):
            assert all(torch.isfinite(value).all() for value in load_checkpoint(path).weights.values())


def test_a_loss_that_is_bad_at_the_last_step_is_told_when_it_is_asked_for():
    watch = FiniteWatch(Processes(0, 1, torch.device("cpu")), is_late=True)
    good, bad = torch.tensor(1.0), torch.tensor(float("inf"))
    assert watch.observe(LossOutput(good, {"x": good}), Position(step=0)) is None
    assert watch.observe(LossOutput(bad, {"x": good, "y": bad}), Position(step=1)) is None
    found = watch.settle()
    assert found is not None
    assert (found.at.step, found.parts, found.is_updated) == (1, ("y",), True)
    assert watch.settle() is None


def test_max_steps_ends_each_stage(tmp_path):
    config = dataclasses.replace(CONFIG, training=dataclasses.replace(CONFIG.training, max_steps=3))
    trainer = make_trainer(tmp_path, config)
    assert trainer.run()
    assert trainer.position.global_step == 6


def test_a_stop_request_saves_and_the_rest_follows_on_resume(tmp_path):
    config = dataclasses.replace(CONFIG, training=TrainingSettings(log_every=1))
    whole = make_trainer(tmp_path / "whole", config)
    whole.run()

    stopped = make_trainer(tmp_path / "stopped", config)
    import signal

    stopped.progress = lambda done, total, amounts: signal.raise_signal(signal.SIGINT) if done == 5 else None
    assert stopped.run() is False
    assert latest_checkpoint(tmp_path / "stopped").name == "b-00000005"
    start = load_checkpoint(latest_checkpoint(tmp_path / "stopped"))
    resumed = make_trainer(tmp_path / "stopped", config, last_step=start.position.global_step)
    assert resumed.run(start)
    assert_same(weights_of(whole), weights_of(resumed))
    steps = [event["global_step"] for event in read_log(tmp_path / "stopped" / "log.jsonl") if event["event"] == "step"]
    assert steps == list(range(1, 17))


def test_without_validation_videos_the_plateau_follows_the_training_loss(tmp_path):
    trainer = make_trainer(tmp_path, feed=ToyFeed(num_validation=0))
    trainer.run()
    losses = [event["loss"] for event in read_log(tmp_path / "log.jsonl") if event["event"] == "epoch"][-2:]
    assert trainer.plateau.best == min(losses)


def test_validation_loss_is_the_plain_mean_and_draws_nothing(tmp_path):
    trainer = make_trainer(tmp_path, feed=ToyFeed(num_validation=2))
    stage = trainer.method.stages()[1]
    before = torch.get_rng_state()
    value = trainer._validate(stage)["validation_loss"]
    assert torch.equal(before, torch.get_rng_state())
    trainer.method.eval()
    losses = []
    for batch in trainer.feed.validation(stage.views):
        terms = []
        for view in ("a", "b"):
            clips = batch.clips[view][:, 0]
            feature = trainer.method.encoders[view].pooled(clips)
            terms.append((feature - clips.mean(dim=(1, 2, 3, 4))[:, None]).square().mean())
        losses.append(sum(terms).item())
    assert value == pytest.approx(sum(losses) / 2, rel=1e-5)


def test_accumulating_a_mean_loss_equals_the_whole_batch(tmp_path):
    """Without batch norm and dropout, six videos at once or in three parts give the same update."""

    def plain(accumulate: int) -> Trainer:
        config = dataclasses.replace(
            CONFIG,
            training=TrainingSettings(accumulate=accumulate, max_steps=3),
            optimiser=OptimiserSettings(name="sgd"),
        )
        trainer = make_trainer(tmp_path / str(accumulate), config)
        for encoder in trainer.method.encoders.values():
            encoder.layers = encoder.layers[:1]
        trainer.run()
        return trainer

    one, three = plain(1), plain(3)
    for name, value in weights_of(one).items():
        torch.testing.assert_close(value, weights_of(three)[name])


def test_accumulating_features_leaves_the_batch_whole(tmp_path):
    config = dataclasses.replace(
        CONFIG, training=TrainingSettings(accumulate=3, accumulate_what="features", max_steps=1)
    )
    trainer, seen = make_trainer(tmp_path, config), []
    trainer.method.register_forward_hook(lambda module, given, made: seen.append(given[0].num_videos))
    trainer.run()
    assert set(seen) == {6}
    assert (config.training.loss_parts, config.training.encoder_chunks) == (1, 3)
    losses = dataclasses.replace(config.training, accumulate_what="losses")
    assert (losses.loss_parts, losses.encoder_chunks) == (3, 1)


def test_split_batch_keeps_every_video_in_order():
    batch = ViewBatch({"a": torch.arange(5.0).reshape(5, 1, 1, 1, 1, 1)}, torch.arange(5), ("v", None, "x", "y", "z"))
    parts = list(split_batch(batch, 2))
    assert [part.labels for part in parts] == [("v", None), ("x", "y", "z")]
    assert [part.entry_indices.tolist() for part in parts] == [[0, 1], [2, 3, 4]]
    assert torch.cat([part.clips["a"] for part in parts]).flatten().tolist() == [0, 1, 2, 3, 4]
    assert len(list(split_batch(batch, 9))) == 5
    with pytest.raises(ValueError, match="5 videos with 2 labels"):
        dataclasses.replace(batch, labels=("v", "w"))


def test_a_full_disk_is_named_and_earlier_checkpoints_stay(tmp_path, monkeypatch):
    from coview.errors import UserError
    from coview.training import checkpoint

    trainer = make_trainer(tmp_path)
    calls = []

    def full_at_third(*args, **kwargs):
        calls.append(1)
        if len(calls) == 3:
            raise OSError(28, "No space left on device")
        return original(*args, **kwargs)

    original = checkpoint._contents
    monkeypatch.setattr(checkpoint, "_contents", full_at_third)
    with pytest.raises(UserError, match=r"disk of .* is full.*--resume"):
        trainer.run()
    assert [path.name for path in checkpoints(tmp_path)] == ["b-00000001", "b-00000002"]
    assert not list((tmp_path / "checkpoints").glob(".*"))


def test_stage_names_are_unique_and_nothing_trains_outside_them():
    method = ToyMethod()
    assert all(isinstance(stage, Stage) for stage in method.stages())
    assert len({stage.name for stage in method.stages()}) == 2


def test_log_survives_a_line_cut_off_by_a_kill(tmp_path):
    log = RunLog(tmp_path, is_main=True)
    log.write("stage", stage="a", step=0, global_step=1)
    log.close()
    path = tmp_path / "log.jsonl"
    path.write_text(path.read_text() + '{"event": "st')
    assert [event["global_step"] for event in read_log(path)] == [1]
    RunLog(tmp_path, is_main=True, last_step=1).close()
    assert [event["global_step"] for event in read_log(path)] == [1]
