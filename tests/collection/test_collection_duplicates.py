"""Altered copies of one event are found with their times, and another event in the same place is not."""

import logging
import shutil

import numpy as np
import pytest

from coview.collection.alignment import confirm, propose, target_chunks
from coview.collection.curation import Selection
from coview.collection.duplicates import list_duplicates, nearest_videos
from coview.collection.pictures import describe_pictures, read_pictures, sample_frames
from coview.collection.store import VideoFacts, VideoRow
from coview.video.stored import write_rgb

FPS = 25.0


def scene(seed: int, *, seconds: float = 5.0, background: int = 0) -> np.ndarray:
    """Frames of blobs that wander over a background, otherwise for each seed."""
    generator = np.random.default_rng(seed)
    count = round(seconds * FPS)
    rows, columns = np.mgrid[0:72, 0:96]
    still = np.random.default_rng(1000 + background).uniform(30, 120, (9, 12))
    frames = np.repeat(np.kron(still, np.ones((8, 8)))[None], count, axis=0)
    for _ in range(4):
        steps = generator.standard_normal((count, 2)).cumsum(axis=0)
        steps = np.stack([np.convolve(step, np.ones(9) / 9, mode="same") for step in steps.T * 1.5], axis=1)
        at = steps + generator.uniform([10, 10], [60, 80])
        for frame, (row, column) in zip(frames, at, strict=True):
            frame[(rows - row % 72) ** 2 + (columns - column % 96) ** 2 < 60] = 240
    return np.repeat(frames[..., None].astype(np.uint8), 3, axis=3)


def write(frames, path, *, crf=23.0, preset="veryfast"):
    write_rgb(iter(np.ascontiguousarray(frames)), path, fps=FPS, gop=25, crf=crf, preset=preset)
    return path


def every_second_of(frames, speed):
    at = np.arange(0, len(frames) - 1, speed)
    return sample_frames(frames.astype(np.float32), at).round().astype(np.uint8)


ALTERED = {
    "encoded": (lambda frames: frames[:, ::2, ::2], 1.0, False, 0.0),
    "cropped": (lambda frames: frames[:, 4:68, 2:88], 1.0, False, 0.0),
    "mirrored": (lambda frames: frames[:, :, ::-1], 1.0, True, 0.0),
    "cut": (lambda frames: frames[40:104], 1.0, False, 40 / FPS),
    "faster": (lambda frames: every_second_of(frames, 1.25), 1.25, False, 0.0),
    "mirrored part, slower": (lambda frames: every_second_of(frames[30:90], 0.8)[:, :, ::-1], 0.8, True, 30 / FPS),
}


def select(paths, *, contents=None):
    videos = [
        VideoRow(
            number,
            VideoFacts(id=path.stem, path=path.name, size=1, content=(contents or {}).get(path.stem, f"{number}")),
            1,
        )
        for number, path in enumerate(paths, 1)
    ]
    rows = np.eye(len(paths), 64, dtype=np.float32)
    return Selection(videos, [str(path) for path in paths], rows, np.ones(len(paths), np.int64))


def duplicates_of(paths, **settings):
    among = select(paths, **settings)
    return list_duplicates(among, min_confidence=0.5, candidates=12, fetch=False, threads=1, progress=None)


@pytest.mark.parametrize("name", list(ALTERED))
def test_an_altered_copy_is_found_with_its_times(name, tmp_path):
    alter, speed, is_mirrored, begins = ALTERED[name]
    frames = scene(1)
    original = write(frames, tmp_path / "original.mp4")
    altered = alter(frames)
    copy = write(altered, tmp_path / "copy.mp4", crf=30.0, preset="medium")
    look_alike = write(scene(2), tmp_path / "look alike.mp4")
    (pair,) = duplicates_of([original, look_alike, copy])
    assert (pair.id, pair.other_id) == ("original", "copy")
    assert pair.confidence > 0.9
    assert pair.is_mirrored == is_mirrored
    assert pair.speed == pytest.approx(speed, rel=0.02)
    length = len(altered) / FPS
    assert pair.other_start_seconds == pytest.approx(0, abs=0.3)
    assert pair.other_end_seconds == pytest.approx(length, abs=0.3)
    assert pair.start_seconds == pytest.approx(begins, abs=0.3)
    assert pair.end_seconds == pytest.approx(min(begins + length * speed, 5.0), abs=0.3)


