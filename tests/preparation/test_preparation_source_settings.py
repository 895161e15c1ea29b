"""What is done about odd files is told, and repeated where a run makes views of its own."""

import logging
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from coview.cli import run_arguments
from coview.clips import ClipDataset
from coview.config import read_yaml, write_yaml
from coview.datasets.prepared import WORK_FOLDER, PreparedDataset
from coview.errors import UserError
from coview.evaluation.evaluate import evaluate
from coview.preparation.prepare import PrepareSettings, prepare
from coview.video.source_settings import SourceSettings
from coview.views.base import StorageSettings
from source_videos import numbered, write_video

HERE = PrepareSettings(views=("rgb",), storage=StorageSettings(short_side=32), workers=0)


def with_source(**source: object) -> PrepareSettings:
    return replace(HERE, storage=replace(HERE.storage, source=SourceSettings(**source)))  # type: ignore[arg-type]


@pytest.fixture
def lossy(tmp_path: Path, write_clip: Callable[..., None]) -> Path:
    """A sound video and one with a hole in its middle."""
    folder = tmp_path / "videos"
    write_clip(folder / "sound.mp4")
    noise = list(np.random.default_rng(0).integers(0, 255, (40, 48, 64, 3)).astype(np.uint8))
    path = write_video(folder / "lossy.ts", noise, options={"g": "10", "bf": "0", "sc_threshold": "0"})
    content = path.read_bytes()
    middle = len(content) // 188 // 2 * 188
    path.write_bytes(content[:middle] + content[middle + 3 * 188 :])
    return folder


def test_damage_can_be_borne_after_it_was_refused(lossy: Path, tmp_path: Path) -> None:
    first = prepare(lossy, tmp_path / "out", HERE)
    refused = first.entry("lossy")
    assert refused.status == "failed"
    assert "--damaged keep" in refused.reason
    second = prepare(lossy, tmp_path / "out", with_source(damaged="keep"))  # nothing else is needed
    assert second.entry("lossy").status == "ready"
    assert second.entry("lossy").reason.startswith("damaged: ")
    assert 20 <= (second.entry("lossy").num_frames or 0) < 40
    assert second.info["storage"]["source"]["damaged"] == "keep"


def test_other_choices_belong_to_the_data_set(source: Path, tmp_path: Path) -> None:
    prepare(source, tmp_path / "out", HERE)
    with pytest.raises(UserError, match="pixel_shape was square, now stored"):
        prepare(source, tmp_path / "out", with_source(pixel_shape="stored"))


def test_very_different_rates_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    for name, gap in (("slow", 1000), ("usual", 40), ("common", 40)):
        write_video(folder / f"{name}.mp4", numbered(4), stamps=[gap * i for i in range(4)])
    with caplog.at_level(logging.WARNING):
        data = prepare(folder, tmp_path / "out", HERE)
    (remark,) = data.info["remarks"]
    assert remark.startswith("frame rates differ: 1.")
    assert remark in caplog.text
    alike = prepare(folder, tmp_path / "alike", replace(HERE, storage=replace(HERE.storage, fps=25.0)))
    assert alike.info["remarks"] == []


def test_reasons_are_printed(lossy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "out")
    made = ["prepare", str(lossy), out, "--views", "rgb", "--short-side", "32", "--workers", "0"]
    for _ in range(2):  # the second time, too, when nothing is left to do
        assert run_arguments(made) == 0
        told = capsys.readouterr().out
        assert "1 of 2 videos ready" in told
        assert "failed lossy: corrupt: decoding fails" in told
    assert run_arguments([*made, "--damaged", "keep"]) == 0
    assert "ready, with a remark: damaged 1" in capsys.readouterr().out
    assert run_arguments(["list", "videos", out]) == 0
    first, second, counts = capsys.readouterr().out.splitlines()
    assert first.startswith("ready   lossy: damaged: ")
    assert (second, counts) == ("ready   sound", "2 ready")
    with pytest.raises(UserError, match="coview list videos DATA"):
        run_arguments(["list", "videos"])


def test_what_is_lost_is_found_at_the_start_and_the_command_named_makes_it_anew(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "the data"
    settings = {"storage.short_side": 32, "workers": 0, "flow.algorithm": "farneback", "rgb.crf": 20.0}
    data = prepare(source, out, settings, views=["rgb", "flow"])
    data.require_files(["rgb", "flow"])
    sound = {path: path.read_bytes() for path in (out / "views").rglob("*.mp4")}
    gone = data.view_path("rgb", "walk/clip1", ".mp4")
    cut = data.view_path("flow", "jump/clip2", ".mp4")
    gone.unlink()
    cut.write_bytes(cut.read_bytes()[:-1])
    with pytest.raises(UserError, match="rgb of walk/clip1, flow of jump/clip2 are missing or damaged") as caught:
        PreparedDataset.open(out).require_files(["rgb", "flow"])
    with pytest.raises(UserError, match="rgb of walk/clip1 is missing or damaged"):
        ClipDataset(out, views=["rgb"])
    words = shlex.split(str(caught.value).partition(" with: ")[2])
    assert words[:2] == ["coview", "prepare"]
    assert run_arguments([*words[1:], "--workers", "0"]) == 0
    PreparedDataset.open(out).require_files(["rgb", "flow"])
    assert {path: path.read_bytes() for path in (out / "views").rglob("*.mp4")} == sound


def test_a_damaged_file_of_the_right_size_is_named_with_the_command(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    data = prepare(source, out, HERE)
    path = data.view_path("rgb", "walk/clip1", ".mp4")
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    clips = ClipDataset(out, views=["rgb"], frames=4, stride=1)
    place = [entry.id for entry in clips.entries].index("walk/clip1")
    with pytest.raises(UserError, match="its checksum differs. Delete .*, and make it anew with: coview prepare"):
        clips[place]


def test_one_view_may_be_named_without_a_list(source: Path, tmp_path: Path) -> None:
    data = prepare(source, tmp_path / "out", {"workers": 0, "storage.short_side": 32}, views="rgb")
    assert list(data.view_options) == ["rgb"]
    with pytest.raises(UserError, match="the run is a prepared data set; give evaluate"):
        evaluate(data, tmp_path / "run")


def test_a_data_set_goes_on_with_the_preset_it_was_begun_with(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = prepare(source, out, replace(HERE, storage=replace(HERE.storage, preset="medium")))
    for path in (out / "dataset.yaml", out / WORK_FOLDER / "settings.yaml"):  # as written before there was a choice
        about = read_yaml(path)
        del about["storage"]["preset"]
        write_yaml(path, about, is_sealed=True)
    view = first.view_path("rgb", first.ready[0].id, ".mp4")
    before = view.read_bytes()
    view.unlink()
    again = prepare(source, out, HERE)
    assert view.read_bytes() == before
    assert again.info["storage"]["preset"] == "medium"
    assert again.info["command"][-2:] == ["--storage.preset", "medium"]
    assert prepare(source, tmp_path / "new", HERE).info["storage"]["preset"] == "veryfast"
    with pytest.raises(UserError, match="preset was veryfast, now medium"):
        prepare(source, tmp_path / "new", replace(HERE, storage=replace(HERE.storage, preset="medium")))
