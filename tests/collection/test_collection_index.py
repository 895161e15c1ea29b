"""An index grows with its folder, finds what is in it, and survives whatever happens while it grows."""

import html
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from safetensors.torch import load_file

import coview
from coview.collection import embedding_videos
from coview.collection.embedding_videos import run_identity
from coview.collection.opening import open_index
from coview.datasets.prepared import PreparedDataset
from coview.embedding.run import Run
from coview.errors import UserError
from coview.training.checkpoint import save_checkpoint
from coview.video.raw_frames import RAW_SUFFIX
from small_index import assert_same, contents, write_square
from small_run import FRAMES, make_run, small_config


@pytest.fixture
def index(tmp_path, small_run, videos):
    index = open_index(tmp_path / "idx", run=small_run.run)
    index.add(videos, workers=0)
    return index


def test_windows_are_those_of_the_run(index, small_run, videos):
    run = Run.load(small_run.run)
    expected = run.embed(videos, windows=True)
    rows = {row.facts.id: row for row in index._store.rows()}
    assert list(rows) == sorted({*expected.ids})
    for name, row in rows.items():
        own = [place for place, video in enumerate(expected.ids) if video == name]
        vectors = index._store.get(row.number)
        assert row.num_windows == len(own) > 1
        np.testing.assert_allclose(vectors.starts, expected.start_seconds[own])
        np.testing.assert_allclose(vectors.ends, expected.end_seconds[own])
        for view in run.views:
            np.testing.assert_allclose(vectors.windows[view], expected[view][own], atol=1e-3)
    whole = run.embed(videos)
    for place, name in enumerate(whole.ids):
        np.testing.assert_allclose(index._store.get(rows[name].number).whole["flow"], whole["flow"][place], atol=1e-3)
    assert len(index) == 6
    assert rows["fast/v1"].facts.label == "fast"
    assert rows["fast/v1"].facts.duration_seconds == FRAMES / 25
    assert repr(index) == f"Index({str(index.path)!r}, 6 videos, {len(expected)} windows, views: rgb, flow)"


def test_a_second_call_touches_nothing(index, videos, monkeypatch):
    monkeypatch.setattr(embedding_videos, "embed_entries", None)  # embedding anything would fail
    before = {path: path.read_bytes() for path in (index.path / "vectors").iterdir()}
    done = index.add(videos, workers=0)
    assert (done.added, done.changed, done.unchanged, done.gone) == (0, 0, 6, 0)
    for path in videos.rglob("*.mp4"):
        os.utime(path, ns=(1, 1))  # copied: another time, the same content
    assert index.add(videos, workers=0).unchanged == 6
    assert {path: path.read_bytes() for path in (index.path / "vectors").iterdir()} == before


def test_new_changed_gone_and_returned(index, videos, tmp_path, small_run):
    write_square(videos / "slow" / "new.mp4", 40)
    write_square(videos / "slow" / "v0.mp4", 50)
    (videos / "fast" / "v1.mp4").rename(tmp_path / "v1.mp4")
    before = contents(index)
    done = index.add(videos, workers=0)
    assert (done.added, done.changed, done.unchanged, done.gone) == (1, 1, 4, 1)
    assert str(done) == "1 added, 1 changed, 4 unchanged, 1 gone"
    after = contents(index)
    assert before["../videos/slow/v0.mp4"][0].id == after["../videos/slow/v0.mp4"][0].id
    assert not np.allclose(
        before["../videos/slow/v0.mp4"][1].whole["rgb"], after["../videos/slow/v0.mp4"][1].whole["rgb"], atol=1e-3
    )
    assert "../videos/fast/v1.mp4" not in after
    (tmp_path / "v1.mp4").rename(videos / "fast" / "v1.mp4")
    done = index.add(videos, workers=0)
    assert (done.added, done.returned, done.unchanged) == (0, 1, 6)
    fresh = open_index(tmp_path / "fresh", run=small_run.run)
    fresh.add(videos, workers=0)
    assert_same(index, fresh)


