"""The views pose and segmentation through `prepare`, as a user gets them."""

import importlib.util
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from coview.clips.samples import ClipSamples, collate
from coview.config import ClipSettings
from coview.datasets.prepared import PreparedDataset
from coview.datasets.synthetic import SyntheticSettings, render_clip
from coview.errors import MissingExtraError, UserError
from coview.preparation.prepare import PrepareSettings, prepare
from coview.views.base import StorageSettings
from coview.views.crop import Geometry
from coview.views.opened import open_views
from coview.views.persons.shared_pass import open_detector

CLIPS = SyntheticSettings(num_videos=2, num_frames=9, height=32, width=48)
FOUR = PrepareSettings(
    layout="synthetic", synthetic=CLIPS, workers=0, views=("rgb", "flow", "pose", "segmentation"),
    storage=StorageSettings(short_side=32), options={"flow": {"algorithm": "farneback"}},
)  # fmt: skip
WITH_FILES = PrepareSettings(views=("rgb", "pose"), storage=StorageSettings(short_side=32), workers=0)


@pytest.fixture(autouse=True)
def _fresh_detectors() -> None:
    open_detector.cache_clear()


def files(out: Path) -> dict[str, int]:
    return {str(path.relative_to(out)): path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}


def test_the_truth_of_synthetic_clips_is_their_pose_and_segmentation(tmp_path: Path) -> None:
    data = prepare(tmp_path / "clips", tmp_path / "out", FOUR)
    assert data.view_options["pose"]["detector"] == data.view_options["segmentation"]["detector"] == "truth"
    views = open_views(data.view_options, data.view_options)
    for index, entry in enumerate(data.ready):
        clip = render_clip(CLIPS, index)
        read = {name: v.read(data.view_path(name, entry.id, v.suffix), np.arange(9)) for name, v in views.items()}
        np.testing.assert_array_equal(read["pose"], clip.keypoints)
        assert np.abs(read["segmentation"][..., 0].astype(int) - clip.masks).mean() < 3
        assert entry.counts == {
            "pose.frames_with_person": int((clip.keypoints[..., 2] > 0).any(axis=(1, 2)).sum()),
            "segmentation.frames_with_person": int((clip.masks.max(axis=(1, 2)) > 0).sum()),
        }
    before = files(tmp_path / "out")
    prepare(tmp_path / "clips", tmp_path / "out", FOUR)
    assert files(tmp_path / "out") == before


def test_persons_are_where_the_heatmaps_and_masks_are(tmp_path: Path) -> None:
    data = prepare(tmp_path / "clips", tmp_path / "out", FOUR)
    views = open_views(data.view_options, ("pose", "segmentation"))
    clips = ClipSamples(data, data.ready, views, ClipSettings(num_blocks=1, block_length=4, frame_stride=1), seed=0)
    batch = collate([clips[(0, 0)], clips[(0, 1)]])
    whole = Geometry(torch.tensor([[0.1, 0.0, 0.9, 1.0]] * 2, dtype=torch.float64), torch.tensor([False, True]))
    raw = {name: clip.flatten(0, 1) for name, clip in batch.views.items()}
    maps = views["pose"].render(raw["pose"], None, whole, 32).amax(dim=1)  # (B, T, 32, 32)
    mask = views["segmentation"].render(raw["segmentation"], batch.frame_sizes["segmentation"], whole, 32)[:, 0]
    near = torch.nn.functional.max_pool2d(mask, 5, stride=1, padding=2)
    assert (maps[near < 0.1] > 0.5).float().mean() < 0.01
    assert mask[maps > 0.5].mean() > 3 * mask.mean()


def test_adding_them_later_leaves_the_other_views_alone(tmp_path: Path) -> None:
    first = prepare(tmp_path / "clips", tmp_path / "out", replace(FOUR, views=("rgb", "flow")))
    assert "shares" not in first.info
    before = files(tmp_path / "out" / "views")
    data = prepare(tmp_path / "clips", tmp_path / "out", FOUR)
    after = files(tmp_path / "out" / "views")
    assert {name: after[name] for name in before} == before
    assert len(after) == 2 * len(before)
    assert set(data.info["shares"]) == {"pose.frames_with_person", "segmentation.frames_with_person"}


def give_keypoints(source: Path, folder: Path, change: Callable[[str, Any], Any]) -> None:
    for video in source.rglob("*.mp4"):
        num_frames = 8 + int(video.stem[-1])  # as the fixture writes them
        target = folder / video.relative_to(source).with_suffix(".npy")
        target.parent.mkdir(parents=True, exist_ok=True)
        np.save(target, change(video.stem, np.full((num_frames, 17, 3), 0.5, np.float32)))


