"""Frames are decoded once, with those between them, and given as they were."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from clips_fakes import NumberedView, numbered_data

from coview.clips import frame_memory
from coview.clips.frame_memory import FrameMemory, decoded_bytes, room_for_frames
from coview.clips.samples import ClipSamples
from coview.config import ClipSettings
from coview.datatypes import VideoEntry

CLIP = ClipSettings(num_blocks=1, block_length=3, frame_stride=2)


class FilmView(NumberedView):
    suffix: ClassVar[str] = ".mp4"


def read_frames(memory: FrameMemory, indices: list[int], asked: list[list[int]]) -> list[int]:
    def read(span: np.ndarray) -> np.ndarray:
        asked.append(span.tolist())
        return (7 * span[:, None, None, None]).astype(np.uint8)

    return memory.read(("rgb", "v"), np.array(indices), num_frames=12, read=read)[:, 0, 0, 0].tolist()


def test_what_is_missing_is_decoded_once_with_what_lies_between() -> None:
    memory, asked = FrameMemory(), []
    assert read_frames(memory, [2, 4, 4], asked) == [14, 28, 28]
    assert read_frames(memory, [3, 4], asked) == [21, 28]
    assert read_frames(memory, [1, 3, 6], asked) == [7, 21, 42]
    assert read_frames(memory, [1, 2, 3, 4, 5, 6], asked) == [7, 14, 21, 28, 35, 42]
    assert asked == [[2, 3, 4], [1, 2, 3, 4, 5, 6]]


def test_a_chosen_frame_is_a_copy() -> None:
    memory = FrameMemory()
    memory.read(("rgb", "v"), np.array([0]), num_frames=1, read=lambda _: np.zeros((1, 1, 1, 1), np.uint8)).fill(9)
    assert memory.read(("rgb", "v"), np.array([0]), num_frames=1, read=pytest.fail).max() == 0


def test_clips_are_the_same_with_and_without_and_films_are_decoded_once(tmp_path: Path) -> None:
    data = numbered_data(tmp_path, [9, 4])
    plain, kept = FilmView(), FilmView()
    without = ClipSamples(data, data.ready, {"numbered": plain}, CLIP, seed=0)
    memory = FrameMemory()
    clips = ClipSamples(data, data.ready, {"numbered": kept}, CLIP, seed=0, frame_memory=memory)
    keys = [(epoch, index) for epoch in range(20) for index in range(2)]
    with ThreadPoolExecutor(4) as pool:
        for key, sample in zip(keys, pool.map(clips.__getitem__, keys), strict=True):
            assert np.array_equal(sample.views["numbered"], without[key].views["numbered"])
    num_reads = len(kept.reads)
    for key in keys:
        clips[key]
    assert len(kept.reads) == num_reads
    drawings = NumberedView()  # stored otherwise than as video: not kept
    clips = ClipSamples(data, data.ready, {"numbered": drawings}, CLIP, seed=0, frame_memory=memory)
    clips[0, 0], clips[0, 0]
    assert len(drawings.reads) == 2


def test_bytes_of_all_frames() -> None:
    one = VideoEntry(id="a", path="a", status="ready", width=4, height=3, num_frames=10)
    assert decoded_bytes([one, one], [FilmView(), NumberedView()]) == 2 * 4 * 3 * 10 * 3
    assert decoded_bytes([one, VideoEntry(id="b", path="b", status="ready", num_frames=1)], [FilmView()]) is None


def test_room_is_a_share_of_what_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_memory, "free_memory", lambda: 2**30)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert room_for_frames() == 2**27
    monkeypatch.delenv("LOCAL_WORLD_SIZE")
    monkeypatch.setattr(frame_memory, "free_memory", lambda: 2**40)
    assert room_for_frames() == frame_memory.MOST_BYTES
    monkeypatch.setattr(frame_memory, "free_memory", lambda: None)
    assert room_for_frames() == 0


def test_the_limit_of_a_container_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit, used = tmp_path / "limit", tmp_path / "used"
    monkeypatch.setattr(frame_memory, "_MEMORY_LIMITS", (str(limit),))
    monkeypatch.setattr(frame_memory, "_MEMORY_USED", (str(used),))
    of_system = frame_memory.free_memory()
    assert of_system is not None
    used.write_text("600\n")
    limit.write_text("1000\n")
    assert frame_memory.free_memory() == 400
    limit.write_text("max\n")
    assert (frame_memory.free_memory() or 0) > 400