def test_a_broken_video_is_noted_and_the_rest_go_on(tmp_path, small_run, videos):
    (videos / "slow" / "bad.mp4").write_bytes(b"this is no video")
    index = open_index(tmp_path / "idx", run=small_run.run)
    done = index.add(videos, workers=0)
    assert done.added == len(index) == 6
    ((path, reason),) = done.failed
    assert path == str(videos / "slow" / "bad.mp4")
    assert reason.startswith("not_a_video: ")
    assert [row["status"] for row in index.rows()].count("failed") == 1
    with pytest.raises(UserError, match="in the index without vectors: not_a_video"):
        index.search("slow/bad")
    again = index.add(videos, workers=0)
    assert (again.added, again.unchanged, len(again.failed)) == (0, 6, 1)
    write_square(videos / "slow" / "bad.mp4", 60)
    mended = index.add(videos, workers=0)
    assert (mended.added + mended.changed, mended.failed, len(index)) == (1, (), 7)


def test_every_kind_of_source(tmp_path, small_run, videos):
    index = open_index(tmp_path / "idx", run=small_run.run)
    assert index.add(videos / "slow" / "v0.mp4", workers=0).added == 1
    assert index.add([videos / "slow" / "v0.mp4", str(videos / "slow" / "v2.mp4")], workers=0).added == 1
    (videos / "some.txt").write_text("slow/v4.mp4\n\nfast/v1.mp4\n")
    assert index.add(videos / "some.txt", workers=0).added == 2
    (videos / "all.csv").write_text("path,label\nfast/v1.mp4,quick\nfast/v3.mp4,quick\n")
    done = index.add(videos / "all.csv", workers=0)
    assert (done.added, done.unchanged) == (1, 1)
    done = index.add(videos, PreparedDataset.open(small_run.data), workers=0)
    assert (done.added, done.unchanged) == (1 + 9, 5)
    assert index.add(small_run.data, workers=0).unchanged == 9
    for wrong, error, message in [
        (tmp_path / "no", UserError, "does not exist"),
        (tmp_path / "no.mp4", UserError, "no such video file"),
        ([], UserError, "is empty"),
        (3, TypeError, "expected a folder"),
        (tmp_path / "idx", UserError, "no video below"),
    ]:
        before = len(index)
        with pytest.raises(error, match=message):
            index.add(wrong, workers=0)
        assert len(index) == before


def test_with_worker_processes_it_is_the_same(index, tmp_path, small_run, videos):
    other = open_index(tmp_path / "other", run=small_run.run)
    calls = []
    other.add(videos, workers=2, progress=lambda done, total, amounts: calls.append((done, total, amounts["frames"])))
    assert_same(index, other)
    assert calls[-1] == (6, 6, 6 * FRAMES * 3)  # decoded, and made into two views
    assert [call[0] for call in calls] == sorted(call[0] for call in calls)


def test_nothing_is_left_in_the_temporary_folder(tmp_path, small_run, videos, monkeypatch):
    monkeypatch.setattr(embedding_videos, "_BATCH_VIDEOS", 2)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    index = open_index(tmp_path / "idx", run=small_run.run)
    most = []

    def look(done, total, amounts):
        most.append(sum(path.suffix in (".mp4", RAW_SUFFIX) for path in (tmp_path / "temporary").rglob("*")))

    index.add(videos, workers=0, progress=look)
    assert 0 < max(most) <= 4 + 1  # two views of two videos, and one at work
    assert [*(tmp_path / "temporary").iterdir()] == []


ADD = """
import sys
from coview.collection import embedding_videos
from coview.collection.opening import open_index

embedding_videos._BATCH_VIDEOS = 1
index = open_index(sys.argv[1], run=sys.argv[2])
index.add(sys.argv[3], workers=0, progress=lambda done, total, amounts: print(done, flush=True))
"""


