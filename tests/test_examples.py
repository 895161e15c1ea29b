"""The examples are run as their docstrings say, on a few small videos and for one step."""

import ast
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch

import coview
from coview.cli import run_arguments
from coview.clips import ClipDataset
from coview.encoders import tiny3d
from examples import own_loop
from examples.simclr import SimCLR

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
QUICK = {
    "prepare": "--short-side 32 --flow.algorithm dis --workers 0",
    "pretrain": "--max-steps 1 --training.batch-size 4 --training.workers 0 --training.precision fp32"
    " --training.channels-last never",
}
PLAIN = {"batch_size": 4, "workers": 0, "precision": "fp32", "channels_last": "never"}
NUM_FRAMES = 16
CLASSES = ("jump", "walk")


def commands_of(path: Path) -> list[list[str]]:
    """The indented `coview` lines of a docstring, as words."""
    text = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.startswith("    ")]
    return [shlex.split(line)[1:] for line in lines if line.startswith("coview ")]


@pytest.fixture(scope="module")
def place(tmp_path_factory, write_clip):
    """A folder with what the docstrings speak of: my_videos, my_lidar, my_clips, and the prepared data/mine."""
    root = tmp_path_factory.mktemp("examples")
    for number in range(8):
        name = CLASSES[number % 2]
        part = "train" if number < 4 else "test"
        write_clip(root / "my_videos" / part / name / f"clip{number}.mp4", num_frames=NUM_FRAMES, height=32, width=48)
        write_clip(root / "my_clips" / f"{name}__{number}.mp4", num_frames=NUM_FRAMES, height=32, width=48)
        (root / "my_lidar").mkdir(exist_ok=True)
        np.save(root / "my_lidar" / f"clip{number}.npy", np.full((NUM_FRAMES, 20, 30), float(number)))
    (root / "examples").symlink_to(EXAMPLES)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        for words in commands_of(EXAMPLES / "lidar_view.py")[:1]:
            assert run_arguments([*words, *shlex.split(QUICK["prepare"])]) == 0
    return root


def test_depth_is_stored_beside_the_pictures(place):
    data = coview.PreparedDataset.open(place / "data" / "mine")
    assert list(data.view_options) == ["rgb", "flow", "lidar"]
    assert len(data.ready) == 8
    clips = ClipDataset(data, views=["rgb", "lidar"], frames=4)
    for item, entry in zip(clips, data.ready, strict=False):
        depth = item["views"]["lidar"]
        assert depth.shape == (1, *item["views"]["rgb"].shape[1:])
        expected = 25.5 * int(entry.id[-1])
        assert float(depth.float().mean()) == pytest.approx(expected, abs=2)


@pytest.mark.parametrize(
    ("example", "used"),
    [
        ("simclr", ("method", "simclr")),
        ("video_vit", ("encoder", "vit")),
        ("lidar_view", ("view", "lidar")),
        ("colour_drop", ("augmentation", "colour-drop")),
    ],
)
def test_the_command_in_the_docstring_trains(example, used, place, monkeypatch):
    monkeypatch.chdir(place)
    (words,) = [words for words in commands_of(EXAMPLES / f"{example}.py") if words[0] == "pretrain"]
    out = words[words.index("--out") + 1]
    assert run_arguments([*words, *shlex.split(QUICK["pretrain"])]) == 0
    run = coview.load(out)
    recorded = {(row["kind"], row["name"], row["plugin"]) for row in run.resolved["plugins"]}
    assert recorded == {(*used, f"examples.{example}")}
    vectors = run.embed(str(place / "my_videos" / "test"))
    assert all(np.isfinite(vectors[view]).all() for view in vectors.views)


def test_options_of_the_encoder_reach_it(place, monkeypatch):
    monkeypatch.chdir(place)
    settings = {"encoder": {"name": "vit", "depth": 1, "width": 32, "patch": 8}, "method.single_view_epochs": 1}
    quick = {f"training.{name}": value for name, value in PLAIN.items()}
    run = coview.pretrain("small", "data/mine", "runs/options", max_steps=1, settings={**settings, **quick})
    encoder = run.encoders["rgb"]
    assert (len(encoder.layers), encoder.feature_size, encoder.box) == (1, 32, (2, 8, 8))
    with pytest.raises(coview.UserError, match="'encoder.dept'; did you mean 'depth'"):
        coview.pretrain("small", "data/mine", "runs/no", settings={"encoder": {"name": "vit", "dept": 1}})
    with pytest.raises(coview.UserError, match="3 heads do not divide the width 128"):
        coview.pretrain("small", "data/mine", "runs/no", settings={"encoder": {"name": "vit", "heads": 3}, **quick})


def test_simclr_learns_to_find_the_other_clip():
    """From the chance level, ln 15 of 8 videos with two clips each, to far below it, in a plain loop."""
    method = SimCLR({"rgb": tiny3d(widths=(4, 4, 4, 8))}, temperature=0.2)
    method.begin_stage("together")
    clips = torch.randn(8, 1, 3, 4, 32, 32).repeat(1, 2, 1, 1, 1, 1)
    clips = clips + 0.1 * torch.randn_like(clips)
    optimiser = torch.optim.Adam(method.parameters(), lr=1e-2)
    losses = []
    for _ in range(30):
        output = method({"rgb": clips})
        optimiser.zero_grad()
        output.total.backward()
        optimiser.step()
        losses.append(output.total.item())
    assert output.chance_level["rgb/info-nce"] == pytest.approx(np.log(15))
    assert losses[-1] < 0.5 * np.log(15)
    with pytest.raises(coview.UserError, match=r"takes 2 clips of a video: clips of rgb must be \(B, 2, C"):
        method({"rgb": clips[:, 0]})


def test_classes_are_read_from_names(place, monkeypatch):
    monkeypatch.chdir(place)
    (words,) = commands_of(EXAMPLES / "clip_names.py")
    words[words.index("data/mine")] = "data/names"
    assert run_arguments([*words, *shlex.split(QUICK["prepare"])]) == 0
    data = coview.PreparedDataset.open("data/names")
    assert [entry.label for entry in data.ready] == ["jump"] * 4 + ["walk"] * 4


def test_the_metric_scores_a_run(place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    settings = {f"training.{name}": value for name, value in PLAIN.items()}
    coview.pretrain("small", "data/mine", "runs/scored", max_steps=1, settings=settings)
    (words,) = commands_of(EXAMPLES / "mean_average_precision.py")
    words = ["runs/scored" if word == "RUN" else "data/mine" if word == "DIR" else word for word in words]
    assert run_arguments(words) == 0
    assert "mAP" in capsys.readouterr().out


@pytest.mark.parametrize("name", list(own_loop.METHODS))
def test_own_loop_trains(name, place, capsys):
    method, losses = own_loop.train(place / "data" / "mine", name, size=32, epochs=1, batch_size=4, workers=0)
    assert np.isfinite(losses).all()
    assert len(losses) == 2 * len(method.stages())
    shown = capsys.readouterr().out
    assert [line.partition(":")[0] for line in shown.splitlines()] == [stage.name for stage in method.stages()]
