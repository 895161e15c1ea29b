import errno
import multiprocessing
from pathlib import Path

import numpy as np
import pytest

from coview.datasets.synthetic import SyntheticSettings, read_synthetic, read_truth, render_clip
from coview.errors import UserError
from coview.files import this_host
from coview.video.stored import read_rgb
from coview.video.synthetic_files import write_synthetic

SMALL = SyntheticSettings(num_videos=6, num_frames=8, height=48, width=64)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("synthetic") / "clips"
    write_synthetic(out, SMALL)
    return out


def test_files_hold_what_was_rendered(written: Path) -> None:
    listing = read_synthetic(written)
    assert not listing.remarks
    assert len(listing.entries) == 6
    for index, entry in enumerate(listing.entries):
        clip = render_clip(SMALL, index)
        assert (entry.id, entry.label, entry.group, dict(entry.splits)) == (
            clip.id,
            clip.label,
            clip.group,
            {"split1": clip.split},
        )
        stored = read_rgb(Path(entry.path), np.arange(8))
        assert stored.shape == clip.frames.shape
        errors = np.abs(stored[:, None].astype(int) - clip.frames[None]).mean(axis=(2, 3, 4))  # (T, T)
        assert errors.diagonal().max() < 10  # halved colour resolution on small garish pictures
        # Neighbouring frames can be nearly the same, the first and the last are not.
        assert errors[0, 0] < errors[0, -1]
        assert errors[-1, -1] < errors[-1, 0]
        truth = read_truth(written / "truth" / f"{entry.id}.npz")
        np.testing.assert_array_equal(truth.keypoints, clip.keypoints)
        np.testing.assert_array_equal(truth.masks, clip.masks)


def test_a_second_call_changes_nothing(written: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in written.rglob("*")}
    told = []
    write_synthetic(written, SMALL, progress=lambda done, total: told.append((done, total)))
    assert told == [(6, 6)]
    assert {path: path.stat().st_mtime_ns for path in written.rglob("*")} == before


def test_goes_on_after_a_stop_and_clears_what_was_half_written(written: Path, tmp_path: Path) -> None:
    out = tmp_path / "clips"

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_synthetic(out, SMALL, progress=stop)
    assert len(list(out.glob("*.mp4"))) == 2
    with pytest.raises(UserError, match="is not finished"):
        read_synthetic(out)
    (out / f".part-{this_host()}-999999999-00ff.mp4").write_bytes(b"half")
    (out / "truth" / f".part-{this_host()}-999999999-00ff.npz").write_bytes(b"half")
    told = []
    write_synthetic(out, SMALL, progress=lambda done, total: told.append(done))
    assert told == [2, 3, 4, 5, 6]
    assert contents(out) == contents(written)


def test_the_number_of_workers_does_not_matter(written: Path, tmp_path: Path) -> None:
    told = []
    write_synthetic(tmp_path / "clips", SMALL, workers=2, progress=lambda done, total: told.append(done))
    assert told == [0, 1, 2, 3, 4, 5, 6]
    assert contents(tmp_path / "clips") == contents(written)


def test_a_missing_clip_is_written_again(written: Path, tmp_path: Path) -> None:
    out = tmp_path / "clips"
    write_synthetic(out, SMALL)
    (out / "synthetic_00003.mp4").unlink()
    assert [entry.status for entry in read_synthetic(out).entries].count("missing") == 1
    write_synthetic(out, SMALL)
    assert contents(out) == contents(written)


def test_other_settings_in_the_same_folder_are_refused(written: Path) -> None:
    other = SyntheticSettings(num_videos=6, num_frames=8, height=48, width=64, seed=5)
    with pytest.raises(UserError, match=r"seed 0 \(asked: 5\); choose another folder"):
        write_synthetic(written, other)


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "holiday.mp4").write_bytes(b"film")
    with pytest.raises(UserError, match="is not empty"):
        write_synthetic(tmp_path, SMALL)
    assert contents(tmp_path) == {"holiday.mp4": b"film"}
    with pytest.raises(UserError, match="cannot write synthetic clips"):
        write_synthetic(tmp_path / "holiday.mp4" / "clips", SMALL)


def test_where_processes_cannot_work_together_one_renders(
    tmp_path: Path, written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_semaphore() -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(multiprocessing, "Lock", no_semaphore)
    write_synthetic(tmp_path / "clips", SMALL, workers=2)
    assert contents(tmp_path / "clips") == contents(written)
