"""A folder of frames is decoded as a video is."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from coview.errors import VideoError
from coview.preparation.prepare import prepare
from coview.video.decode import decode_frames
from coview.video.probe import probe


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Seven pictures of one grey each, numbered from 1; the folder's name holds what FFmpeg takes for a number."""
    folder = tmp_path / "videos" / "wave" / "100%d of it"
    folder.mkdir(parents=True)
    for number in range(1, 8):
        cv2.imwrite(str(folder / f"img_{number:05d}.png"), np.full((48, 64, 3), 30 * number, np.uint8))
    return folder


def test_frames_come_in_the_order_of_their_numbers(folder: Path) -> None:
    frames = np.stack(list(decode_frames(folder)))
    assert frames.shape == (7, 48, 64, 3)
    np.testing.assert_array_equal(frames[:, 0, 0, 0], 30 * np.arange(1, 8))
    info = probe(folder)
    assert (info.width, info.height, info.fps) == (64, 48, 25.0)


def test_a_folder_that_is_no_video_says_so(folder: Path) -> None:
    (folder / "img_00003.png").unlink()
    with pytest.raises(VideoError, match="unreadable: .*without a gap"):
        list(decode_frames(folder))


def test_a_damaged_frame_is_named_as_damage(folder: Path) -> None:
    (folder / "img_00003.png").write_bytes(b"no picture")
    with pytest.raises(VideoError, match="corrupt"):
        list(decode_frames(folder))
    (folder / "img_00001.png").write_bytes(b"")
    with pytest.raises(VideoError, match="corrupt|no frames"):
        list(decode_frames(folder))


def test_folders_of_frames_are_prepared(folder: Path, tmp_path: Path) -> None:
    data = prepare(
        tmp_path / "videos", tmp_path / "out", {"workers": 0, "storage.short_side": 32}, views=["rgb"], layout="frames"
    )
    (entry,) = data.ready
    assert (entry.id, entry.num_frames, entry.width, entry.height) == ("wave/100%d of it", 7, 42, 32)
