"""Two processes train as one on the same global batch, stop together, and share one checkpoint."""

import contextlib
import dataclasses
from dataclasses import asdict
from pathlib import Path

import torch
from test_training_trainer import CONFIG
from toy import ToyFeed, ToyMethod

from coview.config import OptimiserSettings
from coview.training.checkpoint import checkpoints, latest_checkpoint, load_checkpoint
from coview.training.distributed import Processes
from coview.training.precision import Precision
from coview.training.runlog import RunLog, read_log
from coview.training.trainer import Trainer
from two_processes import run_in_processes

SGD = dataclasses.replace(CONFIG, optimiser=OptimiserSettings(name="sgd", learning_rate=0.05))


def make_trainer(rank: int, world_size: int, run: str, *, num_validation: int = 1) -> Trainer:
    """Build the trainer of the toy, without dropout and local statistics, for this process's part of each batch."""
    torch.manual_seed(0)
    method = ToyMethod()
    for encoder in method.encoders.values():
        encoder.layers = encoder.layers[:1]
    Path(run).mkdir(exist_ok=True)
    return Trainer(
        method,
        ToyFeed(rank=rank, world_size=world_size, num_validation=num_validation),
        config=SGD,
        run=Path(run),
        processes=Processes(rank, world_size, torch.device("cpu")),
        precision=Precision("fp32", channels_last=False, seconds={}),
        log=RunLog(Path(run), is_main=rank == 0),
    )


def trained(rank: int, world_size: int, run: str, stop_at: int = 0) -> dict[str, torch.Tensor]:
    """Train it."""
    trainer = make_trainer(rank, world_size, run)
    if stop_at and rank == 1:  # the other process is not told
        import signal

        trainer.progress = lambda done, total, amounts: signal.raise_signal(signal.SIGTERM) if done == stop_at else None
    trainer.run()
    return dict(trainer.method.state_dict())


def test_two_processes_equal_one(tmp_path):
    alone = trained(0, 1, str(tmp_path / "alone"))
    together = run_in_processes(trained, 2, str(tmp_path / "together"), folder=tmp_path)
    for name, value in alone.items():
        torch.testing.assert_close(together[0][name], value, rtol=1e-5, atol=1e-6)
        assert torch.equal(together[0][name], together[1][name])
    losses = [
        [event["loss"] for event in read_log(tmp_path / run / "log.jsonl") if event["event"] == "step"]
        for run in ("alone", "together")
    ]
    torch.testing.assert_close(torch.tensor(losses[0]), torch.tensor(losses[1]), rtol=1e-5, atol=1e-6)
    assert len(load_checkpoint(latest_checkpoint(tmp_path / "together")).state["random"]) == 2


def test_a_signal_to_one_process_stops_both_after_the_same_step(tmp_path):
    one, other = run_in_processes(trained, 2, str(tmp_path / "run"), 3, folder=tmp_path)
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert checkpoints(tmp_path / "run")[-1].name == "b-00000003"


class Killed(BaseException):
    """Stands for kill -9."""


def killed_and_resumed(rank: int, folder: str) -> list[dict[str, float]]:
    """Kill the run after each of its steps in turn, resume it, and return the state that each ends with.

    The plateau schedule judges the loss of an epoch, to which every process adds its own part.
    """
    ends = []
    for killed_at in range(17):
        run = f"{folder}/{killed_at}"
        trainer = make_trainer(rank, 2, run, num_validation=0)

        def kill(done: int, total: int, amounts: object, trainer: Trainer = trainer, at: int = killed_at) -> None:
            if trainer.position.global_step == at:
                raise Killed

        trainer.progress = kill
        with contextlib.suppress(Killed):
            trainer.run()
        if killed_at:
            trainer = make_trainer(rank, 2, run, num_validation=0)
            newest = latest_checkpoint(Path(run))
            torch.distributed.barrier()  # until both have seen which one is the newest
            trainer.run(load_checkpoint(newest) if newest else None)
        weights = sum(value.double().sum() for value in trainer.method.state_dict().values())
        ends.append({**asdict(trainer.plateau), "epoch_loss": float(trainer.epoch_loss), "weights": float(weights)})
    return ends


def test_killed_after_any_step_two_processes_end_in_the_state_of_an_uninterrupted_run(tmp_path):
    for ends in run_in_processes(killed_and_resumed, str(tmp_path), folder=tmp_path):
        whole, *resumed = ends
        assert 0 < whole["best"] < float("inf")  # judged by the losses of both
        assert resumed == [whole] * 16
