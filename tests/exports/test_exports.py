"""Exported models: they answer as the run does, whatever the batch, and say what they are."""

import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import coview
from coview.cli import run_arguments
from coview.collection.prediction.classifier import open_classifier
from coview.config import ClipSettings, ViewInput
from coview.encoders.file import load_encoder
from coview.errors import MissingExtraError, UserError
from coview.exports import ExportedEncoder, export
from coview.exports.description import Description
from coview.exports.exporting import _new_folder
from coview.exports.frames import crop_frames
from coview.exports.parity import Parity, answer_eagerly, check_parity, random_clips
from coview.files import this_host
from coview.video.stored import write_rgb
from small_run import SmallRun, classifier_config, make_run, moving_square, place_small_run, small_config

try:
    import onnxruntime
    import onnxscript
except ImportError:
    onnxruntime = onnxscript = None
needs_onnx = pytest.mark.skipif(onnxscript is None, reason="needs the extra `export` (onnx, onnxscript, onnxruntime)")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> SmallRun:
    """A run of two views, flow padded to three channels as ViCC feeds it, and its data."""
    made = place_small_run(tmp_path_factory.mktemp("exports"))
    make_run(made.run, made.data, small_config())
    return made


@pytest.fixture(scope="module")
def onnx_folder(small: SmallRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That run as ONNX, made by the command on real clips."""
    if onnxscript is None:
        pytest.skip("needs the extra `export`")
    out = tmp_path_factory.mktemp("onnx") / "model"
    assert run_arguments(["export", str(small.run), "--out", str(out), "--data", str(small.data)]) == 0
    return out


def stored_frames(small: SmallRun, view: str, video: str) -> np.ndarray:
    """The frames of a window as they are stored, (T, H, W, C)."""
    data = coview.PreparedDataset.open(small.data)
    from coview.views.opened import open_views

    opened = open_views(data.view_options, [view])[view]
    return opened.read(data.view_path(view, video, opened.suffix), np.arange(8))


def test_an_onnx_file_answers_as_the_run_does_on_pictures_of_any_size(onnx_folder, small):
    encoder = ExportedEncoder(onnx_folder, threads=1)
    run = coview.load(small.run)
    videos = ["v0", "v1", "v2"]
    frames = {view: np.stack([stored_frames(small, view, video) for video in videos]) for view in ("rgb", "flow")}
    answers = encoder(frames)
    assert encoder.views == ("rgb", "flow")
    ready = {view: np.stack([crop_frames(clip, size=16) for clip in own]) for view, own in frames.items()}
    expected = answer_eagerly(run, encoder.description, ready)
    for view in encoder.views:
        assert answers[view].shape == (3, 128)
        np.testing.assert_allclose(np.linalg.norm(answers[view], axis=1), 1, rtol=1e-5)
        np.testing.assert_allclose(answers[view], expected[view], atol=1e-5)
        single = encoder({name: own[1:2] for name, own in frames.items()})[view]
        np.testing.assert_allclose(single, answers[view][1:2], atol=1e-6)  # what else is in the batch is no matter
    assert np.abs(answers["rgb"][0] - answers["rgb"][1]).max() > 1e-3


def test_mean_of_exported_windows_is_the_vector_of_the_video(onnx_folder, small):
    """Rounding to bytes after the crop is all that lies between them."""
    encoder, run = ExportedEncoder(onnx_folder), coview.load(small.run)
    vectors = run.embed(small.data)
    row = vectors.ids.index("v3")
    whole = stored_frames(small, "rgb", "v3")
    assert len(whole) == 8
    data = coview.PreparedDataset.open(small.data)
    num_frames = next(entry.num_frames for entry in data.entries if entry.id == "v3")
    from coview.views.opened import open_views

    opened = open_views(data.view_options, ["rgb", "flow"])
    frames = {
        name: np.stack(
            [view.read(data.view_path(name, "v3", view.suffix), rows) for rows in encoder.windows(num_frames)]
        )
        for name, view in opened.items()
    }
    mean = encoder(frames)["rgb"].mean(axis=0)
    assert float(mean / np.linalg.norm(mean) @ vectors["rgb"][row]) > 0.9995


def test_what_is_written_says_what_it_is(onnx_folder):
    told = json.loads((onnx_folder / "export.json").read_text())
    assert [one["view"] for one in told["inputs"]] == ["rgb", "flow"]
    assert told["inputs"][1]["channels"] == 2
    assert told["parity"]["difference"] <= 1e-4
    assert told["parity"]["clips"] == "real"
    card = (onnx_folder / "README.md").read_text()
    assert "| flow | (B, 8, 16, 16, 2) | uint8 |" in card
    assert str(onnx_folder.parent) not in card + json.dumps(told)
    assert sorted(path.name for path in onnx_folder.iterdir()) == [
        "README.md",
        "SHA256SUMS",
        "export.json",
        "model.onnx",
    ]


@needs_onnx
def test_a_damaged_file_is_named(onnx_folder, tmp_path):
    copy = Path(shutil.copytree(onnx_folder, tmp_path / "copy"))
    content = (copy / "model.onnx").read_bytes()
    (copy / "model.onnx").write_bytes(content[:-2000] + bytes(64) + content[-1936:])
    with pytest.raises(UserError, match=r"model.onnx is damaged: it is not what SHA256SUMS"):
        ExportedEncoder(copy)
    (copy / "SHA256SUMS").write_text("")  # one who changes the file on purpose
    (copy / "model.onnx").write_bytes(content)
    assert ExportedEncoder(copy).views == ("rgb", "flow")


@needs_onnx
def test_without_coview_onnxruntime_takes_the_file_as_it_is(onnx_folder):
    session = onnxruntime.InferenceSession(onnx_folder / "model.onnx", providers=["CPUExecutionProvider"])
    assert [(one.name, one.type, one.shape[1:]) for one in session.get_inputs()] == [
        ("rgb", "tensor(uint8)", [8, 16, 16, 3]),
        ("flow", "tensor(uint8)", [8, 16, 16, 2]),
    ]


def test_a_fine_tuned_run_gives_probabilities(small, tmp_path):
    make_run(tmp_path / "run", small.data, classifier_config())
    made = export(tmp_path / "run", tmp_path / "out", format="torch-export", views=["rgb"])
    assert made.description.classes == ("fast", "slow")
    module = torch.export.load(tmp_path / "out" / "model.pt2").module()
    for count in (1, 3):
        (found,) = module(torch.randint(0, 256, (count, 8, 16, 16, 3), dtype=torch.uint8))
        assert found.shape == (count, 2)
        assert torch.allclose(found.sum(dim=1), torch.ones(count))
    vectors = export(tmp_path / "run", tmp_path / "vectors", format="torch-export", views=["rgb"], output="vectors")
    assert vectors.description.classes == ()
    assert vectors.parity.difference <= 1e-4


def test_padded_channels_are_inside(small, tmp_path):
    config = replace(small_config(), views={"flow": ViewInput(size=16, pad_channels=3)})
    folder = tmp_path / "run"
    make_run_of_flow(folder, small.data, config)
    made = export(folder, tmp_path / "out", format="torch-export")
    assert made.description.inputs[0].channels == 2
    assert made.parity.difference <= 1e-4


def make_run_of_flow(folder: Path, data: Path, config) -> None:
    """A run of flow alone, fed as three channels."""
    import yaml

    from coview.config import as_plain
    from coview.training.building import build_method
    from coview.training.checkpoint import Position, save_checkpoint

    make_run(folder, data, small_config())
    resolved = yaml.safe_load((folder / "resolved.yaml").read_text())
    resolved |= {"config": as_plain(config), "channels": {"flow": 3}}
    (folder / "resolved.yaml").write_text(yaml.safe_dump(resolved, sort_keys=False))
    method = build_method(config, {"flow": 3})
    at = Position(stage_index=0, stage="flow", step=30, global_step=99, is_stage_finished=True)
    save_checkpoint(folder, at, weights=method.state_dict(), state={}, keep=1)
    for old in (folder / "checkpoints").iterdir():
        if old.name != "flow-00000030":
            for file in old.iterdir():
                file.unlink()
            old.rmdir()


def test_a_hub_folder_is_a_run_without_its_past(small, tmp_path, capsys, monkeypatch):
    out = tmp_path / "mine"
    assert run_arguments(["export", str(small.run), "--format", "hf", "--out", str(out)]) == 0
    assert "to the bit" in capsys.readouterr().out
    run, copy = coview.load(small.run), coview.load(out)
    assert copy.trained_views == run.trained_views
    frames = moving_square(1, is_fast=True)
    ours, theirs = run.embed(frames), copy.embed(frames)
    assert all(np.array_equal(ours[view], theirs[view]) for view in run.views)
    told = json.loads((out / "config.json").read_text())
    assert told["model_type"] == "coview"
    assert told["views"]["flow"]["weights_prefix"] == "encoders.flow."
    everything = "".join(path.read_text() for path in out.iterdir() if path.suffix != ".safetensors")
    assert str(small.data.parent) not in everything
    (code,) = re.findall("```python\n(.*?)```", (out / "README.md").read_text(), flags=re.DOTALL)
    clips = torch.rand(2, 3, 8, 16, 16)
    here = {"clips": clips}
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_videos").mkdir()
    write_rgb(iter(frames), tmp_path / "my_videos" / "v.mp4", fps=25.0, gop=8)
    exec(code, here)  # what the card says
    assert torch.equal(here["features"], run.encoders["rgb"].pooled(clips))
    assert len(here["vectors"]) == 1
    score = coview.evaluate(copy, small.data, settings={"baselines": False})
    assert score["rgb"]["R@1"] == coview.evaluate(run, small.data, settings={"baselines": False})["rgb"]["R@1"]
    file = copy.save_encoder("rgb", tmp_path / "rgb.safetensors")
    assert load_encoder(file).feature_size == 128


def test_a_graph_that_differs_is_refused(small):
    run = coview.load(small.run)
    description = Description(
        output="vectors", inputs=_inputs(run, "rgb"), clip=ClipSettings(num_blocks=2, block_length=4, frame_stride=1)
    )
    clips = random_clips(description, count=2)

    def slightly_off(frames):
        return {view: one + 2e-4 for view, one in answer_eagerly(run, description, frames).items()}

    with pytest.raises(UserError, match=r"differs from the run by 2\.0e-04, more than 1e-04; nothing is kept"):
        check_parity(run, description, slightly_off, clips, kind="random")
    with pytest.raises(UserError, match="expected finite numbers"):
        check_parity(
            run, description, lambda frames: {"rgb": np.full((len(frames["rgb"]), 128), np.nan)}, clips, kind="random"
        )


def _inputs(run, view):
    from coview.exports.exporting import _describe

    return _describe(run, [view], "vectors").inputs


def test_speed_and_parity_are_told():
    told = Parity(2e-7, "real", (1, 2, 4), eager_ms=100, exported_ms=50, threads=1).describe()
    assert told == (
        "parity: largest difference 2.0e-07 on real clips, batches of 1, 2, 4 (allowed: 1e-04)\n"
        "speed: 100 ms a clip in PyTorch, 50 ms exported: 2.0x on 1 thread"
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"format": "onxx"}, "did you mean 'onnx'"),
        ({"views": ["rbg"]}, "has no view 'rbg'; did you mean 'rgb'"),
        ({"output": "probabilities"}, "names no classes"),
        ({"threads": 0}, "threads is 0"),
        ({"format": "hf", "views": ["rgb"]}, "leave --view out"),
    ],
)
def test_what_cannot_be_exported_is_told(small, tmp_path, given, message):
    with pytest.raises(UserError, match=message):
        export(small.run, tmp_path / "out", **given)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_taken_stays_as_it_is(small, tmp_path):
    (tmp_path / "mine.txt").write_text("kept")
    with pytest.raises(UserError, match="is not empty; choose another folder"):
        export(small.run, tmp_path, format="hf")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_what_another_command_wrote_there_meanwhile_stays(tmp_path):
    def write():
        with _new_folder(tmp_path / "a"):
            (tmp_path / "a").mkdir()
            (tmp_path / "a" / "theirs").touch()

    with pytest.raises(UserError, match="another command has put something there meanwhile"):
        write()
    assert [path.name for path in tmp_path.rglob("*")] == ["a", "theirs"]


def test_a_link_may_name_the_folder(small, tmp_path):
    (tmp_path / "real").mkdir()
    for link, real in (("link", "real"), ("dangling", "new")):
        (tmp_path / link).symlink_to(real)
        coview.export(small.run, tmp_path / link, format="hf")
        assert (tmp_path / link).is_symlink()
        assert (tmp_path / real / "model.safetensors").is_file()
    assert len(list(tmp_path.iterdir())) == 4


def test_what_a_killed_export_left_is_removed_by_the_next(small, tmp_path):
    left = [tmp_path / f".part-{this_host()}-{number}-01234567" for number in (2**22 + 1, os.getpid())]
    for folder in left:
        (folder / "hub").mkdir(parents=True)
    coview.export(small.run, tmp_path / "hub", format="hf")
    assert sorted(path.name for path in tmp_path.iterdir()) == [left[1].name, "hub"]


def test_frames_that_do_not_fit_are_told(onnx_folder):
    encoder = ExportedEncoder(onnx_folder)
    good = {"rgb": np.zeros((1, 8, 16, 16, 3), np.uint8), "flow": np.zeros((1, 8, 16, 16, 2), np.uint8)}
    with pytest.raises(UserError, match="needs frames of rgb, flow; got rgb"):
        encoder({"rgb": good["rgb"]})
    with pytest.raises(UserError, match=r"frames of flow are \(1, 8, 16, 16, 3\) uint8, expected \(B, 8, H, W, 2\)"):
        encoder({**good, "flow": good["rgb"]})
    with pytest.raises(UserError, match="float64"):
        encoder({**good, "rgb": good["rgb"].astype(float)})


@needs_onnx
def test_files_of_others_are_told(tmp_path):
    with pytest.raises(UserError, match="coview export RUN --format onnx"):
        ExportedEncoder(tmp_path)
    (tmp_path / "model.onnx").write_bytes(b"nothing")
    with pytest.raises(UserError, match="is not an ONNX file that can be run"):
        ExportedEncoder(tmp_path)
    with pytest.raises(UserError, match="was not written by coview export"):
        Description.read(None, source="model.onnx")
    with pytest.raises(UserError, match=r"model\.onnx"):
        Description.read('{"output": "all"}', source="model.onnx")


def test_without_the_extra_its_name_is_told(small, tmp_path, monkeypatch):
    import builtins

    real = builtins.__import__

    def absent(name, *rest, **more):
        if name.partition(".")[0] in ("onnx", "onnxruntime"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(MissingExtraError, match=r"coview\[export\]"):
        export(small.run, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@needs_onnx
def test_predict_computes_with_the_exported_graph(small, tmp_path):
    config = replace(classifier_config(), views={"rgb": ViewInput(size=16), "flow": ViewInput(size=16)})
    make_run(tmp_path / "model", small.data, config)
    out = tmp_path / "exported"
    export(tmp_path / "model", out)
    with pytest.raises(UserError, match="give that run too, --run MODEL"):
        open_classifier(out)
    data = coview.PreparedDataset.open(small.data)
    plain, fast = open_classifier(tmp_path / "model"), open_classifier(out, run=tmp_path / "model")
    assert plain.identity != fast.identity
    expected = plain.classify(data, data.ready[:2], device="cpu")
    for one, other in zip(expected, fast.classify(data, data.ready[:2], device="cpu"), strict=True):
        np.testing.assert_allclose(other.probabilities, one.probabilities, atol=0.02)  # bytes after the crop
        np.testing.assert_array_equal(other.starts, one.starts)
    (tmp_path / "model" / "checkpoints" / "flow-00000010").rename(tmp_path / "gone")
    with pytest.raises(UserError, match="is at rgb-00000010. Export it again"):
        open_classifier(out, run=tmp_path / "model")
