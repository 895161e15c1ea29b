"""Stored views in tar files: the same clips as from the folder, wherever the tars lie."""

import dataclasses
import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
import torch

from coview.clips.frame_memory import FrameMemory
from coview.clips.samples import ClipSamples
from coview.config import ClipSettings
from coview.datasets.manifest import write_manifest
from coview.datasets.prepared import MANIFEST_NAME, PreparedDataset
from coview.errors import UserError
from coview.preparation.prepare import PrepareSettings, prepare
from coview.preparation.shards import write_shards
from coview.training.checkpoint import latest_checkpoint, load_checkpoint
from coview.training.pretrain import pretrain
from coview.views.opened import open_views
from small_run import make_data, small_config

CLIP = ClipSettings(num_blocks=1, block_length=5, frame_stride=2, clips_per_video=2)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> PreparedDataset:
    root = tmp_path_factory.mktemp("shards") / "data"
    make_data(root, root.parent / "source")
    return PreparedDataset.open(root)


@pytest.fixture(scope="module")
def sharded(data: PreparedDataset) -> PreparedDataset:
    return write_shards(data, data.root.parent / "sharded", shard_megabytes=0)


def samples(data: PreparedDataset, **more: Any) -> ClipSamples:
    return ClipSamples(data, data.ready, open_views(data.view_options, data.view_options), CLIP, seed=3, **more)


def assert_same_clips(one: ClipSamples, other: ClipSamples) -> None:
    for key in [(0, 0), (0, 3), (4, 8)]:
        here, there = one[key], other[key]
        assert here.views.keys() == there.views.keys() == {"rgb", "flow"}
        np.testing.assert_array_equal(here.frame_indices, there.frame_indices)
        for view, clips in here.views.items():
            np.testing.assert_array_equal(clips, there.views[view])


def test_clips_are_those_of_the_folder(data: PreparedDataset, sharded: PreparedDataset, tmp_path: Path) -> None:
    assert sharded.shards is not None
    assert len(sharded.shards.names) == len(data.ready) == 9
    assert not (sharded.root / "views").exists()
    assert [entry.id for entry in sharded.ready] == [entry.id for entry in data.ready]
    expected = samples(data)
    assert_same_clips(expected, samples(sharded))
    assert_same_clips(expected, samples(sharded, frame_cache=tmp_path / "frames"))
    in_memory = samples(sharded, frame_memory=FrameMemory())
    assert_same_clips(expected, in_memory)
    assert_same_clips(expected, in_memory)


def test_ids_that_differ_in_a_point_alone_are_not_mixed_up(write_clip, tmp_path: Path) -> None:
    for number, name in enumerate(["a.b", "a_b", "a%2Eb"]):
        write_clip(tmp_path / "videos" / f"{name}.mp4", num_frames=8 + number)
    made = prepare(tmp_path / "videos", tmp_path / "data", PrepareSettings(views=("rgb",), workers=0))
    shards = write_shards(made, tmp_path / "sharded").shards
    assert shards is not None
    for video in ("a.b", "a_b", "a%2Eb"):
        assert shards.read("rgb", video) == made.view_path("rgb", video, ".mp4").read_bytes()
    with tarfile.open(shards.shard_path(shards.names[0])) as tar:
        assert len({name.split(".")[0] for name in tar.getnames()}) == 3


def test_tars_may_lie_in_a_store(data: PreparedDataset, tmp_path: Path) -> None:
    made = write_shards(data, tmp_path / "index", place="memory://bucket/clips/")
    assert sorted(path.name for path in made.root.iterdir()) == ["dataset.yaml", "shards.parquet", "videos.parquet"]
    store = fsspec.filesystem("memory")
    assert [Path(name).name for name in store.ls("/bucket/clips", detail=False)] == ["000000.tar"]
    assert_same_clips(samples(data), samples(made))
    store.rm("/bucket/clips/000000.tar")
    with pytest.raises(UserError, match=r"'rgb' of video 'v0' in the shards of .*index cannot be read: .*000000.tar"):
        samples(made)[0, 0]


def test_other_loaders_find_samples_as_webdataset_has_them(sharded: PreparedDataset) -> None:
    assert sharded.shards is not None
    with tarfile.open(sharded.shards.shard_path("000000.tar")) as tar:
        names = tar.getnames()
        sample = names[0].partition(".")[0]
        assert names == [f"{sample}.rgb.mp4", f"{sample}.flow.mp4", f"{sample}.json"]
        about = tar.extractfile(names[2])
        assert about is not None
        entry = sharded.entry(sample)
        assert json.load(about) == {
            "id": sample, "label": entry.label, "group": entry.group, "splits": dict(entry.splits)
        }  # fmt: skip


