import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from coview import registry
from coview.datasets.prepared import PreparedDataset
from coview.datasets.synthetic import SyntheticSettings
from coview.errors import UserError
from coview.files import is_running, this_host
from coview.locks import folder_lock
from coview.preparation import video
from coview.preparation.prepare import PrepareSettings, prepare
from coview.video.source_pictures import SourcePicture
from coview.views.base import StorageSettings
from coview.views.rgb import RgbView

SMALL = StorageSettings(short_side=32)
HERE = PrepareSettings(views=("rgb",), storage=SMALL, workers=0)
WITH_FLOW = PrepareSettings(
    views=("flow", "rgb"), storage=SMALL, workers=0, options={"flow": {"algorithm": "farneback"}}
)


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def stored(out: Path, view: str = "rgb") -> dict[str, int]:
    folder = out / "views" / view
    return {path.relative_to(folder).as_posix(): path.stat().st_mtime_ns for path in folder.rglob("*.mp4")}


def left_aside(out: Path) -> list[Path]:
    return list(out.rglob(".part-*"))


def test_prepares_every_video_with_frames_size_and_counts(source: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int, dict[str, float]]] = []
    data = prepare(source, tmp_path / "out", WITH_FLOW, progress=lambda *args: told.append((*args[:2], dict(args[2]))))
    entries = {entry.id: entry for entry in data.entries}
    assert list(entries) == ["jump/clip0", "jump/clip2", "jump/clip4", "walk/clip1", "walk/clip3", "walk/clip5"]
    clip = entries["walk/clip3"]
    assert (clip.status, clip.reason, clip.num_frames, clip.fps) == ("ready", "", 11, 25.0)
    assert (clip.height, clip.width, clip.duration_seconds) == (32, 42, pytest.approx(11 / 25))
    assert set(data.view_options) == {"rgb", "flow"}
    assert data.view_options["flow"]["algorithm"] == "farneback"
    frames = sum(range(8, 14))
    assert data.info["counts"] == {
        "listed": 6, "ready": 6, "failed": 0, "missing": 0, "frames": frames, "by_reason": {},
    }  # fmt: skip
    assert data.view_path("flow", clip.id, ".mp4").is_file()
    assert told[0] == (0, 6, {"frames": 0, "failed": 0})
    assert told[-1] == (6, 6, {"frames": 2 * frames, "failed": 0})
    assert left_aside(tmp_path) == []


def test_a_second_run_changes_nothing(source: Path, tmp_path: Path) -> None:
    (source / "bad.mp4").write_text("not a video")
    prepare(source, tmp_path / "out", HERE)
    before = snapshot(tmp_path / "out")
    told: list[int] = []
    again = prepare(source, tmp_path / "out", HERE, progress=lambda done, total, amounts: told.append(done))
    assert snapshot(tmp_path / "out") == before
    assert told == [7]
    assert again.info["counts"]["failed"] == 1


def test_adding_a_view_leaves_the_stored_one_alone(source: Path, tmp_path: Path) -> None:
    prepare(source, tmp_path / "out", HERE)
    before = stored(tmp_path / "out")
    data = prepare(source, tmp_path / "out", WITH_FLOW)
    assert stored(tmp_path / "out") == before
    assert len(stored(tmp_path / "out", "flow")) == 6
    assert set(data.view_options) == {"rgb", "flow"}
    after = snapshot(tmp_path / "out")
    prepare(source, tmp_path / "out", HERE)  # asking for less takes nothing away
    assert snapshot(tmp_path / "out") == after


def test_folds_are_added_later_and_stay(source: Path, tmp_path: Path, write_clip: Any) -> None:
    prepare(source, tmp_path / "out", HERE)
    before = stored(tmp_path / "out")
    data = prepare(source, tmp_path / "out", replace(HERE, folds=3))
    assert stored(tmp_path / "out") == before
    assert {"fold1", "fold2", "fold3"} <= set(data.splits)
    assert sorted(entry.id for n in (1, 2, 3) for entry in data.part(f"fold{n}", "test")) == sorted(
        entry.id for entry in data.ready
    )
    assert data.info["folds"] == 3
    after = snapshot(tmp_path / "out")
    assert prepare(source, tmp_path / "out", HERE).entries == data.entries
    assert snapshot(tmp_path / "out") == after
    for number in range(4):
        write_clip(source / "walk" / f"late{number}.mp4")
    grown = {entry.id: entry.splits for entry in prepare(source, tmp_path / "out", HERE).entries}
    assert len(grown) == 10
    assert all(grown[entry.id] == entry.splits for entry in data.entries)
    with pytest.raises(UserError, match="folds was 3, now 2"):
        prepare(source, tmp_path / "out", replace(HERE, folds=2))
    with pytest.raises(UserError, match="folds is 1, expected 2 or more"):
        prepare(source, tmp_path / "new", replace(HERE, folds=1))
    with pytest.raises(UserError, match="11 folds need as many groups of videos, 10 are there"):
        prepare(source, tmp_path / "new", replace(HERE, folds=11))


