"""Collections that lie elsewhere: listed, embedded and kept up to date by address, as those of a folder are."""

import functools
import http.server
import shutil
import threading

import fsspec
import numpy as np
import pytest

from coview.cli import run_arguments
from coview.collection import duplicates
from coview.collection.file_identity import shown_path, stored_path
from coview.collection.opening import open_index
from coview.errors import UserError
from small_index import write_square


@pytest.fixture
def memory(videos):
    """The six videos in fsspec's memory file system; its root."""
    system = fsspec.filesystem("memory")
    system.put(f"{videos}/", "/bucket/", recursive=True)
    yield system
    system.rm("/bucket", recursive=True)


@pytest.fixture
def server(videos):
    """A web server of the six videos, with listings; its address."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=videos)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def vectors_by_id(index):
    return {row.facts.id: index.store.get(row.number).whole["rgb"] for row in index.store.rows(status="ready")}


def assert_same_vectors(index, plain):
    found, expected = vectors_by_id(index), vectors_by_id(plain)
    assert found.keys() == expected.keys()
    for name, vector in expected.items():
        np.testing.assert_allclose(found[name], vector, atol=1e-3)


def test_a_bucket_is_indexed_as_a_folder_is(tmp_path, small_run, videos, memory):
    plain = open_index(tmp_path / "plain", run=small_run.run)
    plain.add(videos, workers=0)
    index = open_index(tmp_path / "idx", run=small_run.run)
    assert index.add("memory://bucket/", workers=0).added == 6
    assert_same_vectors(index, plain)
    hit = index.search("fast/v1", top=1)[0]
    assert (hit.path, hit.label, hit.is_query) == ("memory://bucket/fast/v1.mp4", "fast", True)
    assert index.add("memory://bucket", workers=0).unchanged == 6
    write_square(tmp_path / "new.mp4", 50)
    memory.put(str(tmp_path / "new.mp4"), "/bucket/slow/v0.mp4")
    memory.rm("/bucket/fast/v1.mp4")
    memory.pipe("/bucket/slow/broken.mp4", b"no video")
    done = index.add("memory://bucket", workers=0)
    assert (done.changed, done.gone, done.unchanged, len(done.failed)) == (1, 1, 4, 1)
    assert done.failed[0][0] == "memory://bucket/slow/broken.mp4"
    assert "not_a_video" in done.failed[0][1]


def test_copies_in_a_bucket_are_duplicates(tmp_path, small_run, memory):
    memory.cp("/bucket/slow/v0.mp4", "/bucket/slow/copy.mp4")
    index = open_index(tmp_path / "idx", run=small_run.run)
    index.add("memory://bucket", workers=0)
    first = index.duplicates()[0]
    assert {first.id, first.other_id} == {"slow/v0", "slow/copy"}
    assert first.confidence == 1


def test_duplicates_are_fetched_where_that_is_asked_for_alone(tmp_path, small_run, memory, monkeypatch, caplog):
    fetched = []
    whole = duplicates.local_copy
    monkeypatch.setattr(duplicates, "local_copy", lambda path: fetched.append(path) or whole(path))
    memory.cp("/bucket/slow/v0.mp4", "/bucket/slow/copy.mp4")
    index = open_index(tmp_path / "idx", run=small_run.run)
    index.add("memory://bucket", workers=0)
    write_square(tmp_path / "here.mp4", 50)
    index.add(tmp_path / "here.mp4", workers=0)
    (pair,) = index.duplicates()
    assert {pair.id, pair.other_id} == {"slow/v0", "slow/copy"}
    assert fetched == [str(tmp_path / "here.mp4")]
    assert (
        "since they lie elsewhere: 7 videos; to fetch and compare them: coview duplicates INDEX --fetch" in caplog.text
    )
    caplog.clear()
    assert pair in index.duplicates(fetch=True, min_confidence=0)
    assert len([path for path in fetched if path.startswith("memory://")]) >= 7
    assert not caplog.text


def test_a_web_server_is_indexed(tmp_path, small_run, videos, server, capsys):
    pytest.importorskip("aiohttp", reason="aiohttp is not installed: pip install 'coview[remote]'")
    shutil.rmtree(videos / "fast")
    words = ["index", str(small_run.run), f"{server}/slow/", str(tmp_path / "idx"), "--workers", "0"]
    assert run_arguments(words) == 0
    assert "3 added" in capsys.readouterr().out
    assert run_arguments(words) == 0
    assert "3 unchanged" in capsys.readouterr().out
    (videos / "list.txt").write_text(f"{server}/slow/v2.mp4\nslow/v4.mp4\n")
    few = open_index(tmp_path / "few", run=small_run.run)
    assert few.add(videos / "list.txt", workers=0).added == 2


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("memory://nothing", "(nothing at|cannot read) memory://nothing"),
        ("nosuch://bucket/a", "cannot read nosuch://bucket/a.*not known"),
        ("http://127.0.0.1:9/videos/", "cannot read http://127.0.0.1:9/videos/"),
        ("memory://texts", "no video below memory://texts"),
    ],
)
def test_what_is_not_there_is_named(tmp_path, small_run, address, says):
    pytest.importorskip("aiohttp", reason="aiohttp is not installed: pip install 'coview[remote]'")
    fsspec.filesystem("memory").pipe("/texts/a.txt", b"text")
    with pytest.raises(UserError, match=says):
        open_index(tmp_path / "idx", run=small_run.run).add(address, workers=0)


def test_addresses_are_kept_as_they_are(tmp_path):
    for address in ("s3://bucket/a b/v.mp4", "https://host/x/../y.mp4"):
        assert shown_path(stored_path(address, tmp_path), tmp_path) == address
