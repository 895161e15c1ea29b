"""Two processes train as one on the same global batch, stop together, and share one checkpoint."""

import dataclasses
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


def trained(rank: int, world_size: int, run: str, stop_at: int = 0) -> dict[str, torch.Tensor]:
    """Train the toy, without dropout and local statistics, on this process's part of each batch."""
    torch.manual_seed(0)
    method = ToyMethod()
    for encoder in method.encoders.values():
        encoder.layers = encoder.layers[:1]
    Path(run).mkdir(exist_ok=True)
    trainer = Trainer(
        method,
        ToyFeed(rank=rank, world_size=world_size),
        config=SGD,
        run=Path(run),
        processes=Processes(rank, world_size, torch.device("cpu")),
        precision=Precision("fp32", channels_last=False, seconds={}),
        log=RunLog(Path(run), is_main=rank == 0),
    )
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
