from pathlib import Path

import numpy as np
import pytest

from coview.errors import VideoError
from coview.views.persons.keypoint_files import PART, read_keypoints, write_keypoints


def test_any_number_of_persons_comes_back_padded_to_the_most_there_are(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    counts = generator.integers(0, 4, 2 * PART + 30)
    frames = [generator.random((count, 17, 3), np.float32) for count in counts]
    path = tmp_path / "clip.npz"
    assert write_keypoints(iter(frames), path) == len(counts)
    chosen = [0, 1, 1, PART - 1, PART, PART + 7, 2 * PART, 2 * PART + 29]
    read = read_keypoints(path, np.array(chosen))
    assert read.shape == (len(chosen), 3, 17, 3)
    assert read.dtype == np.float32
    for frame, index in zip(read, chosen, strict=True):
        np.testing.assert_array_equal(frame[: counts[index]], frames[index])
        assert not frame[counts[index] :].any()


def test_a_video_without_persons_is_a_person_who_is_not_there(tmp_path: Path) -> None:
    write_keypoints([np.zeros((0, 17, 3), np.float32)] * 3, tmp_path / "clip.npz")
    read = read_keypoints(tmp_path / "clip.npz", np.arange(3))
    assert read.shape == (3, 1, 17, 3)
    assert not read.any()


def test_no_frames_make_no_file(tmp_path: Path) -> None:
    assert write_keypoints([], tmp_path / "clip.npz") == 0
    assert list(tmp_path.iterdir()) == []


def test_other_arrays_are_not_keypoints(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", masks=np.zeros(3))
    with pytest.raises(VideoError, match="not the keypoints of a video"):
        read_keypoints(tmp_path / "other.npz", np.array([0]))
    with pytest.raises(VideoError, match="no such file"):
        read_keypoints(tmp_path / "gone.npz", np.array([0]))
    write_keypoints([np.zeros((1, 17, 3), np.float32)], tmp_path / "clip.npz")
    with pytest.raises(VideoError, match="holds 1 frames, frame 1"):
        read_keypoints(tmp_path / "clip.npz", np.array([0, 1]))
    with pytest.raises(ValueError, match="keypoints has shape"):
        write_keypoints([np.zeros((17, 3), np.float32)], tmp_path / "flat.npz")
