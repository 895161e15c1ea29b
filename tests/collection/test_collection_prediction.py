"""Predictions are the same from vectors, from files and in shares; they go on where they were; bad videos are named."""

import csv
import dataclasses
import tracemalloc

import numpy as np
import pytest

import coview
from coview.collection.heads.timeline import TimelineSettings
from coview.collection.prediction import predict_to_file, writing
from coview.collection.prediction.classifier import open_classifier
from coview.errors import UserError
from coview.locks import folder_lock
from coview.preparation import used_frames, video
from small_index import write_square
from small_run import SmallRun  # noqa: F401


@pytest.fixture(scope="module")
def place(tmp_path_factory, small_run):
    """Six videos, their index with labels, and a head."""
    root = tmp_path_factory.mktemp("prediction")
    for seed in range(6):
        write_square(root / "videos" / ("fast" if seed % 2 else "slow") / f"v{seed}.mp4", seed, repeats=2)
    index = coview.open_index(root / "idx", run=small_run.run)
    index.add(root / "videos", workers=0)
    head = index.head(source_labels=True)
    head.save(root / "head")
    yield root, head, index
    index.close()


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_same_from_vectors_and_from_files(place):
    root, head, index = place
    stored = {one.id: one for one in head.predict(index)}
    made = {one.id: one for one in coview.load_head(root / "head").predict(root / "videos", workers=0)}
    assert stored.keys() == made.keys()
    for name, one in stored.items():
        assert one.labels == made[name].labels
        assert len(one.windows) == len(one.starts) > 1
        np.testing.assert_allclose(one.windows, made[name].windows, atol=2e-3)  # vectors are kept as 16-bit numbers
        np.testing.assert_allclose(one.probabilities.sum(), 1, atol=1e-5)
        assert all(part.label in head.classes for part in one.segments)


def test_tables_of_each_kind(place, tmp_path):
    root, head, index = place
    classifier = open_classifier(root / "head")
    videos, segments, windows = (tmp_path / f"{kind}.csv" for kind in ("videos", "segments", "windows"))
    assert predict_to_file(classifier, root / "idx", videos).videos == 6
    assert [set(row) for row in rows(videos)] == [{"path", "label", "probability", "p:fast", "p:slow"}] * 6
    assert all((tmp_path / row["path"]).is_file() for row in rows(videos)), "paths start from the table's folder"
    assert not any(row["path"].startswith("/") for row in rows(videos))
    predict_to_file(classifier, root / "idx", windows, kind="windows")
    assert len(rows(windows)) == index.store.totals()[1]
    predict_to_file(classifier, root / "idx", segments, kind="segments", settings=TimelineSettings(0.0, 0.0))
    assert index.labels.import_file(segments) >= 6, "segments are labels, where somebody agrees with them"
    index.labels.undo()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_shares_make_the_whole(place, tmp_path):
    root, _, _ = place
    classifier = open_classifier(root / "head")
    whole, shared = tmp_path / "whole.csv", tmp_path / "shared.csv"
    predict_to_file(classifier, root / "idx", whole)
    assert predict_to_file(classifier, root / "idx", shared, shard="1/2").joined is None
    assert not shared.exists()
    assert predict_to_file(classifier, root / "idx", shared, shard="2/2").joined == shared
    key = lambda row: row["path"]  # noqa: E731
    assert sorted(rows(shared), key=key) == sorted(rows(whole), key=key)


def test_it_goes_on_where_it_was_and_names_bad_videos(place, tmp_path, monkeypatch):
    root, head, _ = place
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "bad.mp4").write_bytes(b"no video")
    for seed in range(3):
        write_square(tmp_path / "videos" / f"v{seed}.mp4", seed)
    classifier, out = open_classifier(head), tmp_path / "out.csv"
    started = []
    real = writing.predict_videos

    def stopping(classifier, work, **settings):
        started.append(len(work.entries))
        for number, one in enumerate(real(classifier, work, **settings)):
            if number == 2 and len(started) == 1:
                raise KeyboardInterrupt
            yield one

    monkeypatch.setattr(writing, "predict_videos", stopping)
    with pytest.raises(KeyboardInterrupt, match="2 of 4 videos are done"):
        predict_to_file(classifier, tmp_path / "videos", out, workers=0)
    assert not out.exists()
    written = predict_to_file(classifier, tmp_path / "videos", out, workers=0)
    assert started == [4, 2]
    assert written.videos == 3
    assert [path.rsplit("/", 1)[-1] for path, _ in written.failed] == ["bad.mp4"]
    assert "not_a_video" in written.failed[0][1]
    assert len(rows(out)) == 3


def test_a_long_video_takes_no_more_memory(place, tmp_path, monkeypatch):
    """Beyond what may be kept (here a few frames), pictures of a video are never together in memory."""
    monkeypatch.setattr(used_frames, "_MOST_BYTES", 100_000)
    monkeypatch.setattr(video, "_KEPT_BYTES", 100_000)
    _, head, _ = place
    peaks = []
    for repeats in (3, 3, 12):  # the first one meets what is made once
        path = tmp_path / f"v{repeats}.mp4"
        write_square(path, 0, repeats=repeats)
        tracemalloc.start()
        (found,) = head.predict(path, workers=0)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert len(found.windows) > 50
    assert peaks[2] - peaks[1] < 300_000, "180 frames more, of 5 kB each"


def test_a_journal_of_other_work_is_begun_anew(place, tmp_path):
    root, head, _ = place
    out, classifier = tmp_path / "out.csv", open_classifier(head)
    (tmp_path / ".out.csv.journal").write_bytes(b'{"of": "something else"}\n{"key": "fast/v1"')
    assert predict_to_file(classifier, root / "idx", out).videos == 6


def test_a_second_process_is_refused_and_leaves_the_first_its_lock(place, tmp_path):
    root, head, _ = place
    lock = tmp_path / ".out.csv.lock"
    with folder_lock(lock, otherwise="busy"):
        for _ in range(2):
            with pytest.raises(UserError, match="another process is writing"):
                predict_to_file(open_classifier(head), root / "idx", tmp_path / "out.csv")
        assert lock.is_file()


def test_a_head_of_another_run_and_what_is_none(place, tmp_path):
    root, head, _ = place
    other = dataclasses.replace(head, run={**head.run, "identity": "0" * 32})
    with pytest.raises(UserError, match="the head was made for vectors of"):
        open_classifier(other)
    with pytest.raises(UserError, match="is neither a head"):
        open_classifier(tmp_path)
    with pytest.raises(UserError, match="which names no classes"):
        open_classifier(head.run["path"])
    with pytest.raises(UserError, match="cannot be opened.*--run RUN"):
        open_classifier(dataclasses.replace(head, run={**head.run, "path": str(tmp_path / "gone")}))