def test_what_was_decided_about_labels_stays_until_the_user_says_otherwise(
    source: Path, tmp_path: Path, write_clip: Any
) -> None:
    data = prepare(source, tmp_path / "out", HERE)
    assert data.labels == ("jump", "walk")
    assert "taken for labels" in data.info["remarks"][0]
    write_clip(source / "2024" / "late.mp4")
    assert prepare(source, tmp_path / "out", HERE).labels == ("2024", "jump", "walk")
    assert prepare(source, tmp_path / "new", HERE).labels == ()
    assert prepare(source, tmp_path / "out", replace(HERE, labels="none")).labels == ()
    before = snapshot(tmp_path / "out")
    assert prepare(source, tmp_path / "out", HERE).labels == ()
    assert snapshot(tmp_path / "out") == before
    assert prepare(source, tmp_path / "out", replace(HERE, labels="auto")).labels == ()
    assert prepare(source, tmp_path / "out", replace(HERE, labels="folders")).labels == ("2024", "jump", "walk")


def test_a_new_video_gets_every_view_of_the_data_set(source: Path, tmp_path: Path, write_clip: Any) -> None:
    prepare(source, tmp_path / "out", WITH_FLOW)
    write_clip(source / "walk" / "late.mp4")
    data = prepare(source, tmp_path / "out", HERE)
    assert data.info["counts"]["ready"] == 7
    assert "walk/late.mp4" in stored(tmp_path / "out", "flow")


def test_a_deleted_file_is_made_again(source: Path, tmp_path: Path) -> None:
    prepare(source, tmp_path / "out", HERE)
    gone = tmp_path / "out" / "views" / "rgb" / "jump" / "clip2.mp4"
    gone.unlink()
    before = stored(tmp_path / "out")
    data = prepare(source, tmp_path / "out", HERE)
    assert gone.is_file()
    assert {name: stored(tmp_path / "out")[name] for name in before} == before
    assert data.info["counts"]["ready"] == 6


def test_a_copy_without_its_work_folder_is_complete(source: Path, tmp_path: Path) -> None:
    prepare(source, tmp_path / "out", HERE)
    before = stored(tmp_path / "out")
    for file in (tmp_path / "out" / ".prepare").iterdir():
        file.unlink()
    (tmp_path / "out" / ".prepare").rmdir()
    data = prepare(source, tmp_path / "out", HERE)
    assert stored(tmp_path / "out") == before
    assert data.info["counts"]["ready"] == 6


def test_a_damaged_manifest_is_made_anew(source: Path, tmp_path: Path) -> None:
    before = prepare(source, tmp_path / "out", HERE).entries
    (tmp_path / "out" / "videos.parquet").write_bytes(b"PAR1 damaged")
    assert prepare(source, tmp_path / "out", HERE).entries == before


@pytest.mark.parametrize(
    ("settings", "difference"),
    [
        (PrepareSettings(views=("rgb",), storage=StorageSettings(short_side=48)), "short_side was 32, now 48"),
        (PrepareSettings(views=("rgb",), storage=StorageSettings(32, fps=12.5)), "fps was None, now 12.5"),
        (PrepareSettings(views=("rgb", "flow"), storage=SMALL), "flow.algorithm was farneback, now tvl1"),
    ],
)
def test_other_settings_for_the_same_folder_are_refused(
    source: Path, tmp_path: Path, settings: PrepareSettings, difference: str
) -> None:
    prepare(source, tmp_path / "out", WITH_FLOW)
    before = snapshot(tmp_path / "out")
    with pytest.raises(UserError, match=f"{difference}.*same settings.*new folder"):
        prepare(source, tmp_path / "out", settings)
    assert snapshot(tmp_path / "out") == before


