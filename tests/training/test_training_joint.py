"""Joint contrast through the real trainer: resumed in mid stage equals uninterrupted, bit for bit."""

import dataclasses
from functools import partial

import pytest
import torch
from test_training_vicc import CHANNELS, CONFIG, make_killed, make_trainer, weights_of

from coview.config import OptimiserSettings
from coview.training.checkpoint import latest_checkpoint, load_checkpoint
from coview.training.chunked_encoding import encode_in_chunks
from coview.training.runlog import read_log

JOINT = dataclasses.replace(
    CONFIG,
    method={"name": "joint", "epochs": 3, "hidden_size": 16, "projection_size": 8},
    optimiser=OptimiserSettings(name="adam", learning_rate=1e-3),
)


LED = dataclasses.replace(
    JOINT,
    method={**JOINT.method, "leading_views": ["flow"], "predict_blocks": 1, "own_negatives": False},
    clip=dataclasses.replace(JOINT.clip, num_blocks=2),
)


@pytest.mark.parametrize("config", [JOINT, LED], ids=["all pairs", "flow leads"])
def test_resumed_in_mid_stage_equals_uninterrupted(tmp_path, config):
    whole = make_trainer(tmp_path / "whole", config)
    assert whole.run()
    make_killed(tmp_path / "again", 4, config)
    newest = latest_checkpoint(tmp_path / "again")
    assert newest is not None
    assert newest.name == "together-00000003"
    again = make_trainer(tmp_path / "again", config)
    torch.rand(7)  # whatever the process drew before must not matter
    assert again.run(load_checkpoint(newest))
    found, expected = weights_of(again), weights_of(whole)
    assert not [name for name in expected if not torch.equal(expected[name], found[name])]
    last = [event for event in read_log(tmp_path / "whole" / "log.jsonl") if event["event"] == "step"][-1]
    assert {"rgb", "flow"} == last["health"].keys()
    assert all(row["effective_rank"] > 1 for row in last["health"].values())
    assert {"alignment", "rgb/retrieval-flow"} <= last["meters"].keys()


@pytest.mark.parametrize("config", [JOINT, LED], ids=["all pairs", "flow leads"])
@torch.no_grad()
def test_encoders_may_take_the_batch_in_chunks(tmp_path, config):
    method = make_trainer(tmp_path, config).method.eval()
    shape = (4, config.clip.clips_per_video, config.clip.num_frames, 8, 8)
    draw = torch.Generator().manual_seed(0)
    batch = {view: torch.randn(*shape[:2], channels, *shape[2:], generator=draw) for view, channels in CHANNELS.items()}
    whole = method(batch)
    method.encode_with = partial(encode_in_chunks, chunks=3)
    torch.testing.assert_close(method(batch).total, whole.total)
