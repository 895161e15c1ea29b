import os
import signal
import time
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from clips_fakes import NumberedView, OtherView, numbered_data, one_epoch
from numpy.typing import NDArray

from coview.clips.loader import (
    TrainingLoader,
    epoch_batches,
    steps_per_epoch,
    validation_batches,
    validation_loader,
)
from coview.clips.samples import ClipSamples
from coview.config import ClipSettings
from coview.datatypes import ClipBatch
from coview.errors import UserError

CLIP = ClipSettings(num_blocks=1, block_length=2, frame_stride=1)


def dataset(root: Path, num_videos: int = 14, view: NumberedView | None = None) -> ClipSamples:
    data = numbered_data(root, [9] * num_videos)
    return ClipSamples(data, data.ready, {"numbered": view or NumberedView(), "other": OtherView()}, CLIP, seed=3)


def assert_same(left: ClipBatch, right: ClipBatch) -> None:
    for name in left.views:
        assert torch.equal(left.views[name], right.views[name])
    assert torch.equal(left.entry_indices, right.entry_indices)
    assert torch.equal(left.random_keys, right.random_keys)
    assert torch.equal(left.frame_indices, right.frame_indices)


def test_an_epoch_takes_each_video_once_and_drops_the_incomplete_batch() -> None:
    batches = epoch_batches(14, batch_size=4, seed=0, epoch=0)
    assert [len(batch) for batch in batches] == [4, 4, 4]
    assert len({index for batch in batches for index in batch}) == 12
    assert steps_per_epoch(14, batch_size=4) == 3


def test_order_depends_on_seed_and_epoch_alone() -> None:
    def order(seed: int, epoch: int) -> tuple[int, ...]:
        return tuple(i for batch in epoch_batches(30, batch_size=10, seed=seed, epoch=epoch) for i in batch)

    assert order(0, 0) == order(0, 0)
    assert len({order(seed, epoch) for seed in range(3) for epoch in range(3)}) == 9


def test_fewer_videos_than_a_batch_are_one_batch_of_all() -> None:
    assert sorted(epoch_batches(3, batch_size=8, seed=0, epoch=0)[0]) == [0, 1, 2]
    assert [len(epoch_batches(3, batch_size=8, seed=0, epoch=0, rank=r, world_size=2)[0]) for r in (0, 1)] == [1, 1]


@pytest.mark.parametrize("world_size", [2, 4])
def test_slices_of_all_processes_are_the_batch_of_one(world_size: int) -> None:
    whole = epoch_batches(21, batch_size=8, seed=1, epoch=2)
    slices = [
        epoch_batches(21, batch_size=8, seed=1, epoch=2, rank=rank, world_size=world_size) for rank in range(world_size)
    ]
    assert [sum(parts, start=[]) for parts in zip(*slices, strict=True)] == whole


