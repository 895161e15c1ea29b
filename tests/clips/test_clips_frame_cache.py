import errno
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from clips_fakes import NumberedView, numbered_data
from numpy.typing import NDArray

from coview.clips.frame_cache import FrameCache, frame_sums
from coview.clips.samples import ClipSamples
from coview.config import ClipSettings
from coview.errors import UserError, VideoError
from coview.files import this_host, write_bytes


class StoredView(NumberedView):
    """A numbered view whose files exist, as those of videos do."""

    suffix: ClassVar[str] = ".mp4"


def stored(folder: Path) -> Path:
    path = folder / "v3.mp4"
    path.write_bytes(b"stored")
    return path


def read(cache: FrameCache, view: NumberedView, path: Path, indices: list[int]) -> list[int]:
    frames: NDArray[Any] = cache.read(view, lambda: nullcontext(path), np.array(indices), num_frames=300)
    assert frames.shape == (len(indices), 2, 3, 3)
    assert frames.dtype == np.uint8
    assert (frames == frames[:, :1, :1, :1]).all()
    return [int(frame[0, 0, 0]) for frame in frames]


def test_frames_are_those_of_the_view_and_decoded_once(tmp_path: Path) -> None:
    view, path, cache = StoredView(), stored(tmp_path), FrameCache(tmp_path / "cache")
    assert read(cache, view, path, [0, 5, 5, 200]) == [30, 35, 35, 230]
    assert sorted(sum(view.reads, [])) == list(range(300))
    view.reads.clear()
    assert read(cache, view, path, [7]) == [37]
    assert read(FrameCache(tmp_path / "cache"), view, path, [8]) == [38]
    assert view.reads == []


def test_frames_of_a_known_file_come_without_it(tmp_path: Path) -> None:
    view, path, cache = StoredView(), stored(tmp_path), FrameCache(tmp_path / "cache")
    opened: list[Path] = []

    @contextmanager
    def fetched() -> Iterator[Path]:
        opened.append(path)
        yield path

    for index in (3, 200):
        frames = cache.read(view, fetched, np.array([index]), num_frames=300, checksum="6-of-the-manifest")
        assert frames[0, 0, 0, 0] == 30 + index
    assert opened == [path]


def test_a_changed_file_is_decoded_anew(tmp_path: Path) -> None:
    view, path, cache = StoredView(), stored(tmp_path), FrameCache(tmp_path / "cache")
    read(cache, view, path, [0])
    path.write_bytes(b"made again")
    view.reads.clear()
    assert read(cache, view, path, [1]) == [31]
    assert view.reads


def test_two_files_of_one_name_size_and_time_do_not_mix(tmp_path: Path) -> None:
    class Content(StoredView):
        def read(self, path: Path, frame_indices: NDArray[Any]) -> NDArray[Any]:
            return np.full((len(frame_indices), 2, 3, 3), path.read_bytes()[0], np.uint8)

    cache, paths = FrameCache(tmp_path / "cache"), [tmp_path / folder / "001.mp4" for folder in "AB"]
    for path in paths:
        path.parent.mkdir()
        path.write_bytes(path.parent.name.encode())
        os.utime(path, ns=(10**18, 10**18))
    assert [read(cache, Content(), path, [0]) for path in paths] == [[ord("A")], [ord("B")]]
    assert [read(FrameCache(tmp_path / "cache"), Content(), path, [1]) for path in paths] == [[ord("A")], [ord("B")]]


def test_a_damaged_cache_is_made_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Cut at any place, and any byte of it changed: frames are right, and nothing is left half-written."""
    view, path, cache = StoredView(), stored(tmp_path), FrameCache(tmp_path / "cache")
    read(cache, view, path, [0])
    (kept,) = (tmp_path / "cache").rglob("*.npy")
    whole = kept.read_bytes()
    cuts = [whole[:size] for size in (0, 1, 100, 1000, len(whole) - 1)]
    turned = [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in (0, 30, 128 + 18 * 2, -1200, -15, -1)]
    for content in cuts + turned:
        kept.write_bytes(content)
        caplog.clear()
        assert read(cache, view, path, [0, 2]) == [30, 32]
        assert (content == kept.read_bytes()) != ("made anew" in caplog.text)
    assert len(list((tmp_path / "cache").rglob("*"))) == 2  # the view's folder and the file


@pytest.mark.parametrize("size", [1, 7, 8, 21, 64])
def test_any_damage_of_a_frame_changes_its_sum(size: int) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (3, size, 1, 1), dtype=np.uint8)
    sums = frame_sums(frames)
    assert len(set(sums.tolist())) == 3
    for place in range(size):
        for bit in range(8):
            turned = frames.copy()
            turned[1, place] ^= np.uint8(1 << bit)
            assert (frame_sums(turned) != sums).tolist() == [False, True, False]
    assert size < 16 or frame_sums(np.roll(frames, 8, axis=1))[0] != sums[0]


def test_what_killed_processes_left_half_written_is_removed(tmp_path: Path) -> None:
    half = tmp_path / "cache" / "stored" / f".part-{this_host()}-{2**22 + 1}-01234567.npy"
    write_bytes(half, b"frames")
    FrameCache(tmp_path / "cache")
    assert not half.exists()


def test_keypoints_are_read_as_they_are(tmp_path: Path) -> None:
    view, cache = NumberedView(), FrameCache(tmp_path / "cache")
    assert read(cache, view, tmp_path / "v3.none", [4]) == [34]
    assert not (tmp_path / "cache").exists()


def test_a_full_disk_costs_the_cache_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    view, path, cache = StoredView(), stored(tmp_path), FrameCache(tmp_path / "cache")
    monkeypatch.setattr(os, "fsync", full)
    with caplog.at_level(logging.WARNING):
        assert read(cache, view, path, [0, 1]) == [30, 31]
        assert read(cache, view, path, [2]) == [32]
    assert [record.message.count("No space left on device") for record in caplog.records] == [1]
    assert not [file for file in (tmp_path / "cache").rglob("*") if file.is_file()]


def test_a_broken_video_is_the_videos_error(tmp_path: Path) -> None:
    cache = FrameCache(tmp_path / "cache")
    with pytest.raises(VideoError, match="decoding fails"):
        read(cache, StoredView(broken="v3"), stored(tmp_path), [0])
    assert cache.is_writable
    assert not [file for file in (tmp_path / "cache").rglob("*") if file.is_file()]


def test_clips_do_not_depend_on_the_cache(tmp_path: Path) -> None:
    data = numbered_data(tmp_path, [12, 9])
    folder = tmp_path / "views" / "numbered"
    folder.mkdir(parents=True)
    for name in ("v0", "v1"):
        (folder / f"{name}.mp4").write_bytes(name.encode())
    clip = ClipSettings(num_blocks=2, block_length=2, frame_stride=2, clips_per_video=2)
    plain, cached = (
        ClipSamples(data, data.ready, {"numbered": StoredView()}, clip, seed=0, frame_cache=cache)
        for cache in (None, tmp_path / "cache")
    )
    for key in ((0, 0), (0, 1), (1, 0)):
        one, other = (torch.from_numpy(np.array(clips[key].views["numbered"])) for clips in (plain, cached))
        assert torch.equal(one, other)
    (folder / "v0.mp4").unlink()
    with pytest.raises(UserError, match="'v0' cannot be read"):
        cached[(0, 0)]