def test_another_source_for_the_same_folder_is_refused_unless_the_first_was_moved(source: Path, tmp_path: Path) -> None:
    prepare(source, tmp_path / "out", HERE)
    other = tmp_path / "other"
    (source / "walk").rename(tmp_path / "walk")
    other.mkdir()
    (tmp_path / "walk").rename(other / "walk")
    with pytest.raises(UserError, match="the source was .*videos, now .*other"):
        prepare(other, tmp_path / "out", HERE)
    (other / "walk").rename(source / "walk")
    source.rename(tmp_path / "moved")
    before = stored(tmp_path / "out")
    data = prepare(tmp_path / "moved", tmp_path / "out", HERE)
    assert stored(tmp_path / "out") == before
    assert data.entries[0].path == str(tmp_path / "moved" / "jump" / "clip0.mp4")


def test_places_that_cannot_work_are_refused(source: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="inside"):
        prepare(source, source / "prepared", HERE)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(UserError, match="not empty"):
        prepare(source, tmp_path / "mine", HERE)
    with pytest.raises(UserError, match="is a file"):
        prepare(source, tmp_path / "mine" / "letter.txt", HERE)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["letter.txt"]


def test_settings_of_a_view_are_checked(source: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"unknown setting 'rgb.crv'; did you mean 'crf'"):
        prepare(source, tmp_path / "out", PrepareSettings(views=("rgb",), options={"rgb": {"crv": 3}}))
    with pytest.raises(UserError, match="view 'flow' were given"):
        prepare(source, tmp_path / "out", PrepareSettings(views=("rgb",), options={"flow": {}}))
    with pytest.raises(UserError, match="unknown view 'flo'; did you mean 'flow'"):
        prepare(source, tmp_path / "out", PrepareSettings(views=("flo",)))
    with pytest.raises(UserError, match="3/2"):
        PrepareSettings(shard="3/2")
    assert not (tmp_path / "out").exists()


def test_a_damaged_video_fails_with_its_kind_and_the_rest_go_on(
    source: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, write_clip: Any
) -> None:
    (source / "walk" / "clip1.mp4").write_text("this is no video")
    (source / "walk" / "clip3.mp4").write_bytes(b"")
    data = prepare(source, tmp_path / "out", HERE)
    reasons = {entry.id: entry.reason.partition(":")[0] for entry in data.entries if entry.status == "failed"}
    assert reasons == {"walk/clip1": "not_a_video", "walk/clip3": "empty"}
    assert data.info["counts"]["by_reason"] == {"empty": 1, "not_a_video": 1}
    assert len(data.ready) == 4
    assert "walk/clip1: not_a_video" in caplog.text

    write_clip(source / "walk" / "clip1.mp4")  # mended: tried again without being told
    data = prepare(source, tmp_path / "out", HERE)
    assert data.info["counts"]["by_reason"] == {"empty": 1}


def test_when_every_video_fails_the_user_hears_why(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / "videos" / name).write_text("no video")
    with pytest.raises(UserError, match="not one of 2 videos.*2 not a video"):
        prepare(tmp_path / "videos", tmp_path / "out", HERE)
    assert [entry.status for entry in PreparedDataset.open(tmp_path / "out").entries] == ["failed", "failed"]