def test_validation_takes_every_video_in_even_batches() -> None:
    assert validation_batches(10, batch_size=4) == [[0, 1, 2, 3], [4, 5, 6], [7, 8, 9]]
    first, second = (validation_batches(11, batch_size=4, rank=rank, world_size=2) for rank in (0, 1))
    assert [a + b for a, b in zip(first, second, strict=True)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_sizes_that_processes_cannot_share_are_errors() -> None:
    with pytest.raises(UserError, match="batch_size 5 cannot be shared equally by 2"):
        epoch_batches(20, batch_size=5, seed=0, epoch=0, world_size=2)
    with pytest.raises(UserError, match="1 video cannot be shared by 2"):
        epoch_batches(1, batch_size=4, seed=0, epoch=0, world_size=2)


def test_batches_do_not_depend_on_the_number_of_workers(tmp_path: Path) -> None:
    clips = dataset(tmp_path, view=NumberedView(sizes={"v3": (5, 2)}))
    crews = [(0, "threads"), (1, "threads"), (3, "threads"), (1, "processes"), (2, "processes")]
    runs = [one_epoch(clips, batch_size=6, epoch=1, workers=number, kind=kind) for number, kind in crews]
    assert [len(run) for run in runs] == [2] * len(crews)
    for expected, *others in zip(*runs, strict=True):
        for other in others:
            assert_same(expected, other)


@pytest.mark.parametrize(("workers", "kind"), [(0, "threads"), (2, "threads"), (2, "processes")])
def test_an_epoch_resumed_at_any_step_goes_on_as_if_uninterrupted(tmp_path: Path, workers: int, kind: str) -> None:
    clips = dataset(tmp_path)
    whole = one_epoch(clips, batch_size=4, epoch=2)
    for first_step in range(4):
        rest = one_epoch(clips, batch_size=4, epoch=2, first_step=first_step, workers=workers, kind=kind)
        assert len(rest) == 3 - first_step
        for expected, resumed in zip(whole[first_step:], rest, strict=True):
            assert_same(expected, resumed)


@pytest.mark.parametrize(("workers", "kind"), [(0, "threads"), (2, "threads"), (1, "processes")])
def test_one_loader_serves_epochs_in_any_order(tmp_path: Path, workers: int, kind: str) -> None:
    clips = dataset(tmp_path, num_videos=9)
    with TrainingLoader(clips, batch_size=4, workers=workers, kind=kind) as loader:
        for epoch, first_step in [(0, 0), (1, 0), (2, 1), (0, 1), (1, 0)]:
            expected = one_epoch(clips, batch_size=4, epoch=epoch, first_step=first_step)
            for left, right in zip(expected, loader.epoch(epoch, first_step=first_step), strict=True):
                assert_same(left, right)
        list(islice(loader.epoch(5), 1))  # left in the middle
        assert_same(next(loader.epoch(0)), one_epoch(clips, batch_size=4, epoch=0)[0])


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_workers_go_on_from_one_epoch_to_the_next(tmp_path: Path, kind: str) -> None:
    with TrainingLoader(dataset(tmp_path, num_videos=8), batch_size=4, workers=1, kind=kind) as loader:
        list(loader.epoch(0))
        stream = loader._batches
        list(loader.epoch(1))
        assert loader._batches is stream
        list(loader.epoch(0))
        assert loader._batches is not stream


def test_processes_together_read_the_batch_of_one(tmp_path: Path) -> None:
    clips = dataset(tmp_path)
    whole = one_epoch(clips, batch_size=4, epoch=0)
    parts = [one_epoch(clips, batch_size=4, epoch=0, rank=rank, world_size=2) for rank in (0, 1)]
    for expected, left, right in zip(whole, *parts, strict=True):
        assert torch.equal(expected.views["numbered"], torch.cat([left.views["numbered"], right.views["numbered"]]))
        assert torch.equal(expected.random_keys, torch.cat([left.random_keys, right.random_keys]))


def test_validation_is_the_same_every_time(tmp_path: Path) -> None:
    clips = dataset(tmp_path, num_videos=5)
    first, second = (list(validation_loader(clips, batch_size=3, workers=workers)) for workers in (0, 1))
    assert [row for batch in first for row in batch.entry_indices.tolist()] == [1, 2, 3, 4, 5]
    for left, right in zip(first, second, strict=True):
        assert_same(left, right)


@pytest.mark.parametrize(("workers", "kind"), [(0, "threads"), (2, "threads"), (2, "processes")])
def test_workers_leave_the_global_generators_alone(tmp_path: Path, workers: int, kind: str) -> None:
    before = torch.get_rng_state()
    one_epoch(dataset(tmp_path), batch_size=4, epoch=0, workers=workers, kind=kind)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(("workers", "kind"), [(0, "threads"), (2, "threads"), (1, "processes")])
def test_a_broken_view_stops_training_by_name(tmp_path: Path, workers: int, kind: str) -> None:
    clips = dataset(tmp_path, num_videos=4, view=NumberedView(broken="v2"))
    with pytest.raises(UserError, match=r"'numbered' of video 'v2'.*coview prepare"):
        one_epoch(clips, batch_size=4, epoch=0, workers=workers, kind=kind)


class DyingView(NumberedView):
    def read(self, path: Path, frame_indices: NDArray[Any]) -> NDArray[Any]:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


def test_a_dead_worker_is_explained(tmp_path: Path) -> None:
    clips = dataset(tmp_path, num_videos=4, view=DyingView())
    with pytest.raises(UserError, match=r"a decoding process died.*training.workers"):
        one_epoch(clips, batch_size=4, epoch=0, workers=1, kind="processes")


class RaisingView(NumberedView):
    def read(self, path: Path, frame_indices: NDArray[Any]) -> NDArray[Any]:
        raise RuntimeError("a bug")


def test_a_bug_in_a_worker_keeps_its_traceback(tmp_path: Path) -> None:
    clips = dataset(tmp_path, num_videos=4, view=RaisingView())
    with pytest.raises(RuntimeError, match=r"(?s)Traceback.*a bug"):
        one_epoch(clips, batch_size=4, epoch=0, workers=1, kind="processes")
    with pytest.raises(RuntimeError, match="a bug") as raised:
        one_epoch(clips, batch_size=4, epoch=0, workers=1)
    assert raised.traceback[-1].name == "read"


def test_seconds_of_decoding_come_with_the_batch(tmp_path: Path) -> None:
    class SlowView(NumberedView):
        def read(self, path: Path, frame_indices: NDArray[Any]) -> NDArray[Any]:
            time.sleep(0.01)
            return super().read(path, frame_indices)

    clips = dataset(tmp_path, num_videos=8, view=SlowView())
    for workers, kind in [(0, "threads"), (3, "threads"), (1, "processes")]:
        for batch in one_epoch(clips, batch_size=8, epoch=0, workers=workers, kind=kind):
            assert batch.decode_seconds >= 0.08
