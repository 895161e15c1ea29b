from pathlib import Path

import pytest
from clips_fakes import NumberedView, numbered_data

from coview.clips.loader import WorkerKind
from coview.clips.windows import WindowDataset, evaluation_batches, plan_windows
from coview.config import ClipSettings
from coview.errors import UserError

CLIP = ClipSettings(num_blocks=1, block_length=4, frame_stride=1)


def windows(root: Path, view: NumberedView, max_windows: int | None = None) -> WindowDataset:
    data = numbered_data(root, [11, 2, 24])
    return WindowDataset(data, data.ready, {"numbered": view}, CLIP, max_windows=max_windows)


def test_a_video_is_its_windows_in_order_each_frame_decoded_once(tmp_path: Path) -> None:
    view = NumberedView()
    samples = windows(tmp_path, view)[0]
    assert [sample.frame_indices[0, 0] for sample in samples] == [0, 2, 4, 5, 7]
    assert view.reads == [list(range(11))]
    for sample in samples:
        assert (sample.views["numbered"][0, :, 1, 1, 0] == sample.frame_indices[0]).all()


def test_batches_hold_whole_videos_where_they_fit() -> None:
    plan = list(plan_windows([2, 3, 4, 11, 1], batch_size=5))
    assert plan == [
        [(0, 0, 2), (1, 0, 3)],
        [(2, 0, 4)],
        [(3, 0, 5)],
        [(3, 5, 10)],
        [(3, 10, 11), (4, 0, 1)],
    ]


@pytest.mark.parametrize(("workers", "kind"), [(0, "threads"), (2, "threads"), (2, "processes")])
def test_all_windows_of_all_videos_come_in_order(tmp_path: Path, workers: int, kind: WorkerKind) -> None:
    dataset = windows(tmp_path, NumberedView())
    batches = list(evaluation_batches(dataset, batch_size=4, workers=workers, kind=kind))
    assert max(batch.num_videos for batch in batches) == 4
    rows = [row for batch in batches for row in batch.entry_indices.tolist()]
    starts = [start for batch in batches for start in batch.frame_indices[:, 0, 0].tolist()]
    expected = [(index + 1, int(start)) for index in range(3) for start in dataset.indices(index)[:, 0]]
    assert list(zip(rows, starts, strict=True)) == expected
    for batch in batches:
        values = (batch.entry_indices[:, None, None] - 1) * 10 + batch.frame_indices
        assert (batch.views["numbered"][..., 0, 0, 0] == values).all()


def test_a_long_video_is_never_whole_in_memory(tmp_path: Path) -> None:
    view = NumberedView()
    data = numbered_data(tmp_path, [200])
    dataset = WindowDataset(data, data.ready, {"numbered": view}, CLIP)
    batches = list(evaluation_batches(dataset, batch_size=10))
    assert len(batches) == 10
    assert max(len(read) for read in view.reads) <= 24
    assert sum(len(read) for read in view.reads) <= 200 + 2 * 9  # the half windows where two batches meet


def test_windows_are_bounded(tmp_path: Path) -> None:
    dataset = windows(tmp_path, NumberedView(), max_windows=2)
    assert [len(dataset[index]) for index in range(3)] == [2, 1, 2]
    with pytest.raises(IndexError):
        dataset[3]


@pytest.mark.parametrize(("workers", "kind"), [(0, "threads"), (1, "threads"), (1, "processes")])
def test_a_broken_video_stops_the_evaluation_by_name(tmp_path: Path, workers: int, kind: WorkerKind) -> None:
    dataset = windows(tmp_path, NumberedView(broken="v1"))
    with pytest.raises(UserError, match="'v1'"):
        list(evaluation_batches(dataset, batch_size=8, workers=workers, kind=kind))
