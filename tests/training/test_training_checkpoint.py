"""Checkpoints are whole or not there."""

import pytest
import torch

from coview.errors import UserError
from coview.training.checkpoint import (
    Position,
    checkpoints,
    latest_checkpoint,
    load_checkpoint,
    save_checkpoint,
)


def save(run, stage_index: int, stage: str, step: int, *, keep: int = 9):
    weights = {"w": torch.arange(6.0).reshape(2, 3) + step}
    state = {"random": [{"cpu": torch.get_rng_state()}], "optimiser": {"state": {0: {"step": torch.tensor(3.0)}}}}
    position = Position(stage_index, stage, epoch=1, step=step, global_step=10 * stage_index + step, epoch_loss_sum=0.1)
    return save_checkpoint(run, position, weights=weights, state=state, keep=keep)


def test_round_trip(tmp_path):
    read = load_checkpoint(save(tmp_path, 0, "rgb", 7))
    assert torch.equal(read.weights["w"], torch.arange(6.0).reshape(2, 3) + 7)
    assert read.position == Position(0, "rgb", epoch=1, step=7, global_step=7, epoch_loss_sum=0.1)
    assert torch.equal(read.state["random"][0]["cpu"], torch.get_rng_state())


def test_newest_is_by_stage_then_step_not_by_name(tmp_path):
    for stage_index, stage, step in [(1, "a-second", 2), (0, "z-first", 11), (1, "a-second", 10)]:
        save(tmp_path, stage_index, stage, step)
    assert [path.name for path in checkpoints(tmp_path)] == [
        "z-first-00000011",
        "a-second-00000002",
        "a-second-00000010",
    ]
    assert latest_checkpoint(tmp_path).name == "a-second-00000010"
    assert latest_checkpoint(tmp_path / "nothing") is None


def test_only_the_newest_of_a_stage_are_kept_and_other_stages_stay(tmp_path):
    save(tmp_path, 0, "rgb", 1)
    for step in (1, 2, 3, 4):
        save(tmp_path, 1, "flow", step, keep=2)
    assert [path.name for path in checkpoints(tmp_path)] == ["rgb-00000001", "flow-00000003", "flow-00000004"]


def test_a_half_written_one_is_not_a_checkpoint_and_is_cleared_away(tmp_path):
    half = tmp_path / "checkpoints" / ".rgb-00000002.123.tmp"
    half.mkdir(parents=True)
    (half / "model.safetensors").write_bytes(b"half")
    assert checkpoints(tmp_path) == []
    save(tmp_path, 0, "rgb", 1)
    assert not half.exists()


@pytest.mark.parametrize("file", ["model.safetensors", "state.pt"])
def test_a_damaged_one_is_named(tmp_path, file):
    folder = save(tmp_path, 0, "rgb", 1)
    (folder / file).write_bytes((folder / file).read_bytes()[:40])
    with pytest.raises(UserError, match=r"rgb-00000001 is damaged.*remove that folder"):
        load_checkpoint(folder)


def test_writing_the_same_step_again_replaces_it(tmp_path):
    save(tmp_path, 0, "rgb", 1)
    save(tmp_path, 0, "rgb", 1)
    assert len(checkpoints(tmp_path)) == 1