def test_killed_at_any_moment_it_goes_on_and_ends_the_same(index, tmp_path, small_run, videos):
    """SIGKILL at random moments while it decodes, embeds and stores; the end is as if nothing had happened."""
    moments = random.Random(7)
    command = [sys.executable, "-c", ADD, str(tmp_path / "killed"), str(small_run.run), str(videos)]
    counts = []
    for _ in range(4):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            for _ in range(moments.randint(1, 135)):  # a line for each frame decoded or made into a view: 60 a video
                process.stdout.readline()
            time.sleep(moments.uniform(0, 0.02))
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        other = open_index(tmp_path / "killed", run=small_run.run)
        counts.append(len(other))
        assert other.verify() == []
        other.close()
    assert counts == sorted(counts), "what was confirmed is never lost"
    assert 0 < counts[-1] < 6, "no kill struck in the middle"
    other = open_index(tmp_path / "killed", run=small_run.run)
    other.add(videos, workers=0)
    assert_same(index, other)
    for view in index.views:
        for part in ("windows", "videos"):
            sizes = {(at / "vectors" / f"{view}-{part}.f16").stat().st_size for at in (index.path, other.path)}
            assert len(sizes) == 1


def test_ctrl_c_keeps_what_is_done(tmp_path, small_run, videos, monkeypatch):
    monkeypatch.setattr(embedding_videos, "_BATCH_VIDEOS", 2)
    index = open_index(tmp_path / "idx", run=small_run.run)

    def stop(done, total, amounts):
        if done >= 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="The same command goes on from here"):
        index.add(videos, workers=0, progress=stop)
    assert len(index) == 2
    assert index.add(videos, workers=0).added == 4


def test_a_full_disk_leaves_the_index_as_it_was(index, videos, monkeypatch):
    write_square(videos / "slow" / "new.mp4", 40)
    before = contents(index).keys()

    def fail(*arguments, **named):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("coview.collection.local_store.VectorFile.append", fail)
    with pytest.raises(UserError, match="the disk of .*idx is full"):
        index.add(videos, workers=0)
    monkeypatch.undo()
    assert contents(index).keys() == before
    assert index.add(videos, workers=0).added == 1


def test_a_query_whose_name_is_no_text_finds_its_copy(index, videos, tmp_path):
    odd = tmp_path / "odd\udcff.mp4"
    shutil.copy(videos / "fast" / "v1.mp4", odd)
    (hit,) = index.search(odd, top=1, moments=False)
    assert hit.id == "fast/v1"


def test_search_by_id_file_segment_hit_and_vectors(index, videos):
    by_id = index.search("fast/v1", top=5)
    assert by_id[0].id == "fast/v1"
    assert by_id[0].is_query
    assert by_id[0].path == str(videos / "fast" / "v1.mp4")
    assert [hit.rank for hit in by_id] == [1, 2, 3, 4, 5]
    by_file = index.search(videos / "fast" / "v1.mp4", top=5)
    assert [*by_file] == [*by_id]
    whole = index.search("fast/v1", moments=False, view="flow")
    assert [hit.id for hit in whole][0] == "fast/v1"
    assert whole[0].cosine == pytest.approx(1, abs=1e-3)
    assert whole[0].start_seconds is None
    assert list(whole[0].cosines) == ["flow"]
    assert len(whole) == 6
    vectors = index._store.get(1)
    by_vector = index.search({view: rows[0] * 3 for view, rows in vectors.windows.items()})
    assert by_vector[0].cosine == pytest.approx(1, abs=1e-3)
    assert not by_vector[0].is_query
    for hit in by_vector:
        assert hit.cosine == pytest.approx(np.mean([*hit.cosines.values()]), abs=1e-5)
    end = float(vectors.ends[0])
    segment = index.search("fast/v1", start=0, end=end / 2)
    assert segment[0].cosine == pytest.approx(1, abs=1e-3)
    assert segment[0].start_seconds == 0
    again = index.search(segment[0], top=50)
    assert {hit.id for hit in again if hit.is_query} == {"fast/v1"}
    reached = [hit for hit in again if hit.id == "fast/v1" and hit.start_seconds < segment[0].end_seconds]
    assert reached
    assert all(hit.is_query for hit in reached)


