"""Checkpoints are whole or not there."""

import resource
import signal

import pytest
import torch

from coview.errors import UserError
from coview.training.checkpoint import (
    DamagedCheckpointError,
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


@pytest.mark.parametrize("file", ["model.safetensors", "state.pt", "meta.json", "SHA256SUMS"])
@pytest.mark.parametrize("is_sealed", [True, False])
def test_damage_is_named_and_the_newest_sound_one_is_taken(tmp_path, file, is_sealed, caplog):
    """Whatever byte is changed, wherever a file is cut; without checksums, as older ones are, cuts alone are seen."""
    first, second = (save(tmp_path, 0, "rgb", step) for step in (1, 2))
    if not is_sealed:
        (second / "SHA256SUMS").unlink()
        if file == "SHA256SUMS":
            assert latest_checkpoint(tmp_path) == second
            return
    whole = (second / file).read_bytes()
    contents = [b"", whole[:40], whole[: len(whole) // 2], b"\xff" * len(whole)]
    if is_sealed:
        contents += [whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :] for at in range(0, len(whole), 97)]
    for content in contents:
        (second / file).write_bytes(content)
        with pytest.raises(DamagedCheckpointError, match=r"rgb-00000002 is damaged"):
            load_checkpoint(second)
        assert latest_checkpoint(tmp_path) == first
        to_embed = latest_checkpoint(tmp_path, is_to_train=False)
        expected = {"state.pt": {second}, "SHA256SUMS": {first, second}}.get(file, {first})
        assert to_embed in expected, "who does not train needs no state of it"
    assert "rgb-00000002 is damaged" in caplog.text
    (first / "model.safetensors").write_bytes(b"")
    with pytest.raises(UserError, match=r"every checkpoint of .* is damaged: rgb-00000001, rgb-00000002"):
        latest_checkpoint(tmp_path)


def test_training_that_went_back_behind_a_damaged_one_keeps_its_own_and_not_that(tmp_path):
    for step in (1, 2, 9):
        save(tmp_path, 0, "rgb", step)
    (tmp_path / "checkpoints" / "rgb-00000009" / "state.pt").write_bytes(b"")
    assert latest_checkpoint(tmp_path).name == "rgb-00000002"
    save(tmp_path, 0, "rgb", 3, keep=1)
    assert [path.name for path in checkpoints(tmp_path)] == ["rgb-00000003"]


def test_a_full_disk_at_any_byte_is_named_and_leaves_what_was_there(tmp_path):
    """The limit on the size of files stands for the disk: writing stops in the middle, at any of the files."""
    kept = save(tmp_path, 0, "rgb", 1)
    size = max(path.stat().st_size for path in kept.iterdir())
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        for limit in range(0, size, max(1, size // 40)):
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
            with pytest.raises(UserError, match=r"cannot write the checkpoint .*rgb-00000002.*go on with --resume"):
                save(tmp_path, 0, "rgb", 2)
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["rgb-00000001"]
            assert latest_checkpoint(tmp_path) == kept
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


def test_writing_the_same_step_again_replaces_it(tmp_path):
    save(tmp_path, 0, "rgb", 1)
    save(tmp_path, 0, "rgb", 1)
    assert len(checkpoints(tmp_path)) == 1
