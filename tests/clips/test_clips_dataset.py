"""Clips as a plain torch data set: what an item holds, epochs, workers, sizes, mistakes."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from coview.augmentation import ClipAugmentation
from coview.clips import ClipDataset, collate_clips
from coview.errors import UserError
from coview.preparation.prepare import prepare


@pytest.fixture(scope="module")
def folder(tmp_path_factory, write_clip):
    """Five videos of 48 x 64 in two classes, views rgb and flow."""
    root = tmp_path_factory.mktemp("clips")
    for number in range(5):
        name = "walk" if number % 2 else "jump"
        write_clip(root / "videos" / name / f"clip{number}.mp4", num_frames=14 + number)
    prepare(root / "videos", root / "data", views=["rgb", "flow"], settings={"storage.short_side": 32, "workers": 1})
    return root / "data"


def test_an_item_is_tensors_of_the_same_frames(folder):
    clips = ClipDataset(str(folder), views=["rgb", "flow"], frames=4, stride=2)
    assert len(clips) == 5
    item = clips[3]
    assert item["views"]["rgb"].dtype == torch.uint8
    assert item["views"]["rgb"].shape[:2] == (3, 4)
    assert item["views"]["flow"].shape == (2, *item["views"]["rgb"].shape[1:])
    assert np.diff(item["frame_indices"]).tolist() == [2, 2, 2]
    assert item["index"] == 3
    assert item["label"] == clips.entries[3].label
    frames = clips.views["rgb"].read(
        folder / "views" / "rgb" / f"{clips.entries[3].id}.mp4", item["frame_indices"].numpy()
    )
    assert torch.equal(item["views"]["rgb"], torch.from_numpy(np.moveaxis(frames, -1, 0).copy()))
    assert torch.equal(clips[-2]["views"]["rgb"], item["views"]["rgb"])
    with pytest.raises(IndexError):
        clips[5]


def test_epochs_draw_other_clips_and_the_same_ones_again(folder):
    clips = ClipDataset(folder, views=["rgb"], frames=2, stride=1, seed=4)

    def starts(epoch):
        clips.set_epoch(epoch)
        return [int(clips[index]["frame_indices"][0]) for index in range(len(clips))]

    first = starts(0)
    assert first != starts(1)
    assert first == starts(0)


@pytest.mark.parametrize("persistent", [False, True])
def test_a_plain_loader_with_workers_sees_the_epoch(folder, persistent):
    clips = ClipDataset(folder, views=["rgb", "flow"], frames=4, stride=1)
    loader = DataLoader(clips, batch_size=5, num_workers=2, persistent_workers=persistent)
    seen = []
    for epoch in range(3):
        clips.set_epoch(epoch)
        (batch,) = loader
        assert batch["views"]["rgb"].shape[:3] == (5, 3, 4)
        assert torch.equal(batch["views"]["flow"][2], clips[2]["views"]["flow"])
        seen.append(batch["frame_indices"].tolist())
    assert len({str(frames) for frames in seen}) == 3


def test_several_clips_a_video_feed_the_augmentation(folder):
    clips = ClipDataset(folder, frames=4, stride=1, clips_per_video=2)
    batch = next(iter(DataLoader(clips, batch_size=3)))
    assert batch["views"]["rgb"].shape[:4] == (3, 2, 3, 4)
    made = ClipAugmentation(size=16)(batch["views"])
    assert made["rgb"].shape == (3, 2, 3, 4, 16, 16)
    assert made["flow"].shape == (3, 2, 2, 4, 16, 16)


def test_pictures_of_unequal_size(tmp_path, write_clip):
    write_clip(tmp_path / "videos" / "wide.mp4", height=32, width=64)
    write_clip(tmp_path / "videos" / "high.mp4", height=64, width=32)
    prepare(tmp_path / "videos", tmp_path / "data", views=["rgb"], settings={"storage.short_side": 32, "workers": 1})
    clips = ClipDataset(tmp_path / "data", frames=2, stride=1)
    batch = next(iter(DataLoader(clips, batch_size=2, collate_fn=collate_clips)))
    assert batch["views"]["rgb"].shape == (2, 3, 2, 64, 64)
    assert sorted(batch["sizes"]["rgb"].tolist()) == [[32, 64], [64, 32]]
    centre = ClipAugmentation(size=16).eval()(batch["views"], sizes=batch["sizes"])["rgb"]
    for row, item in enumerate((clips[0], clips[1])):
        alone = ClipAugmentation(size=16).eval()(item["views"]["rgb"][None])
        assert torch.equal(centre[row], alone[0])
    squares = ClipDataset(tmp_path / "data", frames=2, stride=1, size=24)
    assert next(iter(DataLoader(squares, batch_size=2)))["views"]["rgb"].shape == (2, 3, 2, 24, 24)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"views": "rgb"}, r"expected a list of names such as \['rgb'\]"),
        ({"views": ["pose"]}, "pose"),
        ({"frames": 0}, "frames is 0, expected a whole number of at least 1"),
        ({"stride": 1.5}, "stride is 1.5"),
        ({"split": "split7"}, "split7"),
    ],
)
def test_mistakes_are_named(folder, arguments, message):
    with pytest.raises(UserError, match=message):
        ClipDataset(folder, **arguments)


def test_no_data_set_there(tmp_path):
    with pytest.raises(UserError, match=r"absent"):
        ClipDataset(tmp_path / "absent")