def test_a_view_that_fails_everywhere_does_not_spoil_a_good_data_set(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(source, tmp_path / "out", HERE)
    before = (tmp_path / "out" / "videos.parquet").read_bytes()
    for file in source.rglob("*.mp4"):
        file.write_text("gone bad")
    with pytest.raises(UserError, match="not one of 6 videos"):
        prepare(source, tmp_path / "out", WITH_FLOW)
    assert (tmp_path / "out" / "videos.parquet").read_bytes() == before
    assert len(prepare(source, tmp_path / "out", HERE).ready) == 6


def test_a_source_that_changed_its_length_is_stored_anew_in_every_view(
    source: Path, tmp_path: Path, write_clip: Any
) -> None:
    prepare(source, tmp_path / "out", HERE)
    write_clip(source / "jump" / "clip0.mp4", num_frames=17)
    data = prepare(source, tmp_path / "out", WITH_FLOW)
    assert data.entry("jump/clip0").num_frames == 17
    last = RgbView(RgbView.Options()).read(data.view_path("rgb", "jump/clip0", ".mp4"), np.array([16]))
    assert last.shape == (1, 32, 42, 3)


def test_a_full_disk_keeps_what_is_finished_and_stops(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = RgbView.write_source
    calls = 0

    def write(self: RgbView, frames: Any, path: Path, **settings: Any) -> int:
        nonlocal calls
        calls += 1
        if calls == 3:
            path.write_bytes(b"half of it")
            raise OSError(28, "No space left on device", str(path))
        return whole(self, frames, path, **settings)

    monkeypatch.setattr(RgbView, "write_source", write)
    with pytest.raises(UserError, match=r"disk of .*out is full.* [\d.]+ [MG]iB are free.*same command"):
        prepare(source, tmp_path / "out", HERE)
    assert calls == 3
    assert left_aside(tmp_path) == []
    before = stored(tmp_path / "out")
    assert len(before) == 2
    data = prepare(source, tmp_path / "out", HERE)
    assert calls == 3 + 4
    assert {name: stored(tmp_path / "out")[name] for name in before} == before
    assert len(data.ready) == 6


def test_an_endless_video_is_given_up(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = SourcePicture(None, av.VideoFrame(42, 32, "yuv420p"))

    def decode(path: Path, **settings: Any) -> Any:
        while True:
            yield frame

    clock = iter(range(0, 10**6, 5))
    monkeypatch.setattr(video, "decode_to_store", decode)
    monkeypatch.setattr(video.time, "monotonic", lambda: float(next(clock)))
    with pytest.raises(UserError, match="6 too slow.*not finished after"):
        prepare(source, tmp_path / "out", PrepareSettings(views=("rgb",), workers=0, timeout_seconds=1.0))
    assert left_aside(tmp_path) == []


def test_of_a_video_too_long_to_keep_each_pass_makes_what_it_hands_out(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[bool, bool]] = []
    decode = video.decode_to_store

    def watch(path: Path, *, wanted: Any, **settings: Any) -> Any:
        def noted() -> tuple[bool, bool]:
            made.append(wanted())
            return made[-1]

        return decode(path, wanted=noted, **settings)

    monkeypatch.setattr(video, "decode_to_store", watch)
    settings = replace(HERE, views=("rgb", "flow"), options={"flow": {"algorithm": "dis"}})
    prepare(source, tmp_path / "kept", settings)
    assert set(made) == {(True, True)}
    num_frames = len(made)
    made.clear()
    monkeypatch.setattr(video, "_KEPT_BYTES", 0)
    prepare(source, tmp_path / "anew", settings)
    assert made.count((True, True)) == 6  # the first frame of each
    assert made.count((False, True)) == num_frames - 6
    assert made.count((True, False)) == num_frames
    kept, anew = (
        {path.relative_to(tmp_path / out): path.read_bytes() for path in (tmp_path / out).rglob("*.mp4")}
        for out in ("kept", "anew")
    )
    assert len(kept) == 12
    assert kept == anew


def test_shares_of_a_job_array_meet_in_one_data_set(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    part = prepare(source, out, replace(HERE, shard="2/2"))
    assert [entry.status for entry in part.entries] == ["listed", "ready"] * 3
    assert not (out / "videos.parquet").exists()
    with pytest.raises(UserError, match="same coview prepare command"):
        PreparedDataset.open(out)
    whole = prepare(source, out, replace(HERE, shard="1/2"))
    assert len(whole.ready) == 6
    assert PreparedDataset.open(out).entries == whole.entries
    before = snapshot(out)
    prepare(source, out, HERE)
    assert {name: content for name, content in snapshot(out).items() if "lock" not in name} == {
        name: content for name, content in before.items() if "lock" not in name
    }


def run_until(signal_number: int, source: Path, out: Path, *, finished: int) -> subprocess.CompletedProcess[str]:
    """Prepare in a process that sends itself a signal in the middle of a video, `finished` videos after the start."""
    code = (
        "import os, pathlib, signal, sys\n"
        "from coview.views.base import StorageSettings\n"
        "from coview.preparation.prepare import PrepareSettings, prepare\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's background jobs ignore it
        "source, out = map(pathlib.Path, sys.argv[1:3])\n"
        "number, finished = map(int, sys.argv[3:])\n"
        "seen = None\n"
        "def progress(done, total, amounts):\n"
        "    global seen\n"
        "    if done == finished and seen is not None and amounts['frames'] > seen:\n"
        "        os.kill(os.getpid(), number)\n"
        "    if done == finished and seen is None:\n"
        "        seen = amounts['frames']\n"
        "options = {'flow': {'algorithm': 'farneback'}}\n"
        "storage = StorageSettings(short_side=32)\n"
        "settings = PrepareSettings(views=('rgb', 'flow'), storage=storage, options=options, workers=1)\n"
        "prepare(source, out, settings, progress=progress)\n"  # no guard for child processes: none is needed
    )
    arguments = [sys.executable, "-c", code, str(source), str(out), str(int(signal_number)), str(finished)]
    return subprocess.run(arguments, capture_output=True, text=True, timeout=200, check=False)


def recorded(out: Path) -> set[str]:
    return {json.loads(line)["id"] for line in (out / ".prepare" / "outcomes.jsonl").read_text().splitlines()}


def workers_at_work_on(out: Path) -> bool:
    """Say whether a process that is not a zombie still writes beside the stored files."""
    pids = [int(path.name.split("-")[2]) for path in left_aside(out)]
    return any(is_running(pid) for pid in pids)


def test_killed_in_the_middle_it_goes_on_without_redoing_or_leaving_halves(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    killed = run_until(signal.SIGKILL, source, out, finished=2)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    done = recorded(out)
    assert len(done) == 2
    assert not (out / "dataset.yaml").exists()
    limit = time.monotonic() + 60
    while workers_at_work_on(out) and time.monotonic() < limit:  # they end with their parent, within a second
        time.sleep(0.05)
    before = {name: at for view in ("rgb", "flow") for name, at in stored(out, view).items() if name[:-4] in done}
    assert len(before) == 2
    ended = subprocess.Popen(["true"])
    ended.wait()
    (out / "views" / "rgb" / f".part-{this_host()}-{ended.pid}-ab12.mp4").write_bytes(b"half of a video")
    (out / "views" / "rgb" / ".part-elsewhere-1-ab12.mp4").write_bytes(b"another machine is writing this")
    with (out / ".prepare" / "outcomes.jsonl").open("a") as file:
        file.write('{"id": "clip5", "sta')  # killed while it wrote a line

    data = prepare(source, out, WITH_FLOW)
    after = {name: at for view in ("rgb", "flow") for name, at in stored(out, view).items() if name[:-4] in done}
    assert after == before
    assert len(data.ready) == 6
    assert [path.name for path in left_aside(out)] == [".part-elsewhere-1-ab12.mp4"]


def test_an_interrupt_ends_it_at_once_and_cleanly(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    interrupted = run_until(signal.SIGINT, source, out, finished=1)
    assert interrupted.returncode != 0
    assert "interrupted with 5 videos left; finished ones are kept" in interrupted.stderr
    assert "The same command goes on from here" in interrupted.stderr
    assert left_aside(out) == []
    assert len(recorded(out)) == 1  # at once: the videos at work were not waited for


def test_two_runs_at_once_on_one_folder_are_refused(source: Path, tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    prepare(source, tmp_path / "out", HERE)
    with (tmp_path / "out" / ".prepare" / "lock").open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="another coview prepare"):
            prepare(source, tmp_path / "out", HERE)


def begin(out: Path, source: Path) -> dict[str, tuple[int, bytes]]:
    """Make `out` one in which work has begun and no video is finished yet."""
    prepare(source, out, HERE)
    for path in (out / "dataset.yaml", out / "videos.parquet", *(out / ".prepare").glob("outcomes*")):
        path.unlink()
    return {name: file for name, file in snapshot(out).items() if "lock" not in name}


@pytest.mark.parametrize(
    ("held", "shard", "refusal"),
    [
        ("lock", None, "another coview prepare is at work"),
        ("lock-1of2", "1/2", "another coview prepare is at work"),
        ("lock-1of2", "2/2", "short_side was 32, now 48"),
    ],
)
def test_a_refused_run_leaves_the_settings_of_the_one_at_work(
    source: Path, tmp_path: Path, held: str, shard: str | None, refusal: str
) -> None:
    out = tmp_path / "out"
    before = begin(out, source)
    other = PrepareSettings(views=("rgb",), storage=StorageSettings(short_side=48), workers=0, shard=shard)
    with folder_lock(out / ".prepare" / held, otherwise="held"), pytest.raises(UserError, match=refusal):
        prepare(source, out, other)
    assert {name: file for name, file in snapshot(out).items() if "lock" not in name} == before
    prepare(source, out, replace(other, shard=None))  # with nobody at work, settings that led to nothing are replaced
    assert "short_side: 48" in (out / "dataset.yaml").read_text()


def test_a_run_that_cannot_begin_leaves_no_folder(source: Path, tmp_path: Path) -> None:
    for path in source.rglob("*.mp4"):
        path.unlink()
    with pytest.raises(UserError, match="no video"):
        prepare(source, tmp_path / "new" / "out", HERE)
    assert not (tmp_path / "new" / "out").exists()
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no video"):
        prepare(source, tmp_path / "empty", HERE)
    assert list((tmp_path / "empty").iterdir()) == []


@pytest.mark.realdata
def test_every_awkward_file_is_ready_or_failed_with_its_kind(real_data: Path, tmp_path: Path) -> None:
    settings = PrepareSettings(views=("rgb",), storage=SMALL, workers=2)
    data = prepare(real_data / "odd", tmp_path / "out", settings)
    assert len(data.entries) == 32
    kinds = {"empty", "not_a_video", "no_video_stream", "no_frames", "corrupt", "too_large"}
    for entry in data.entries:
        if entry.status == "failed":
            assert entry.reason.partition(": ")[0] in kinds, entry
        else:
            assert entry.status == "ready"
            assert entry.num_frames
    failed = {entry.id for entry in data.entries if entry.status == "failed"}
    assert {"audio_only_16s", "derived_text", "derived_zero_bytes", "git_lfs_pointer"} <= failed
    assert {"kinetics_style_340x256", "rotated_90_3f", "h264_1x1_5f_1fps", "hevc_10bit"} <= {e.id for e in data.ready}


def test_a_source_that_was_deleted_afterwards_is_still_ready(source: Path, tmp_path: Path) -> None:
    table = tmp_path / "videos.csv"
    table.write_text("path,label\n" + "".join(f"videos/jump/clip{index}.mp4,jump\n" for index in (0, 2, 4)))
    settings = replace(HERE, layout="csv")
    assert len(prepare(table, tmp_path / "out", settings).ready) == 3
    (source / "jump" / "clip2.mp4").unlink()
    before = stored(tmp_path / "out")
    data = prepare(table, tmp_path / "out", settings)
    assert len(data.ready) == 3
    assert stored(tmp_path / "out") == before
    (source / "jump" / "clip4.mp4").unlink()
    fresh = prepare(table, tmp_path / "fresh", settings)
    assert fresh.info["counts"]["missing"] == 2


def test_synthetic_clips_are_rendered_where_there_are_none(tmp_path: Path) -> None:
    clips = SyntheticSettings(num_videos=2, num_frames=9, height=32, width=48)
    settings = replace(HERE, layout="synthetic", synthetic=clips)
    data = prepare(tmp_path / "clips", tmp_path / "out", settings)
    assert [entry.num_frames for entry in data.ready] == [9, 9]
    assert all(entry.label for entry in data.ready)
    prepare(tmp_path / "clips", tmp_path / "out", replace(settings, synthetic=SyntheticSettings()))
    with pytest.raises(UserError, match="other settings"):
        prepare(tmp_path / "clips", tmp_path / "out", replace(settings, synthetic=replace(clips, seed=1)))


PLUGIN = """
import coview
from coview.views.rgb import RgbView

@coview.register("view", "brighter")
class BrighterView(RgbView):
    "Pictures, brighter."

    name = "brighter"
    Options = RgbView.Options
"""


def test_a_view_of_a_plugin_is_made_in_worker_processes(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "_decorated", {})
    monkeypatch.setattr(registry, "_plugins", [])
    (tmp_path / "plugin_with_a_view.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(str(tmp_path))
    registry.load_plugins(["plugin_with_a_view"])
    data = prepare(source, tmp_path / "out", {"workers": 1, "storage.short_side": 32}, views=["rgb", "brighter"])
    assert len(data) > 0
    assert all(data.view_path("brighter", entry.id, ".mp4").is_file() for entry in data.ready)