def test_one_event_within_two_longer_videos(tmp_path):
    shared = scene(1, seconds=4)
    one = write(np.concatenate([scene(5, seconds=3), shared, scene(6, seconds=2)]), tmp_path / "one.mp4")
    other = write(np.concatenate([shared, scene(7, seconds=4, background=3)]), tmp_path / "other.mp4")
    (pair,) = duplicates_of([one, other])
    assert pair.start_seconds == pytest.approx(3, abs=0.6)
    assert pair.end_seconds == pytest.approx(7, abs=0.6)
    assert pair.other_start_seconds == pytest.approx(0, abs=0.6)
    assert pair.other_end_seconds == pytest.approx(4, abs=0.6)


def test_equal_files_need_no_look_and_unreadable_ones_are_named(tmp_path, caplog):
    original = write(scene(1), tmp_path / "a.mp4")
    copy = tmp_path / "b.mp4"
    shutil.copy(original, copy)
    (tmp_path / "c.mp4").write_bytes(b"no video")
    with caplog.at_level(logging.WARNING, logger="coview"):
        (pair,) = duplicates_of(
            [original, copy, tmp_path / "c.mp4", tmp_path / "gone.mp4"], contents={"a": "x", "b": "x"}
        )
    assert (pair.id, pair.other_id, pair.confidence) == ("a", "b", 1.0)
    assert "c.mp4" in caplog.text
    assert "gone.mp4" in caplog.text


def test_shorter_than_a_chunk_and_black_are_no_fault(tmp_path):
    paths = [write(scene(1)[:2], tmp_path / "two frames.mp4"), write(scene(1) * 0, tmp_path / "black.mp4")]
    paths += [write(scene(1)[:10] * 0, tmp_path / "short black.mp4"), write(scene(1), tmp_path / "scene.mp4")]
    assert {("two frames", "scene")}.isdisjoint((pair.id, pair.other_id) for pair in duplicates_of(paths))


def test_the_nearest_are_those_of_plain_loops(monkeypatch):
    monkeypatch.setattr("coview.collection.duplicates._ROWS_AT_ONCE", 5)
    monkeypatch.setattr("coview.collection.duplicates._VIDEOS_AT_ONCE", 3)
    generator = np.random.default_rng(0)
    counts = generator.integers(1, 7, 11)
    rows = generator.standard_normal((counts.sum(), 8)).astype(np.float32)
    of_video = np.split(rows, np.cumsum(counts)[:-1])
    expected = set()
    for video, own in enumerate(of_video):
        near = [np.mean([max(row @ there for there in theirs) for row in own]) for theirs in of_video]
        near[video] = -np.inf
        expected |= {(min(video, other), max(video, other)) for other in np.argsort(near)[-2:].tolist()}
    assert nearest_videos(rows, counts, 2) == sorted(expected)
    assert nearest_videos(rows[:1], counts[:1] * 0 + 1, 2) == []


def test_descriptions_are_the_same_in_the_mirror(tmp_path):
    frames = scene(3)
    coarse = read_pictures(write(frames, tmp_path / "a.mp4", crf=4.0)).coarse()
    rows = describe_pictures(coarse)
    assert rows.shape == (len(coarse) // 8, 108)
    np.testing.assert_allclose(describe_pictures(coarse[:, :, ::-1]), rows, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-2)


def test_an_alignment_is_proposed_and_made_exact(tmp_path):
    frames = scene(4, seconds=6)
    whole = read_pictures(write(frames, tmp_path / "whole.mp4"))
    part = read_pictures(write(frames[37:110], tmp_path / "part.mp4"))
    proposed = propose(part.coarse(), target_chunks(whole.coarse()))
    assert proposed[0].shift == pytest.approx(37 / FPS, abs=0.2)
    agreed = confirm(part, whole, proposed[0])
    assert agreed is not None
    assert agreed.alignment.shift == pytest.approx(37 / FPS, abs=0.02)
    assert agreed.correlation > 0.9
