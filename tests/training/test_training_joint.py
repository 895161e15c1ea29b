"""Joint contrast through the real trainer: resumed in mid stage equals uninterrupted, bit for bit."""

import dataclasses

import torch
from test_training_vicc import CONFIG, make_killed, make_trainer, weights_of

from coview.config import OptimiserSettings
from coview.training.checkpoint import latest_checkpoint, load_checkpoint
from coview.training.runlog import read_log

JOINT = dataclasses.replace(
    CONFIG,
    method={"name": "joint", "epochs": 3, "hidden_size": 16, "projection_size": 8},
    optimiser=OptimiserSettings(name="adam", learning_rate=1e-3),
)


def test_resumed_in_mid_stage_equals_uninterrupted(tmp_path):
    whole = make_trainer(tmp_path / "whole", JOINT)
    assert whole.run()
    make_killed(tmp_path / "again", 4, JOINT)
    newest = latest_checkpoint(tmp_path / "again")
    assert newest is not None
    assert newest.name == "together-00000003"
    again = make_trainer(tmp_path / "again", JOINT)
    torch.rand(7)  # whatever the process drew before must not matter
    assert again.run(load_checkpoint(newest))
    found, expected = weights_of(again), weights_of(whole)
    assert not [name for name in expected if not torch.equal(expected[name], found[name])]
    last = [event for event in read_log(tmp_path / "whole" / "log.jsonl") if event["event"] == "step"][-1]
    assert {"rgb", "flow"} == last["health"].keys()
    assert all(row["effective_rank"] > 1 for row in last["health"].values())
    assert {"alignment", "rgb/retrieval-flow"} <= last["meters"].keys()