def test_a_copy_elsewhere_is_the_query_and_needs_no_embedding(index, videos, tmp_path, monkeypatch):
    monkeypatch.setattr(embedding_videos, "embed_query", None)
    shutil.copy(videos / "fast" / "v3.mp4", tmp_path / "copy.mp4")
    hits = index.search(tmp_path / "copy.mp4")
    assert [hit.id for hit in hits if hit.is_query][:1] == ["fast/v3"]
    assert {hit.id for hit in hits if hit.is_query} == {"fast/v3"}


def test_a_file_that_is_not_in_the_index_is_embedded(index, tmp_path):
    write_square(tmp_path / "query.mp4", 3)  # the frames of fast/v3, in a file of its own
    with (tmp_path / "query.mp4").open("ab") as file:
        file.write(b"\0\0\0\x08free")  # not the same file
    hits = index.search(tmp_path / "query.mp4", moments=False)
    assert hits[0].id == "fast/v3"
    assert hits[0].cosine == pytest.approx(1, abs=2e-3)
    assert not hits[0].is_query
    some = index.search(tmp_path / "query.mp4", start=0.2, end=0.5)
    assert some[0].id == "fast/v3"
    with pytest.raises(UserError, match="ends before 100 s"):
        index.search(tmp_path / "query.mp4", start=100)


def test_hits_go_to_tables_and_notebooks(index):
    hits = index.search("fast/v1", top=3)
    assert repr(hits).startswith("IndexHits(3: fast/v1)\n  1. fast/v1 [")
    assert len(repr(hits[:2]).splitlines()) == 3
    table = hits.to_pandas()
    assert list(table["rank"]) == [1, 2, 3]
    assert {"path", "start_seconds", "cosine", "cosine:rgb", "cosine:flow", "is_query"} <= {*table.columns}
    assert hits._repr_html_().count("<tr>") == 4


def test_hostile_names_stay_text(tmp_path, small_run):
    name = "<script>alert(1)</script>'; DROP TABLE videos; --"
    folder = tmp_path / "videos" / "<b>bold\"'"
    write_square(folder / "a.mp4", 1)
    write_square(folder / "b.mp4", 3)
    write_square(tmp_path / "videos" / "plain" / f"{name.replace('/', '_')}.mp4", 2)
    index = open_index(tmp_path / "idx", run=small_run.run)
    assert index.add(tmp_path / "videos", workers=0).added == 3
    hits = index.search("<b>bold\"'/a")
    assert hits[0].label == "<b>bold\"'"
    page = hits._repr_html_()
    assert "<b>" not in page
    assert "<script" not in page
    assert html.escape(hits[0].label) in page
    assert len(index.search("<b>bold\"'/a", where={"label": "<b>bold\"'"}, top=50)) >= 1
    assert len(index.search("<b>bold\"'/a", where={"label": "' OR 1=1 --"})) == 0


def test_folders_that_are_no_classes_label_nothing(tmp_path, small_run):
    for name in ("a.mp4", "b.mp4", "2023/c.mp4"):
        write_square(tmp_path / "videos" / name, 1)
    index = open_index(tmp_path / "idx", run=small_run.run)
    remarks = index.add(tmp_path / "videos", workers=0).remarks
    assert "no labels: there is one folder only, so the folders (2023) are no classes" in remarks
    assert {row["label"] for row in index.rows()} == {None}


def test_own_fields(index, videos, tmp_path):
    (videos / "cameras.csv").write_text("path,camera,heat\nfast/v1.mp4,7,20\nslow/v0.mp4,it's,25.5\nno.mp4,1,1\n")
    index.add(fields=videos / "cameras.csv")
    assert {hit.id for hit in index.search("fast/v3", where={"camera": [7, "it's"]})} == {"fast/v1", "slow/v0"}
    assert {hit.id for hit in index.search("fast/v3", where={"heat": (21, None)})} == {"slow/v0"}
    write_square(videos / "slow" / "v0.mp4", 50)
    index.add(videos, workers=0)
    assert {hit.id for hit in index.search("fast/v3", where={"camera": "it's"})} == {"slow/v0"}
    for text, message in [
        ("name,x\na,b\n", "expected 'path' or 'id'"),
        ("id,label\na,b\n", "filters already"),
        ("id,camera\nnobody,b\n", "not one of the 1 video of"),
    ]:
        (tmp_path / "wrong.csv").write_text(text)
        with pytest.raises(UserError, match=message):
            index.add(fields=tmp_path / "wrong.csv")
    held = len(index)
    write_square(tmp_path / "late" / "v9.mp4", 9)
    with pytest.raises(UserError, match="nowhere.csv"):  # before anything is embedded
        index.add(tmp_path / "late", fields=tmp_path / "nowhere.csv")
    assert len(index) == held