def test_an_interrupted_call_goes_on_and_gives_the_same_bytes(
    data: PreparedDataset, sharded: PreparedDataset, tmp_path: Path
) -> None:
    def stop(done: int, total: int, amounts: Any) -> None:
        if done == 4:
            raise KeyboardInterrupt

    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        write_shards(data, out, shard_megabytes=0, progress=stop)
    with pytest.raises(UserError, match="not a prepared data set"):
        PreparedDataset.open(out)
    first = (out / "shards" / "000000.tar").stat().st_mtime_ns
    with pytest.raises(UserError, match="begun with other videos or settings"):
        write_shards(data, out, shard_megabytes=0, seed=1)
    fewer = tmp_path / "fewer" / data.name  # as many tars would be taken for theirs
    shutil.copytree(data.root, fewer)
    write_manifest(data.entries[1:], fewer / MANIFEST_NAME)
    with pytest.raises(UserError, match="begun with other videos or settings"):
        write_shards(fewer, out, shard_megabytes=0)
    made = write_shards(data, out, shard_megabytes=0)
    assert (out / "shards" / "000000.tar").stat().st_mtime_ns == first
    assert made.shards is not None
    assert sharded.shards is not None
    for name in made.shards.names:
        assert Path(made.shards.shard_path(name)).read_bytes() == Path(sharded.shards.shard_path(name)).read_bytes()


def test_shards_that_are_there_stay_as_they_are(data: PreparedDataset, sharded: PreparedDataset) -> None:
    def written() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in sharded.root.rglob("*") if path.is_file()}

    before = written()
    write_shards(data, sharded.root, shard_megabytes=0)
    assert written() == before


def test_training_learns_the_same_with_any_number_of_workers(
    data: PreparedDataset, sharded: PreparedDataset, tmp_path: Path
) -> None:
    def weights(of: PreparedDataset, **training: Any) -> Any:
        config, out = small_config(), tmp_path / of.name
        plain = {"max_steps": 2, "batch_size": 4, "precision": "fp32", "channels_last": "never", "val_fraction": 0.0}
        changed = dataclasses.replace(config.training, **plain, **training)
        pretrain(dataclasses.replace(config, training=changed), data=of.root, out=out, device="cpu")
        return load_checkpoint(latest_checkpoint(out)).weights  # type: ignore[arg-type]

    expected = weights(data)
    found = weights(sharded, workers=2, worker_kind="threads")
    assert all(torch.equal(value, found[name]) for name, value in expected.items())


def test_mistakes_are_told(data: PreparedDataset, sharded: PreparedDataset, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="in shards already"):
        write_shards(sharded, tmp_path / "again")
    with pytest.raises(UserError, match="the data set itself"):
        write_shards(data, data.root)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="not empty"):
        write_shards(data, tmp_path / "full")
    with pytest.raises(UserError, match="place is 'tars', expected an address"):
        write_shards(data, tmp_path / "relative", place="tars")
    with pytest.raises(UserError, match="holds shards"):
        prepare(tmp_path / "full", sharded.root, views=["rgb"])


def test_a_damaged_tar_is_told_with_the_video(data: PreparedDataset, tmp_path: Path) -> None:
    made = write_shards(data, tmp_path / "out")
    assert made.shards is not None
    path = Path(made.shards.shard_path("000000.tar"))
    path.write_bytes(path.read_bytes()[:2000])
    clips, places = samples(made), [made.shards.find("rgb", entry.id) for entry in made.ready]
    last = max(range(len(places)), key=lambda index: places[index].offset)  # type: ignore[union-attr]
    with pytest.raises(UserError, match=rf"of video 'v{last}' in the shards .* it ends before byte"):
        clips[0, last]


@pytest.mark.parametrize("place", [None, "memory://bucket/lost"])
def test_a_tar_that_is_gone_or_cut_off_is_told_before_any_work(
    data: PreparedDataset, tmp_path: Path, place: str | None
) -> None:
    made = write_shards(data, tmp_path / "index", place=place, shard_megabytes=0)
    made.require_files(["rgb"])
    assert made.shards is not None
    system = fsspec.filesystem("file" if place is None else "memory")
    first, second, *_ = (made.shards.shard_path(name) for name in made.shards.names)
    system.pipe_file(first, system.cat_file(first)[:600])
    system.rm(second)
    with pytest.raises(UserError, match=r"2 tars missing or cut off: 000000.tar, 000001.tar\. .*coview shards"):
        made.require_files(["rgb"])
