"""Views from the user's own files: values, places of files, and what does not fit."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import coview
from coview.errors import UserError, VideoError
from coview.evaluation.finetuned import finetune
from coview.evaluation.protocols.finetuning import FinetuneSettings
from coview.serving.films import write_view
from coview.video.decode import decode_frames
from coview.video.stored import write_rgb
from coview.views import VIEWS
from coview.views.base import SourceVideo
from small_run import moving_square

FRAMES = [np.zeros((16, 24, 3), np.uint8)] * 4
VIDEO = SourceVideo("walk/a", Path("/videos/walk/a.mp4"))


def made(name: str, folder: Path | None, video: SourceVideo = VIDEO, frames=FRAMES, **options) -> np.ndarray:
    kind = VIEWS.load(name)
    return np.stack(list(kind(kind.Options(folder=folder, **options)).extract(iter(frames), video)))


def test_values_become_bytes_between_the_lowest_and_the_highest(tmp_path):
    values = np.full((4, 2, 3), 20.0)
    values[1:, 0, 0] = [5.0, 50.0, np.nan]
    np.save(tmp_path / "a.npy", values)
    found = made("thermal", tmp_path, lowest=10, highest=30)
    assert found.shape == (4, 16, 24, 1)
    assert found[:, 0, 0, 0].tolist() == [128, 0, 255, 255]
    assert (found[:, 8:] == 128).all()


def test_bytes_and_truths_stay_as_they_are(tmp_path):
    np.save(tmp_path / "a.npy", np.full((4, 16, 24), 77, np.uint8))
    assert (made("depth", tmp_path) == 77).all()
    np.save(tmp_path / "a.npy", np.ones((4, 16, 24), bool))
    assert (made("depth", tmp_path) == 255).all()
    np.save(tmp_path / "a.npy", np.ones((4, 16, 24), np.uint16))
    with pytest.raises(VideoError, match=r"holds uint16, whose range is not known: give --depth\.lowest"):
        made("depth", tmp_path)


def test_files_are_found_by_id_by_name_and_beside_the_video(tmp_path):
    (tmp_path / "walk").mkdir()
    beside = SourceVideo("walk/a", tmp_path / "walk" / "a.mp4")
    with pytest.raises(VideoError, match=r"no a\.thermal\.npy beside it; or give --thermal\.folder DIR"):
        made("thermal", None, beside)
    np.save(tmp_path / "walk" / "a.thermal.npy", np.full((4, 4, 4), 3, np.uint8))
    assert (made("thermal", None, beside) == 3).all()
    folder = tmp_path / "thermal"
    folder.mkdir()
    assert (made("thermal", folder, beside) == 3).all()
    np.save(folder / "a.npy", np.full((4, 4, 4), 2, np.uint8))
    assert (made("thermal", folder, beside) == 2).all()
    (folder / "walk").mkdir()
    np.save(folder / "walk" / "a.npy", np.full((4, 4, 4), 1, np.uint8))
    assert (made("thermal", folder, beside) == 1).all()


def test_events_have_two_planes(tmp_path):
    events = np.zeros((4, 16, 24, 2), np.uint8)
    events[..., 0], events[..., 1] = 9, 5
    np.save(tmp_path / "a.npy", events)
    assert (made("events", tmp_path) == events).all()
    np.save(tmp_path / "a.npy", events[..., 0])
    with pytest.raises(VideoError, match=r"expected events \(T, H, W, 2\)"):
        made("events", tmp_path)


def test_a_whole_spectrogram_shows_each_frame_its_own_time(tmp_path):
    sound = np.zeros((16, 40), np.uint8)
    sound[:, 25] = 200  # a click in the third frame: ten columns a frame
    np.save(tmp_path / "a.npy", sound)
    found = made("spectrogram", tmp_path, columns=24, columns_per_frame=10.0)[..., 0]
    assert found.shape == (4, 16, 24)
    assert [int(frame[0].argmax()) for frame in found[1:3]] == [22, 12]  # the middle of its own frame
    assert found[0].max() == 0
    np.save(tmp_path / "a.npy", sound[:, :20])
    with pytest.raises(VideoError, match="holds 2 frames, the video has 4"):
        made("spectrogram", tmp_path, columns_per_frame=10.0)


def test_a_stretch_of_a_video_begins_within_its_file(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(30, dtype=np.uint8)[:, None, None] * np.ones((1, 4, 4), np.uint8))
    stretch = SourceVideo("shown", Path("/videos/walk/a.mp4"), first_frame=7)
    assert made("depth", tmp_path, stretch)[:, 0, 0, 0].tolist() == [7, 8, 9, 10]


@pytest.mark.parametrize("name", ["thermal", "events", "spectrogram"])
def test_what_is_cut_out_says_what_the_whole_says_there(name, tmp_path):
    shape = {"thermal": (30, 16, 24), "events": (30, 16, 24, 2), "spectrogram": (16, 300)}[name]
    values = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    (tmp_path / "files").mkdir()
    np.save(tmp_path / "files" / "a.npy", values)
    options = {"columns": 24, "columns_per_frame": 10.0} if name == "spectrogram" else {}
    stretch = SourceVideo("a", Path("/videos/walk/a.mp4"), first_frame=9)
    expected = made(name, tmp_path / "files", stretch, **options)
    kind = VIEWS.load(name)
    kind(kind.Options(folder=tmp_path / "files", **options)).cut(stretch, tmp_path / "moment.mp4", num_frames=4)
    found = made(name, tmp_path / "files", SourceVideo("moment", tmp_path / "moment.mp4"), **options)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"folder": Path("/no/such")}, "thermal.folder is /no/such, which is no folder"),
        ({"lowest": 3.0}, "give both, the lower first"),
        ({"lowest": 3.0, "highest": 3.0}, "give both, the lower first"),
    ],
)
def test_options_that_cannot_be_used_are_told(options, message):
    kind = VIEWS.load("thermal")
    with pytest.raises(UserError, match=message):
        kind(kind.Options(**options)).check()


def test_it_goes_the_whole_road(tmp_path):
    """Prepared from folders, learnt with rgb, indexed, searched by seconds, learnt from labelled moments."""
    videos, thermal = tmp_path / "videos", tmp_path / "thermal"
    for number in range(5):
        frames = moving_square(number, is_fast=bool(number % 2))
        name = f"{'slow' if number % 2 == 0 else 'fast'}/v{number // 2}"
        write_rgb(iter(frames), made_folder(videos / f"{name}.mp4"), fps=25.0, gop=8)
        if number < 4:
            np.save(made_folder(thermal / f"{name}.npy"), frames[..., 0].astype(np.float32) / 10)
    options = {"thermal.folder": str(thermal), "thermal.lowest": 0, "thermal.highest": 25.5, "workers": 0}
    data = coview.prepare(videos, tmp_path / "data", views=["rgb", "thermal"], settings=options)
    assert [entry.status for entry in data.entries] == ["ready"] * 4 + ["failed"]
    assert "holds no slow/v2" in data.entries[4].reason
    settings = {
        "method.epochs": 1,
        "training.workers": 0,
        "training.max_steps": 1,
        "clip.block_length": 4,
        "views.rgb.size": 16,
        "views.thermal.size": 16,
    }
    run = coview.pretrain(None, data, tmp_path / "run", settings=settings)
    assert run.views == ("rgb", "thermal")
    vectors = run.embed(videos / "fast" / "v1.mp4")
    assert vectors["thermal"].shape == (1, 128)
    index = coview.open_index(tmp_path / "index", run=run)
    index.add(videos, workers=0)
    (found,) = index.search(videos / "fast" / "v1.mp4", top=1, moments=False)
    assert (found.id, round(found.cosine, 2)) == ("fast/v1", 1.0), "not those of slow/v1"
    stored = index.store.get(index.store.rows(id="slow/v0")[0].number)
    copy = shutil.copy(videos / "slow" / "v0.mp4", made_folder(tmp_path / "elsewhere" / "slow" / "v0.mp4"))
    seconds = {"start": float(stored.starts[-1]), "end": float(stored.ends[-1])}
    asked = index.embed_query(copy, **seconds)["thermal"]
    assert asked @ stored.windows["thermal"][-1].astype(np.float32) == pytest.approx(1, abs=0.01)
    (found,) = index.search(copy, view="thermal", top=1, **seconds)
    assert found.id == "slow/v0"
    film = {"view": "thermal", "start_seconds": 0.2, "end_seconds": 0.6, "made_like": run.resolved}
    write_view(videos / "fast" / "v1.mp4", tmp_path / "film.mp4", **film)
    shown = np.stack(list(decode_frames(tmp_path / "film.mp4")))
    assert len(shown) == 10
    assert shown.mean(axis=(0, 1, 2))[0] > shown.mean(axis=(0, 1, 2))[2]  # warm colours
    rows = ["fast/v0.mp4,0,0.48,x", "slow/v0.mp4,0.2,0.68,y", "fast/v1.mp4,,,x", "slow/v1.mp4,,,y"]
    (videos / "labels.csv").write_text("\n".join(["path,start,end,label", *rows]))
    finetune(run, videos / "labels.csv", tmp_path / "model", settings=FinetuneSettings(max_steps=1))
    learnt = coview.PreparedDataset.open(tmp_path / "model" / "labelled" / "data")
    assert [entry.num_frames for entry in learnt.ready] == [12, 12, 20, 20]


def made_folder(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