def test_remove(index, videos):
    assert index.remove(["fast/v1", str(videos / "slow" / "v0.mp4")]) == 2
    assert len(index) == 4
    assert not {"fast/v1", "slow/v0"} & {hit.id for hit in index.search("fast/v3", top=50)}
    with pytest.raises(UserError, match="'fast/v1' is neither a file nor one of the 4 videos"):
        index.remove(["fast/v3", "fast/v1"])
    assert len(index) == 4
    assert index.remove("fast/v3") == 1


def test_damage_is_found_and_mended(index, videos, tmp_path, small_run):
    file = index.path / "vectors" / "rgb-windows.f16"
    whole = bytearray(file.read_bytes())
    whole[3] ^= 0x40
    index.close()
    file.write_bytes(whole[: len(whole) - 20])  # the first video is damaged, the last one is cut off
    index = open_index(index.path, run=small_run.run)
    with pytest.raises(UserError, match="rgb-windows.f16 is cut off"):
        index.add(videos, workers=0)
    done = index.add(videos, workers=0, verify=True)
    assert (done.added, done.unchanged) == (2, 4)
    assert index.verify() == []
    fresh = open_index(tmp_path / "fresh", run=small_run.run)
    fresh.add(videos, workers=0)
    assert_same(index, fresh)


def test_another_run_is_refused(index, small_run, tmp_path, videos):
    make_run(
        tmp_path / "other", small_run.data, replace(small_config(), clip=replace(small_config().clip, frame_stride=2))
    )
    assert run_identity(Run.load(tmp_path / "other")) != run_identity(Run.load(small_run.run))
    with pytest.raises(UserError, match="holds vectors of .*run, checkpoint flow-00000010; those of .*other"):
        open_index(index.path, run=tmp_path / "other")
    shutil.copytree(small_run.run, tmp_path / "trained on")
    folder = tmp_path / "trained on" / "checkpoints" / "flow-00000010"
    weights, at = load_file(folder / "model.safetensors"), Run.load(tmp_path / "trained on").position
    next(iter(weights.values())).view(-1)[0] += 1
    shutil.rmtree(folder)
    save_checkpoint(tmp_path / "trained on", at, weights=weights, state={}, keep=1)
    with pytest.raises(UserError, match="cannot be compared with them"):
        open_index(index.path, run=tmp_path / "trained on")
    shutil.copytree(small_run.run, tmp_path / "moved")
    assert len(open_index(index.path, run=tmp_path / "moved")) == 6


def test_a_run_that_is_not_finished_is_refused(small_run, tmp_path):
    shutil.copytree(small_run.run, tmp_path / "run")
    (newest,) = (tmp_path / "run" / "checkpoints").glob("flow-*")
    shutil.rmtree(newest)
    with pytest.raises(UserError, match="is not finished: its newest checkpoint is rgb-00000010"):
        open_index(tmp_path / "idx", run=tmp_path / "run")
    assert not (tmp_path / "idx").exists()
    assert open_index(tmp_path / "idx", run=tmp_path / "run", checkpoint="rgb-00000010").views == ("rgb", "flow")


def test_an_index_that_moves_with_its_videos(index, tmp_path, videos, small_run):
    index.close()
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for name in ("idx", "videos"):
        (tmp_path / name).rename(moved / name)
    shutil.copytree(small_run.run, moved / "run")
    index = open_index(moved / "idx")
    assert index.search("fast/v1")[0].path == str(moved / "videos" / "fast" / "v1.mp4")
    assert open_index(moved / "idx", run=moved / "run").add(moved / "videos", workers=0).unchanged == 6
    assert str(tmp_path) not in (moved / "idx" / "index.yaml").read_text()


