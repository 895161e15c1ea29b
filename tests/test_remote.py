"""Stores that stall, complain or have a bug: no one is waited for for ever, and no bug is taken for a complaint."""

import io
import sys
import threading
import time
import types
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from coview import remote
from coview.errors import UserError, VideoError
from coview.remote import SilentError, fetch, list_remote, local_copy, read_part, remote_stamp, send
from coview.serving.fetching import Fetcher

ADDRESS = "odd://bucket/v.mp4"
STALLED = threading.Event()
"""Never set: what waits for it waits for ever."""


class OddStore(MemoryFileSystem):
    """A store that answers as a test says."""

    protocol = "odd"
    store: dict[str, Any] = {}
    pseudo_dirs = [""]
    cachable = False
    answer: Any = None

    def _say(self) -> Any:
        if isinstance(OddStore.answer, BaseException):
            raise OddStore.answer
        return OddStore.answer()

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        return {"name": path, "size": 3 * 2**20, "type": "file"}

    def open(self, path: str, mode: str = "rb", **_: Any) -> Any:
        file = io.BytesIO(b"x" * (3 * 2**20))
        file.read = lambda size=-1: self._say()  # type: ignore[method-assign]
        return file

    def find(self, path: str, **_: Any) -> Any:
        return self._say()

    def cat_file(self, path: str, **_: Any) -> Any:
        return self._say()

    def put_file(self, lpath: str, rpath: str, **_: Any) -> None:
        self._say()


fsspec.register_implementation("odd", OddStore, clobber=True)

CALLS = {
    "list": lambda folder: list_remote(ADDRESS),
    "stamp": lambda folder: remote_stamp(ADDRESS),
    "fetch": lambda folder: fetch(ADDRESS, folder / "out", tell=lambda share: None),
    "part": lambda folder: read_part(ADDRESS, offset=0, size=3),
    "send": lambda folder: send(written(folder), ADDRESS),
}


def written(folder: Path) -> Path:
    path = folder / "in"
    path.write_bytes(b"xyz")
    return path


def answers(answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OddStore, "answer", staticmethod(answer) if callable(answer) else answer)


@pytest.fixture
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "SILENT_SECONDS", 0.2)
    monkeypatch.setattr(remote, "_TICK_SECONDS", 0.05)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.usefixtures("short_patience")
def test_a_store_that_stalls_is_given_up(call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers(STALLED.wait, monkeypatch)
    with pytest.raises((SilentError, OSError), match="odd://bucket/v.mp4 gave no answer"):
        CALLS[call](tmp_path)


@pytest.mark.usefixtures("short_patience")
def test_a_video_of_a_stalled_store_is_tried_again_the_next_time(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(STALLED.wait, monkeypatch)
    with pytest.raises(VideoError) as told, local_copy(ADDRESS):
        pass
    assert told.value.kind == "too_slow"


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("error", [TimeoutError("timed out"), PermissionError("no"), ValueError("what"), "own"])
def test_complaints_of_stores_are_told(call: str, error: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if error == "own":  # as of a library that is not installed here
        module: Any = types.ModuleType("botocore.exceptions")
        module.BotoCoreError = type("BotoCoreError", (Exception,), {})
        monkeypatch.setitem(sys.modules, "botocore.exceptions", module)
        error = module.BotoCoreError("no credentials")
    answers(error, monkeypatch)
    verb = "write" if call == "send" else "read"
    with pytest.raises((UserError, OSError), match=f"cannot {verb} odd://bucket/v.mp4: {error}"):
        CALLS[call](tmp_path)


@pytest.mark.parametrize("call", CALLS)
def test_a_bug_stays_a_bug(call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers(KeyError("a bug"), monkeypatch)
    with pytest.raises(KeyError):
        CALLS[call](tmp_path)


def test_a_video_that_comes_slowly_gives_signs_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces = iter([b"a", b"b", b"c", b""])
    answers(lambda: next(pieces), monkeypatch)
    signs = []
    with local_copy(ADDRESS, on_piece=lambda: signs.append(1)) as path:
        assert path.read_bytes() == b"abc"
    assert len(signs) == 3


def test_a_server_that_ends_waits_for_no_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_TICK_SECONDS", 0.05)
    asked = threading.Event()
    answers(lambda: (asked.set(), STALLED.wait()), monkeypatch)
    fetcher = Fetcher()
    future = fetcher.submit(ADDRESS, out=str(tmp_path / "out"), tell=lambda share: None)
    assert asked.wait(10)
    fetcher.close()
    began = time.monotonic()
    with pytest.raises(UserError, match="the server is ending"):
        future.result(timeout=10)
    assert time.monotonic() - began < 5
    assert list(tmp_path.iterdir()) == []
