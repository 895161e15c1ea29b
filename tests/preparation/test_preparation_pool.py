"""Workers that die, hang or never start: each deed is done in the worker as it unpickles its task."""

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from coview.datatypes import VideoEntry
from coview.errors import UserError
from coview.preparation import pool
from coview.preparation.outcomes import VideoOutcome
from coview.preparation.plan import plan
from coview.preparation.pool import run_pool
from coview.preparation.settings import PrepareSettings
from coview.preparation.video import VideoTask, failed
from coview.views.base import StorageSettings
from coview.views.rgb import RgbView


class Deed:
    """Python that runs in the worker as it receives the task."""

    def __init__(self, code: str) -> None:
        self.code = code

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return eval, (self.code,)


@pytest.fixture
def make_task(tmp_path: Path, write_clip: Any) -> Any:
    def make(name: str, *, deed: str = "None", timeout_seconds: float = 60.0) -> VideoTask:
        path = tmp_path / f"{name}.mp4"
        write_clip(path, num_frames=6)
        entry = VideoEntry(id=name, path=str(path), splits={"deed": Deed(deed)})  # type: ignore[dict-item]
        options = {"rgb": RgbView.Options()}
        return VideoTask(entry, tmp_path / "out", options, ("rgb",), None, StorageSettings(32), timeout_seconds)

    return make


def run(tasks: list[VideoTask], *, workers: int) -> dict[str, VideoOutcome]:
    frames: list[int] = []
    outcomes = {outcome.id: outcome for outcome in run_pool(tasks, workers=workers, on_frames=frames.append)}
    assert sum(frames) == sum(outcome.num_frames or 0 for outcome in outcomes.values())
    return outcomes


def test_a_video_that_kills_its_worker_is_named_and_the_rest_go_on(
    make_task: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    marker = tmp_path / "was here"
    once = f"__import__('os').path.exists({str(marker)!r}) or (open({str(marker)!r}, 'w').close(), {{}}['first time'])"
    tasks = [
        make_task("killed", deed="__import__('signal').raise_signal(9)"),
        make_task("once", deed=once),
        make_task("good"),
    ]
    outcomes = run(tasks, workers=1)
    assert list(outcomes) == ["good", "killed", "once"]  # the suspects alone, after the rest
    assert [outcome.status for outcome in outcomes.values()] == ["ready", "failed", "ready"]
    assert outcomes["killed"].reason.startswith("crashed: the worker process was killed by SIGKILL; the system kills")
    assert "once: the worker process ended with exit code 1: KeyError: 'first time'" in caplog.text


def test_a_video_that_hangs_is_given_up_and_cleared_away(make_task: Any, tmp_path: Path) -> None:
    hang = "__import__('time').sleep(600)"
    outcomes = run([make_task("hangs", deed=hang, timeout_seconds=0.5), make_task("good")], workers=1)
    assert outcomes["hangs"].status == "failed"
    assert outcomes["hangs"].reason.startswith("too_slow: no frame for")
    assert outcomes["good"].status == "ready"


def test_a_full_disk_stops_the_run(make_task: Any) -> None:
    refuse = "lambda *args, **settings: (_ for _ in ()).throw(OSError(28, 'No space left on device'))"
    full = f"__import__('coview.views.rgb', fromlist=['rgb']).__dict__.update(write_yuv={refuse})"
    with pytest.raises(UserError, match="disk of .*out is full"):
        run([make_task("full", deed=full), make_task("next")], workers=1)


def test_workers_that_cannot_start_are_an_error_that_says_so(make_task: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool.sys, "executable", "/bin/false")
    with pytest.raises(UserError, match="end before they begin .*exit code 1"):
        run([make_task("good")], workers=2)


def test_a_view_of_the_script_itself_is_refused_with_workers(make_task: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool.VIEWS, "plugin_of", lambda name: "__main__")
    with pytest.raises(UserError, match="'rgb' is defined in the script .* workers=0"):
        next(pool.run_pool([make_task("a")], workers=1, on_frames=lambda count: None))


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="whether a process is suspended cannot be told here")
def test_a_worker_that_was_suspended_is_not_late(make_task: Any, tmp_path: Path) -> None:
    told = tmp_path / "pid"
    deed = f"(open({str(told)!r}, 'w').write(str(__import__('os').getpid())), __import__('signal').raise_signal(19))"

    def wake() -> None:
        while not told.exists() or not told.read_text():
            time.sleep(0.05)
        time.sleep(2.5)
        os.kill(int(told.read_text()), signal.SIGCONT)

    waker = threading.Thread(target=wake, daemon=True)
    waker.start()
    outcomes = run([make_task("sleeps", deed=deed, timeout_seconds=1.0)], workers=1)
    waker.join()
    assert outcomes["sleeps"].status == "ready", outcomes["sleeps"].reason


def test_what_was_too_slow_is_tried_again_by_the_next_run(make_task: Any, tmp_path: Path) -> None:
    task = make_task("one")
    views = {"rgb": RgbView(RgbView.Options())}
    for kind, is_tried in (("too_slow", True), ("corrupt", False)):
        known = {"one": failed(task, kind, "seen so")}
        tasks = plan([task.entry], known, views=views, out=tmp_path, settings=PrepareSettings(views=("rgb",)))
        assert [one.entry.id for one in tasks] == ["one"] * is_tried, kind
