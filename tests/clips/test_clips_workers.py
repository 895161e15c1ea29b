"""How batches come back from decoding processes: through shared memory, or without it, and always the same."""

import errno
import logging
import multiprocessing
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from clips_fakes import NumberedView, OtherView, numbered_data, one_epoch

from coview.clips.samples import ClipSamples
from coview.clips.workers import _Packed, remark_on_shared_memory, worker_loader
from coview.config import ClipSettings, TrainingSettings
from coview.errors import UserError
from coview.locks import SHARED_MEMORY
from coview.training.video_feed import choose_workers
from small_run import small_config

CLIP = ClipSettings(num_blocks=2, block_length=2, frame_stride=1)
LARGE = {f"v{number}": (90, 120) for number in range(20)}


def large_clips(root: Path) -> ClipSamples:
    data = numbered_data(root, [9] * 6)
    views = {"numbered": NumberedView(sizes=LARGE), "other": OtherView()}
    return ClipSamples(data, data.ready, views, CLIP, seed=3)


def shared_folders() -> set[str]:
    return {path.name for path in SHARED_MEMORY.glob("coview-*")} if SHARED_MEMORY.is_dir() else set()


def refuse(descriptor: int, offset: int, size: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("has_room", [True, False])
def test_a_batch_arrives_whole_whether_shared_memory_has_room_or_not(tmp_path, monkeypatch, has_room):
    if not has_room:
        monkeypatch.setattr(os, "posix_fallocate", refuse)
    large, small = torch.arange(100_000).reshape(4, -1).T, torch.tensor([1.5, -2.0])
    packed = _Packed.of({"large": large, "small": [small]}, tmp_path)
    assert len(list(tmp_path.iterdir())) == int(has_room)
    found = packed.open()
    assert torch.equal(found["large"], large)
    assert torch.equal(found["small"][0], small)
    assert list(tmp_path.iterdir()) == []
    assert found["large"].sum() == large.sum()  # the memory outlives the name


@pytest.mark.parametrize("has_room", [True, False])
def test_little_shared_memory_changes_no_batch_and_nothing_is_left_in_it(tmp_path, monkeypatch, has_room):
    if not has_room:
        monkeypatch.setattr(os, "posix_fallocate", refuse)  # in the workers too, which are forked
    before = shared_folders()
    expected = one_epoch(large_clips(tmp_path), batch_size=3, epoch=0)
    found = one_epoch(large_clips(tmp_path), batch_size=3, epoch=0, workers=2, kind="processes")
    assert len(found) == len(expected) == 2
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one.views["numbered"], other.views["numbered"])
        assert torch.equal(one.entry_indices, other.entry_indices)
    assert shared_folders() <= before


def test_too_little_shared_memory_is_said(monkeypatch):
    monkeypatch.setattr("coview.clips.workers.free_shared_memory", lambda: 64 * 2**20)
    assert remark_on_shared_memory(64 * 2**20) == ""
    said = remark_on_shared_memory(300 * 2**20)
    assert "64 MB free" in said
    assert "300 MB" in said
    assert "--shm-size" in said
    monkeypatch.setattr("coview.clips.workers.free_shared_memory", lambda: None)
    assert remark_on_shared_memory(300 * 2**20) == ""


def test_without_semaphores_threads_decode_and_processes_are_refused(tmp_path, monkeypatch, caplog):
    def no_semaphore():
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(multiprocessing, "Lock", no_semaphore)
    settings = TrainingSettings(workers=2, worker_kind="processes")
    with caplog.at_level(logging.WARNING, "coview"):
        assert choose_workers(replace(small_config(), training=settings)) == (2, "threads")
    assert "takes no semaphore (No space left on device); threads decode" in caplog.text
    assert choose_workers(replace(small_config(), training=replace(settings, workers=0)))[0] == 0
    with pytest.raises(UserError, match="takes no semaphore.*take threads"):
        next(worker_loader(large_clips(tmp_path), iter([[(0, 0)]]), collate=list, workers=1))