def test_what_is_no_index_is_said(tmp_path, index, small_run):
    with pytest.raises(UserError, match=r"there is no index at .*none; make one with: coview index RUN SOURCE"):
        open_index(tmp_path / "none")
    with pytest.raises(UserError, match="is no index: it has no index.yaml"):
        open_index(tmp_path)
    with pytest.raises(UserError, match="is there already and is no index"):
        open_index(tmp_path, run=small_run.run)
    with pytest.raises(TypeError, match="path is 3"):
        open_index(3)
    index.close()
    about = index.path / "index.yaml"
    text = about.read_text()
    for damaged in ("", "format: 1", "[1]", text.replace("rgb:", "../rgb:"), text.replace("format: 3", "format: 9")):
        about.write_text(damaged)
        with pytest.raises(UserError, match="index.yaml|newer coview"):
            open_index(index.path)
    about.unlink()
    with pytest.raises(UserError, match="has lost its index.yaml"):
        open_index(index.path)


def test_a_half_begun_index_is_begun_anew(tmp_path, small_run, videos):
    index = open_index(tmp_path / "idx", run=small_run.run)
    index.close()
    (tmp_path / "idx" / "index.yaml").unlink()  # killed before it was written
    assert open_index(tmp_path / "idx", run=small_run.run).add(videos / "slow", workers=0).added == 3


@pytest.mark.parametrize(
    ("query", "settings", "error", "message"),
    [
        ("fast/v9", {}, UserError, "did you mean 'fast/v"),
        ("no.mp4", {}, UserError, "'no.mp4' is neither a file nor one of the 6 videos"),
        (7, {}, TypeError, "query is 7"),
        ("fast/v1", {"view": "flw"}, UserError, "no view 'flw'; did you mean 'flow'"),
        ("fast/v1", {"view": []}, UserError, "no view given"),
        ("fast/v1", {"top": 0}, UserError, "ask for at least 1"),
        ("fast/v1", {"start": 5, "end": 2}, UserError, "the end must come after the start"),
        ("fast/v1", {"start": -1}, UserError, "0 or more"),
        ("fast/v1", {"start": 50}, UserError, "ends at 0.80 s"),
        ("fast/v1", {"where": {"lable": 1}}, UserError, "did you mean 'label'"),
        ("fast/v1", {"where": {"time": (0, 1)}, "moments": False}, UserError, "filter by time is about moments"),
        ({"rgb": np.ones(4)}, {"view": "rgb"}, UserError, "4 numbers of rgb, expected"),
        ({"rgb": np.ones(4)}, {"view": "flow"}, UserError, "no vector of flow, only of: rgb"),
    ],
)
def test_wrong_searches_are_named(index, query, settings, error, message):
    with pytest.raises(error, match=message):
        index.search(query, **settings)


def test_an_unreadable_query_is_named(index, tmp_path):
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    with pytest.raises(UserError, match="cannot search for .*bad.mp4: not_a_video"):
        index.search(tmp_path / "bad.mp4")
    with pytest.raises(UserError, match="bad.mp4: not a video"):
        index.search(tmp_path / "bad.mp4", start=1)


def test_an_empty_index_finds_nothing(tmp_path, small_run):
    index = open_index(tmp_path / "idx", run=small_run.run)
    assert len(index) == 0
    sizes = yaml.safe_load((tmp_path / "idx" / "index.yaml").read_text())["views"]
    assert len(index.search({view: np.ones(size) for view, size in sizes.items()})) == 0


def test_a_search_among_vectors_imports_no_torch(index):
    index.close()
    code = f"import sys, coview\nprint(len(coview.open_index({str(index.path)!r}).search('fast/v1')))\n"
    code += "print('torch' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert int(shown[0]) >= 6
    assert shown[1] == "False"


def test_it_is_part_of_the_public_api():
    assert coview.open_index is open_index
    assert Path(open_index.__code__.co_filename).name == "opening.py"