def test_frames_without_a_person_are_empty_and_counted(source: Path, tmp_path: Path) -> None:
    def with_gaps(stem: str, keypoints: Any) -> Any:
        keypoints[2:5, :, 2] = 0
        return keypoints * (stem != "clip3")

    give_keypoints(source, tmp_path / "given", with_gaps)
    options = {"pose": {"detector": "files", "folder": str(tmp_path / "given")}}
    data = prepare(source, tmp_path / "out", replace(WITH_FILES, options=options))
    counts = {entry.id: entry.counts["pose.frames_with_person"] for entry in data.ready}
    assert counts == {
        "jump/clip0": 5, "jump/clip2": 7, "jump/clip4": 9, "walk/clip1": 6, "walk/clip3": 0, "walk/clip5": 10,
    }  # fmt: skip
    frames = sum(range(8, 14))
    assert data.info["shares"]["pose.frames_with_person"] == {
        "of_all_frames": round(37 / frames, 4), "least_in_a_video": 0.0, "videos_without": 1,
    }  # fmt: skip
    view = open_views(data.view_options, ("pose",))["pose"]
    read = view.read(data.view_path("pose", "jump/clip0", ".npz"), np.array([1, 2, 5]))
    assert read[..., 2].max(axis=(1, 2)).tolist() == [0.5, 0.0, 0.5]
    for file in (tmp_path / "out" / ".prepare").iterdir():  # a copy without its work folder still knows
        file.unlink()
    again = prepare(source, tmp_path / "out", replace(WITH_FILES, options=options))
    assert {entry.id: entry.counts["pose.frames_with_person"] for entry in again.ready} == counts


def test_given_keypoints_that_do_not_fit_fail_their_video_alone(source: Path, tmp_path: Path) -> None:
    give_keypoints(source, tmp_path / "given", lambda stem, keypoints: keypoints[: 8 if stem != "clip2" else None])
    (tmp_path / "given" / "walk" / "clip5.npy").unlink()
    options = {"pose": {"detector": "files", "folder": str(tmp_path / "given")}}
    data = prepare(source, tmp_path / "out", replace(WITH_FILES, options=options))
    assert [entry.id for entry in data.ready] == ["jump/clip0", "jump/clip2"]
    reasons = {entry.id: entry.reason for entry in data.entries}
    assert "walk/clip1.npy holds 8 frames, the video has 9" in reasons["walk/clip1"]
    assert reasons["walk/clip5"].startswith("unmatched: ")
    assert "holds no walk/clip5 or clip5 with .npy or .npz" in reasons["walk/clip5"]
    assert data.info["counts"]["by_reason"] == {"unmatched": 4}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"detector": "files"}, "needs the option folder"),
        ({"detector": "files", "folder": "/not/there"}, "/not/there, which is no folder"),
        ({"detector": "truth", "every": 2}, "every is 2"),
        ({"detector": "opnpose"}, "pose.detector.*'mediapipe'"),
    ],
)
def test_what_cannot_work_is_said_before_any_work(
    source: Path, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        prepare(source, tmp_path / "out", replace(WITH_FILES, options={"pose": options}))
    assert not (tmp_path / "out").exists()


def test_without_mediapipe_the_extra_is_named_and_nothing_is_begun(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "mediapipe" else find(name))
    with pytest.raises(MissingExtraError, match=r"mediapipe.*pip install 'coview\[pose\]'"):
        prepare(source, tmp_path / "out", WITH_FILES)
    assert not (tmp_path / "out").exists()
    prepare(source, tmp_path / "out", replace(WITH_FILES, views=("rgb",)))
    with pytest.raises(MissingExtraError):
        prepare(source, tmp_path / "out", WITH_FILES)
    assert set(PreparedDataset.open(tmp_path / "out").view_options) == {"rgb"}


@pytest.mark.realdata
def test_mediapipe_finds_a_person_in_a_real_clip(real_data: Path, tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    pytest.importorskip("mediapipe")
    clip = sorted((real_data / "ucf10" / "videos" / "Haircut").glob("*.mp4"))[0]
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "clip.mp4").symlink_to(clip)
    settings = PrepareSettings(views=("rgb", "pose", "segmentation"), workers=0, options={
        "pose": {"every": 40}, "segmentation": {"every": 40},
    })  # fmt: skip
    data = prepare(tmp_path / "videos", tmp_path / "out", settings)
    assert data.ready[0].counts["pose.frames_with_person"] > 0
    assert data.ready[0].counts["segmentation.frames_with_person"] > 0
    assert capfd.readouterr().err == ""
