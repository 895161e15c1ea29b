import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from clips_fakes import NumberedView, OtherView, numbered_data

from coview.clips.samples import ClipSample, ClipSamples, collate, merge
from coview.config import ClipSettings
from coview.datatypes import VideoEntry
from coview.errors import UserError

CLIP = ClipSettings(num_blocks=2, block_length=2, frame_stride=2)


def dataset(root: Path, clip: ClipSettings = CLIP, *, view: NumberedView | None = None, seed: int = 0) -> ClipSamples:
    data = numbered_data(root, [12, 9, 7, 3])
    return ClipSamples(data, data.ready, {"numbered": view or NumberedView(), "other": OtherView()}, clip, seed=seed)


def test_all_views_show_the_same_frames(tmp_path: Path) -> None:
    for index in range(4):
        sample = dataset(tmp_path)[(0, index)]
        assert (sample.views["numbered"][:, :, 0, 0, 0] == 10 * index + sample.frame_indices).all()
        assert (sample.views["other"][:, :, 0, 0, 0] == 10 * index + sample.frame_indices).all()
        assert sample.views["other"].shape == (1, 4, 2, 3, 2)


def test_rows_and_keys_name_the_video(tmp_path: Path) -> None:
    sample = dataset(tmp_path, seed=5)[(3, 2)]
    assert sample.entry_index == 3  # behind the failed one
    assert sample.random_key == (5, 3, 2)


def test_a_short_video_is_kept(tmp_path: Path) -> None:
    assert dataset(tmp_path)[(0, 3)].frame_indices.tolist() == [[0, 1, 2, 2]]


def test_starts_change_with_epoch_and_seed_and_nothing_else(tmp_path: Path) -> None:
    clip = ClipSettings(num_blocks=1, block_length=1, frame_stride=1)

    def starts(seed: int, epoch: int) -> list[int]:
        clips = dataset(tmp_path, clip, seed=seed)
        return [int(clips[(epoch, index)].frame_indices[0, 0]) for index in (2, 0, 1) for _ in range(2)]

    assert starts(0, 0) == starts(0, 0)
    assert len({tuple(starts(seed, epoch)) for seed in range(3) for epoch in range(3)}) > 5


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_several_clips_of_a_video_decode_each_frame_once(tmp_path: Path, probability: float) -> None:
    view = NumberedView()
    clip = ClipSettings(
        num_blocks=1, block_length=4, frame_stride=1, clips_per_video=2, different_times_probability=probability
    )
    clips = dataset(tmp_path, clip, view=view)
    for epoch in range(20):
        view.reads.clear()
        sample = clips[(epoch, 0)]
        frames = [frame for read in view.reads for frame in read]
        assert len(frames) == len(set(frames))
        assert (sample.views["numbered"][:, :, 1, 2, 0] == sample.frame_indices).all()
        if probability == 0:
            assert (sample.frame_indices[0] == sample.frame_indices[1]).all()


def test_a_view_that_cannot_be_read_names_video_and_remedy(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"'numbered' of video 'v1' cannot be read.*coview prepare"):
        dataset(tmp_path, view=NumberedView(broken="v1"))[(0, 1)]


def test_collate_pads_right_and_bottom_and_remembers_sizes(tmp_path: Path) -> None:
    clips = dataset(tmp_path, view=NumberedView(sizes={"v0": (4, 2), "v1": (2, 5)}))
    batch = collate([clips[(0, 0)], clips[(0, 1)]])
    picture = batch.views["numbered"]
    assert picture.shape == (2, 1, 4, 4, 5, 3)
    assert batch.frame_sizes["numbered"].tolist() == [[4, 2], [2, 5]]
    assert (picture[0, 0, :, :4, :2] == batch.frame_indices[0, 0, :, None, None, None]).all()
    assert (picture[0, :, :, :, 2:] == 0).all()
    assert (picture[1, :, :, 2:] == 0).all()
    assert batch.entry_indices.tolist() == [1, 2]
    assert batch.random_keys.tolist() == [[0, 0, 0], [0, 0, 1]]


def test_collate_pads_persons_of_keypoint_views() -> None:
    def sample(persons: int) -> ClipSample:
        points = np.ones((1, 2, persons, 17, 3), np.float32)
        return ClipSample({"pose": points}, 0, (0, 0, 0), np.zeros((1, 2), np.int64))

    batch = collate([sample(1), sample(3)])
    assert batch.views["pose"].shape == (2, 1, 2, 3, 17, 3)
    assert batch.views["pose"][0, :, :, 1:].sum() == 0
    assert not batch.frame_sizes


def test_merged_pieces_equal_one_batch(tmp_path: Path) -> None:
    clips = dataset(tmp_path, view=NumberedView(sizes={"v0": (4, 2), "v1": (2, 5)}))
    samples = [clips[(0, index)] for index in range(4)]
    whole, pieces = collate(samples), merge([collate(samples[:1]), collate(samples[1:])])
    for name in whole.views:
        assert torch.equal(whole.views[name], pieces.views[name])
        assert torch.equal(whole.frame_sizes[name], pieces.frame_sizes[name])
    assert torch.equal(whole.random_keys, pieces.random_keys)
    assert torch.equal(whole.frame_indices, pieces.frame_indices)


def test_a_large_manifest_travels_to_workers_as_little(tmp_path: Path) -> None:
    data = numbered_data(tmp_path, [100] * 13000)
    clips = ClipSamples(data, data.ready, {}, CLIP, seed=0)
    assert len(pickle.dumps(clips)) < 600_000
    assert clips.videos.video_id(0) == "v0"
    assert clips.videos.video_id(12999) == "v12999"


def test_a_ready_video_without_frames_is_named(tmp_path: Path) -> None:
    data = numbered_data(tmp_path, [5])
    with pytest.raises(UserError, match="'odd'"):
        ClipSamples(data, [VideoEntry(id="v0", path="", num_frames=5), VideoEntry(id="odd", path="")], {}, CLIP, seed=0)
