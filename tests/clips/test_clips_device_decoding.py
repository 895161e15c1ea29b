"""Clips whose pictures a device decodes: the same frames, tensors from the decoder to the augmented batch."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from coview.augmentation.batch import augment
from coview.clips.loader import TrainingLoader
from coview.clips.samples import ClipSample, ClipSamples, collate
from coview.config import AugmentSettings, ClipSettings, ViewInput
from coview.datasets.prepared import PreparedDataset, stored_checksum
from coview.errors import UserError
from coview.views.opened import open_views
from small_run import make_data
from stand_in_torchcodec import use_stand_in

CLIP = ClipSettings(num_blocks=1, block_length=3, frame_stride=2, clips_per_video=2)
KEYS = [(epoch, index) for epoch in range(4) for index in range(3)]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> PreparedDataset:
    root = tmp_path_factory.mktemp("prepared")
    make_data(root, root / "videos")
    return PreparedDataset.open(root)


def samples(data: PreparedDataset, device: str | None = None) -> ClipSamples:
    views = open_views(data.view_options, ["rgb", "flow"])
    return ClipSamples(data, data.ready, views, CLIP, seed=3, decode_on=torch.device(device) if device else None)


def test_clips_are_those_of_pyav_and_only_rgb_is_decoded_there(
    data: PreparedDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = use_stand_in(monkeypatch)
    plain, decoded = samples(data), samples(data, "cpu")
    for key in KEYS:
        expected, found = plain[key], decoded[key]
        assert isinstance(found.views["rgb"], Tensor)
        assert isinstance(found.views["flow"], np.ndarray)
        for name, clips in expected.views.items():
            assert np.array_equal(clips, np.asarray(found.views[name])), name
    assert {path.parent.name for path, _ in kind.opened} == {"rgb"}
    assert len(kind.opened) == len(KEYS)


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_the_same(data: PreparedDataset, monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    use_stand_in(monkeypatch)
    with (
        TrainingLoader(samples(data), batch_size=4, workers=0) as plain,
        TrainingLoader(samples(data, "cpu"), batch_size=4, workers=workers) as decoded,
    ):
        for epoch in range(2):
            for expected, found in zip(plain.epoch(epoch), decoded.epoch(epoch), strict=True):
                assert all(torch.equal(clips, found.views[name]) for name, clips in expected.views.items())
                assert torch.equal(expected.frame_indices, found.frame_indices)


def test_an_epoch_goes_on_where_it_was_interrupted(data: PreparedDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    use_stand_in(monkeypatch)
    with TrainingLoader(samples(data, "cpu"), batch_size=2, workers=2) as loader:
        whole = list(loader.epoch(1))
        rest = list(loader.epoch(1, first_step=2))
    assert len(rest) == len(whole) - 2
    for expected, found in zip(whole[2:], rest, strict=True):
        assert all(torch.equal(clips, found.views[name]) for name, clips in expected.views.items())


def test_frames_never_lie_on_the_host(data: PreparedDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tensors of the device "meta" hold nothing: whoever asks for their pixels fails."""
    use_stand_in(monkeypatch)
    clips = samples(data, "meta")
    inputs = {name: ViewInput(size=16) for name in clips.views}
    batch = collate([clips[0, 0], clips[0, 1]])
    assert (batch.views["rgb"].device.type, batch.views["flow"].device.type) == ("meta", "cpu")
    rgb = replace(batch, views={"rgb": batch.views["rgb"]})
    made = augment(rgb, clips.views, inputs, AugmentSettings(), device=torch.device("meta"))
    assert made.clips["rgb"].device.type == "meta"
    assert made.clips["rgb"].shape == (2, 2, 3, 3, 16, 16)


def test_pictures_of_unequal_size_are_padded_where_they_lie() -> None:
    def sample(height: int, width: int) -> ClipSample:
        rgb = torch.full((1, 2, height, width, 3), height, dtype=torch.uint8)
        return ClipSample({"rgb": rgb}, 0, (0, 0, 0), np.zeros((1, 2), np.int64))

    batch = collate([sample(2, 5), sample(4, 3)])
    assert batch.views["rgb"].shape == (2, 1, 2, 4, 5, 3)
    assert batch.frame_sizes["rgb"].tolist() == [[2, 5], [4, 3]]
    assert (batch.views["rgb"][0, :, :, :2] == 2).all()
    assert (batch.views["rgb"][1, :, :, :, :3] == 4).all()
    assert batch.views["rgb"].sum() == 2 * 3 * (2 * 5 * 2 + 4 * 3 * 4)


def test_a_file_that_is_not_what_was_stored_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = use_stand_in(monkeypatch)
    make_data(tmp_path, tmp_path / "videos")
    data = PreparedDataset.open(tmp_path)
    path = data.view_path("rgb", "v0", ".mp4")
    views = open_views(data.view_options, ["rgb"])
    entry = replace(data.entry("v0"), checksums={"rgb": stored_checksum(path)})
    changed = path.read_bytes()[:-1] + b"\0\0"
    path.write_bytes(changed)
    clips = ClipSamples(data, [entry], views, CLIP, seed=3, decode_on=torch.device("cpu"))
    with pytest.raises(UserError, match=r"stored view 'rgb' of video 'v0' cannot be read: .*checksum differs"):
        clips[0, 0]
    assert kind.opened == []
