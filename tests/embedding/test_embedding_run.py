"""A run is opened by its path; what it makes of videos is the mean over windows, and the same every time."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from coview.augmentation.batch import centre
from coview.clips.samples import collate
from coview.clips.windows import WindowDataset
from coview.datasets.prepared import PreparedDataset
from coview.embedding.cache import cached_embeddings, data_identity
from coview.embedding.extract import window_features
from coview.embedding.run import Run, load
from coview.embedding.search import search
from coview.encoders.file import describe_encoder, load_encoder
from coview.errors import UserError
from coview.training.building import build_method
from coview.video.stored import write_rgb
from coview.views.opened import open_views
from small_run import FRAMES, OPTIONS, moving_square, small_config

ROUNDING = 2e-4
"""Convolutions may round otherwise in a batch of another size, by nearly 1e-4 of a unit vector on some processors."""


def plain_pool(block):
    """Mean over time, unit cells, the largest of each 2 x 2, their mean, unit."""
    cells = torch.nn.functional.normalize(block.mean(dim=1), dim=0)  # (D, S, S)
    if cells.shape[1] > 1:
        corners = [cells[:, top::2, left::2] for top in (0, 1) for left in (0, 1)]
        height, width = (min(corner.shape[axis] for corner in corners) for axis in (1, 2))
        cells = torch.stack([corner[:, :height, :width] for corner in corners]).amax(dim=0)
    return torch.nn.functional.normalize(cells.mean(dim=(1, 2)), dim=0)


def plain_features(run, data, entry, view):
    """One window after the other, one block after the other."""
    views = open_views(data.view_options, run.views)
    windows = WindowDataset(data, [entry], views, run.config.clip)[0]
    rows = []
    for window in windows:
        clips = centre(collate([window]), views, run.config.views, device=torch.device("cpu")).clips[view][0, 0]
        length = run.config.clip.block_length
        blocks = [clips[:, n * length : (n + 1) * length] for n in range(run.config.clip.num_blocks)]
        pooled = torch.stack([plain_pool(run.encoders[view](block[None])[0]) for block in blocks])
        rows.append(torch.nn.functional.normalize(pooled.mean(dim=0), dim=0))
    assert len(rows) > 1
    return torch.nn.functional.normalize(torch.stack(rows).mean(dim=0), dim=0).numpy()


def test_a_video_is_the_unit_mean_of_its_unit_windows(small_run):
    run, data = load(small_run.run), PreparedDataset.open(small_run.data)
    made = run.embed(data)
    assert made.ids == tuple(f"v{number}" for number in range(9))
    assert list(made.features) == ["rgb", "flow"]
    for view, features in made.features.items():
        for place in (0, 5):
            expected = plain_features(run, data, data.ready[place], view)
            np.testing.assert_allclose(features[place], expected, atol=ROUNDING)
        np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, atol=1e-5)


def test_blocks_that_windows_share_are_encoded_once(small_run):
    run, data = load(small_run.run), PreparedDataset.open(small_run.data)
    encoder, seen = run.encoders["rgb"], []
    handle = encoder.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    run.embed_entries(data, data.ready, encoders={"rgb": encoder}, device="cpu")
    handle.remove()
    windows = WindowDataset(data, data.ready, open_views(data.view_options, ["rgb"]), run.config.clip)
    shown = [windows.indices(video).reshape(-1, run.config.clip.block_length) for video in range(len(windows))]
    assert sum(seen) == sum(len(np.unique(blocks, axis=0)) for blocks in shown)
    assert sum(seen) < sum(map(len, shown))


def test_what_is_unreadable_is_told(small_run):
    made = load(small_run.run).embed(small_run.data)
    assert made.description["failed"] == {"broken": "corrupt: made so"}
    assert made.description["trained_views"] == ["rgb", "flow"]


def test_twice_gives_the_same_bits_whatever_the_batch(small_run):
    run, data = load(small_run.run), PreparedDataset.open(small_run.data)
    first = run.embed_entries(data, data.ready[:4])
    second = run.embed_entries(data, data.ready[:4])
    run.config = dataclasses.replace(run.config, evaluation=dataclasses.replace(run.config.evaluation, batch_size=1))
    single = run.embed_entries(data, data.ready[:4])
    for view in run.views:
        np.testing.assert_array_equal(first.features[view], second.features[view])
        np.testing.assert_allclose(first.features[view], single.features[view], atol=ROUNDING)


def test_progress_ends_with_every_video(small_run):
    calls = []
    data = PreparedDataset.open(small_run.data)
    load(small_run.run).embed(data, progress=lambda done, total, amounts: calls.append((done, total)))
    assert calls[-1] == (9, 9)
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)


def test_window_features_average_blocks():
    clip = dataclasses.replace(small_config().clip, num_blocks=2, block_length=3)
    clips = torch.rand(5, 2, 6, 4, 4)
    features = window_features(torch.nn.Identity(), clips, clip=clip, pool=lambda maps: maps.sum(dim=(2, 3, 4)))
    expected = torch.nn.functional.normalize(clips.sum(dim=(2, 3, 4)), dim=1)
    torch.testing.assert_close(features, expected)


def test_random_encoders_are_those_that_training_began_from(small_run):
    before = torch.random.get_rng_state()
    run = load(small_run.run)
    made = run.random_encoders()
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(3)
    expected = build_method(small_config(), {"rgb": 3, "flow": 2}).encoders
    for view, encoder in made.items():
        for own, other in zip(encoder.parameters(), expected[view].parameters(), strict=True):
            assert torch.equal(own, other)
            assert not own.requires_grad
        assert not encoder.training
    own, trained = next(made["rgb"].parameters()), next(run.encoders["rgb"].parameters())
    assert not torch.equal(own, trained)


def test_the_newest_checkpoint_or_the_named_one(small_run):
    assert load(small_run.run).checkpoint.name == "flow-00000010"
    earlier = Run.load(small_run.run, "rgb-00000010")
    assert earlier.trained_views == ("rgb",)
    with pytest.raises(UserError, match="it has: rgb-00000010, flow-00000010"):
        Run.load(small_run.run, "pose-1")


def test_what_is_no_run_is_said(tmp_path, small_run):
    with pytest.raises(UserError, match="is not a run"):
        load(tmp_path)
    (tmp_path / "resolved.yaml").write_text((small_run.run / "resolved.yaml").read_text())
    with pytest.raises(UserError, match="no checkpoint yet"):
        load(tmp_path)
    shutil.copytree(small_run.run / "checkpoints", tmp_path / "checkpoints")
    weights = tmp_path / "checkpoints" / "flow-00000010" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    assert load(tmp_path).checkpoint.name == "rgb-00000010"
    with pytest.raises(UserError, match="flow-00000010 is damaged: model.safetensors"):
        load(tmp_path, "flow-00000010")


def test_a_missing_view_names_the_command(small_run, tmp_path):
    shutil.copytree(small_run.data, tmp_path / "data")
    info = yaml.safe_load((tmp_path / "data" / "dataset.yaml").read_text())
    del info["views"]["flow"]
    (tmp_path / "data" / "dataset.yaml").write_text(yaml.safe_dump(info))
    with pytest.raises(UserError, match="does not hold the view 'flow'"):
        load(small_run.run).embed(tmp_path / "data")


def test_data_made_otherwise_is_remarked(small_run, caplog):
    data = PreparedDataset.open(small_run.data)
    other = dataclasses.replace(data, view_options={**OPTIONS, "flow": {**OPTIONS["flow"], "algorithm": "dis"}})
    (remark,) = load(small_run.run).differences(other)
    assert "view flow was made with {'algorithm': 'dis'" in remark
    assert load(small_run.run).differences(data) == ()


def test_embeddings_are_reused_only_when_nothing_changed(small_run, tmp_path):
    shutil.copytree(small_run.run, tmp_path / "run")
    shutil.copytree(small_run.data, tmp_path / "data")
    run, data = load(tmp_path / "run"), PreparedDataset.open(tmp_path / "data")
    calls = []

    def count(done, total, amounts):
        calls.append(done)

    def made_anew(**changes):
        calls.clear()
        given = {"run": run, "data": data, "entries": data.ready[:3], **changes}
        cached_embeddings(given["run"], given["data"], given["entries"], progress=count)
        return bool(calls)

    assert made_anew()
    assert not made_anew()
    assert made_anew(run=Run.load(tmp_path / "run", "rgb-00000010"))
    assert made_anew(entries=data.ready[:2])
    relabelled = [dataclasses.replace(entry, label="other") for entry in data.ready[:3]]
    assert made_anew(entries=relabelled)
    other = load(tmp_path / "run")
    other.config = dataclasses.replace(
        other.config, evaluation=dataclasses.replace(other.config.evaluation, max_windows=1)
    )
    assert made_anew(run=other)
    path = data.view_path("rgb", "v1", ".mp4")
    path.write_bytes(path.read_bytes())
    assert made_anew()
    for file in (tmp_path / "run" / "embeddings").iterdir():
        file.write_bytes(file.read_bytes()[:100])
    assert made_anew()
    assert not made_anew()


def test_data_identity_sees_the_options():
    data = PreparedDataset(root=Path("x"), entries=(), view_options={"rgb": {"crf": 1}}, info={})
    other = dataclasses.replace(data, view_options={"rgb": {"crf": 2}})
    assert data_identity(data, (), ("rgb",)) != data_identity(other, (), ("rgb",))


@pytest.fixture(scope="module")
def raw_videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw")
    for number in range(2):
        write_rgb(iter(moving_square(number, is_fast=bool(number))), folder / f"v{number}.mp4", fps=25.0, gop=8)
    (folder / "bad.mp4").write_text("not a video")
    return folder


def test_raw_files_are_prepared_as_the_runs_own_data_was(small_run, raw_videos, caplog):
    run = load(small_run.run)
    one = run.embed(raw_videos / "v1.mp4")
    assert one.paths == (str(raw_videos / "v1.mp4"),)
    both = run.embed(raw_videos)
    assert len(both) == 2
    assert "bad.mp4" in caplog.text
    assert "not a video" in next(iter(both.description["failed"].values())).replace("_", " ")
    listed = run.embed([raw_videos / "v1.mp4", str(raw_videos / "v0.mp4")])
    assert {path: place for place, path in enumerate(listed.paths)}.keys() == set(both.paths)
    stored = run.embed(PreparedDataset.open(small_run.data))
    for view in run.views:
        place = both.paths.index(str(raw_videos / "v1.mp4"))
        assert float(both.features[view][place] @ stored.features[view][1]) > 0.98
        np.testing.assert_allclose(both.features[view][place], one.features[view][0], atol=ROUNDING)
        assert np.abs(both.features[view][1 - place] - one.features[view][0]).max() > 100 * ROUNDING


def test_frames_are_embedded_as_their_file_is(small_run, raw_videos):
    run = load(small_run.run)
    frames = [moving_square(number, is_fast=bool(number)) for number in range(2)]
    made = run.embed(frames)
    assert (made.ids, made.paths) == (("array00000", "array00001"), ("", ""))
    files = run.embed([raw_videos / "v0.mp4", raw_videos / "v1.mp4"])
    for view in run.views:
        assert (made[view] * files[view]).sum(axis=1).min() > 0.99
    odd = run.embed(frames[1][:, 1:, 1:])
    assert odd["rgb"].shape == (1, run.encoders["rgb"].feature_size)
    with pytest.raises(UserError, match=r"frames must be \(T, H, W, 3\) uint8, RGB; video 0 is .* float64"):
        run.embed(frames[0] / 255)
    with pytest.raises(TypeError, match="expected a path, a list of paths, .* got int"):
        run.embed(3)


def test_windows_are_rows_whose_mean_is_the_video(small_run):
    run, data = load(small_run.run), PreparedDataset.open(small_run.data)
    whole, windows = run.embed(data), run.embed(data, windows=True)
    places = [place for place, name in enumerate(windows.ids) if name == "v3"]
    assert windows.start_seconds[places].tolist() == [0.0, 4 / 25, 8 / 25, 12 / 25]
    assert windows.end_seconds[places].tolist() == [8 / 25, 12 / 25, 16 / 25, 20 / 25]
    assert windows[places[1]].start_seconds == 4 / 25
    for view in run.views:
        np.testing.assert_allclose(np.linalg.norm(windows[view], axis=1), 1, atol=1e-5)
        mean = windows[view][places].mean(axis=0)
        np.testing.assert_allclose(mean / np.linalg.norm(mean), whole[view][3], atol=1e-5)
    found = search(windows, windows, top=1)
    assert len(found) == len(windows)
    assert found[0].start_seconds is not None


def test_search_from_path_to_path(small_run, raw_videos):
    found = search(raw_videos / "v1.mp4", str(small_run.data), run=str(small_run.run), top=3)
    assert [hit.rank for hit in found] == [1, 2, 3]
    assert found[0].id == "v1"


def test_nothing_to_embed_is_said(small_run, raw_videos, tmp_path):
    run = load(small_run.run)
    with pytest.raises(UserError, match="no such video file: .*none.mp4"):
        run.embed(tmp_path / "none.mp4")
    with pytest.raises(UserError, match="list of videos is empty"):
        run.embed([])
    with pytest.raises(UserError):
        run.embed(raw_videos / "bad.mp4")


def test_frames_of_the_fixture_make_several_windows():
    assert small_config().clip.num_frames * 2 <= FRAMES


def test_an_encoder_leaves_the_run_in_a_file_of_its_own(small_run, tmp_path):
    run = load(small_run.run)
    loaded = load_encoder(run.save_encoder("flow", tmp_path / "flow.safetensors"))
    clips = torch.randn(2, 2, 4, 16, 16)
    with torch.no_grad():
        assert torch.equal(loaded(clips), run.encoders["flow"](clips))
    told = describe_encoder(tmp_path / "flow.safetensors")
    assert (told["view"], told["input"]["size"], told["clip"]["block_length"]) == ("flow", 16, 4)
    assert told["checkpoint"] == "flow-00000010"
    assert told["trained"] is True
    with pytest.raises(UserError, match="did you mean 'flow'"):
        run.save_encoder("flwo", tmp_path / "x")


def test_a_stored_file_that_is_gone_is_named_before_anything_is_embedded(small_run, tmp_path):
    data = shutil.copytree(small_run.data, tmp_path / "data")
    (data / "views" / "flow" / "v7.mp4").unlink()
    told = []
    with pytest.raises(UserError, match=r"flow of v7 is missing or damaged. Make anew .* coview prepare"):
        load(small_run.run).embed(data, progress=lambda *amounts: told.append(amounts))
    assert told == []
