"""Views for the moment hold what whole ones hold before they are encoded, of the frames that are read alone."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from coview.clips.samples import VideoTable
from coview.errors import UserError
from coview.preparation import used_frames
from coview.preparation.prepare import prepare
from coview.preparation.used_frames import decode_used, stretches
from coview.video.decode import decode_frames
from coview.video.probe import probe
from coview.views.base import StorageSettings
from coview.views.flow.view import FlowOptions, FlowView
from coview.views.opened import open_views
from coview.views.rgb import RgbOptions, RgbView
from source_videos import write_video

NUM_FRAMES = 11
STORAGE = StorageSettings(short_side=32)
SETTINGS = {"storage.short_side": 32, "workers": 0, "flow.algorithm": "farneback"}
VIEWS = (RgbView(RgbOptions()), FlowView(FlowOptions(algorithm="farneback")))


def every_third(num_frames: int) -> np.ndarray:
    return np.array([[2, 5], [5, 8], [9, num_frames - 1]])


@pytest.fixture
def video(tmp_path: Path) -> Path:
    (tmp_path / "videos").mkdir()
    noise = np.random.default_rng(0).integers(0, 255, (64, 96, 3), dtype=np.uint8)
    return write_video(tmp_path / "videos" / "v.mp4", [np.roll(noise, 3 * t, axis=1) for t in range(NUM_FRAMES)])


def test_stretches() -> None:
    def listed(used: list[int], reach: int) -> list[tuple[int, int, list[int]]]:
        return [(first, stop, own.tolist()) for first, stop, own in stretches(np.array(used), 10, reach=reach)]

    assert listed([0, 3, 4, 7], 0) == [(0, 1, [0]), (3, 5, [3, 4]), (7, 8, [7])]
    assert listed([0, 3, 4, 7], 1) == [(0, 2, [0]), (3, 6, [3, 4]), (7, 9, [7])]
    assert listed([9], 1) == [(8, 10, [9])]
    assert listed([7, 8, 9], 2) == [(7, 10, [7, 8, 9])]
    assert [(first, stop) for first, stop, _ in stretches(np.array([0]), 1, reach=1)] == [(0, 1)]


def test_they_hold_what_is_extracted(video: Path, tmp_path: Path) -> None:
    data = prepare(video.parent, tmp_path / "out", SETTINGS, used=every_third)
    assert [path.name for path in (tmp_path / "out" / "views").rglob("*.*")] == ["v.frames"] * 2
    frames = list(decode_frames(video, short_side=32))
    table = VideoTable(data, data.ready)
    assert table.num_frames.tolist() == [NUM_FRAMES]
    used = np.array([2, 5, 8, 9, 10])
    opened = open_views(data.view_options, ["rgb", "flow"])
    np.testing.assert_array_equal(table.read(opened["rgb"], 0, used), np.stack(frames)[used])
    flow = np.stack(list(VIEWS[1].extract(frames)))
    assert np.ptp(flow) > 10
    np.testing.assert_array_equal(table.read(opened["flow"], 0, used), flow[used])
    assert table.read_once(opened["flow"], 0, every_third(NUM_FRAMES)).shape == (3, 2, 32, 48, 2)
    with pytest.raises(UserError, match="not used otherwise"):
        table.read(opened["rgb"], 0, np.array([3]))


@pytest.mark.parametrize("promised", [NUM_FRAMES, NUM_FRAMES + 3, 4, None])
def test_a_header_may_promise_what_it_likes(video: Path, promised: int | None) -> None:
    info = replace(probe(video), num_frames_header=promised)
    calls: list[int] = []
    found = decode_used(video, STORAGE, VIEWS, every_third, info=info, on_frame=lambda: calls.append(1))
    assert found is not None
    assert found.num_frames == NUM_FRAMES
    assert len(calls) == NUM_FRAMES * (1 if promised in (NUM_FRAMES, None) else 2)
    expected = set(range(NUM_FRAMES)) if promised is None else {2, 3, 5, 6, 8, 9, 10}
    assert found.frames.keys() == expected


def test_views_of_a_long_video_are_stored(video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(used_frames, "_MOST_BYTES", 4 * 32 * 48 * 3)
    data = prepare(video.parent, tmp_path / "out", SETTINGS, used=every_third)
    assert {path.name for path in (tmp_path / "out" / "views").rglob("*.*")} == {"v.mp4"}
    assert VideoTable(data, data.ready).read(VIEWS[0], 0, np.array([3])).shape == (1, 32, 48, 3)
