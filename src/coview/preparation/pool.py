"""Worker processes on this machine, watched: one that dies or hangs costs its video, never the run."""

import contextlib
import logging
import os
import signal
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import cast

from coview.children import start_child
from coview.errors import UserError
from coview.files import remove_parts
from coview.preparation.outcomes import VideoOutcome
from coview.preparation.video import VideoTask, failed, paths_to_make
from coview.registry import loaded_plugins
from coview.stopping import is_suspended
from coview.views import VIEWS

log = logging.getLogger(__name__)

_START_SECONDS = 600.0
_MOST_FAILED_STARTS = 3
_TICK_SECONDS = 1.0


@dataclass(frozen=True)
class Crash:
    """A worker that died in the middle of a video."""

    task: VideoTask
    cause: str


def run_pool(tasks: Sequence[VideoTask], *, workers: int, on_frames: Callable[[int], None]) -> Iterator[VideoOutcome]:
    """Prepare videos in worker processes.

    A video on which a worker dies is tried once more at the end, alone, in case memory was short; then it has failed.

    Args:
        tasks: the videos.
        workers: processes, at least 1.
        on_frames: called with the number of frames made since the last call.

    Yields:
        Outcomes, as they come.

    Raises:
        UserError: the disk is full or refuses, or workers cannot be started. The other workers are stopped.
    """
    crashes = []
    plugins = plugins_of(tasks)
    for result in _supervise(tasks, workers=workers, on_frames=on_frames, plugins=plugins):
        if isinstance(result, Crash):
            log.warning("%s: %s; will try it once more, alone", result.task.entry.id, result.cause)
            crashes.append(result)
        else:
            yield result
    for crash in crashes:
        for result in _supervise([crash.task], workers=1, on_frames=on_frames, plugins=plugins):
            yield failed(result.task, "crashed", result.cause) if isinstance(result, Crash) else result


def plugins_of(tasks: Sequence[VideoTask]) -> tuple[str, ...]:
    """Return the modules that a worker has to import for the views of some videos, besides coview.

    Raises:
        UserError: a view is defined in the script itself, which a worker cannot import.
    """
    views = {name: VIEWS.plugin_of(name) for task in tasks[:1] for name in task.options}
    for name, plugin in views.items():
        if plugin == "__main__":
            raise UserError(
                f"the view {name!r} is defined in the script or notebook itself, where worker processes cannot import "
                "it; put it into a module of its own, or work in this process: workers=0"
            )
    # The name of an installed package is not that of a module; its entry points are found without help.
    return tuple(dict.fromkeys([*loaded_plugins(), *(name for name in views.values() if name in sys.modules)]))


def _supervise(
    tasks: Sequence[VideoTask], *, workers: int, on_frames: Callable[[int], None], plugins: Sequence[str]
) -> Iterator[VideoOutcome | Crash]:
    waiting = deque(tasks)
    crew = [_Worker(plugins) for _ in range(min(workers, len(tasks)))]
    failed_starts = 0
    try:
        while crew:
            started = time.monotonic()
            spoken = wait([worker.pipe for worker in crew], timeout=_TICK_SECONDS)
            # Longer than a tick only when this process was suspended, and its workers with it: no time of theirs.
            passed_seconds = min(time.monotonic() - started, 2 * _TICK_SECONDS)
            for worker in list(crew):
                if worker.pipe in spoken:
                    message = worker.hear(waiting, on_frames)
                else:
                    message = worker.check_time(passed_seconds)
                if message is not None:
                    yield message
                if worker.has_ended:
                    crew.remove(worker)
                    if worker.never_started:
                        failed_starts += 1
                        _give_up_starting(worker, failed_starts)
                    if len(crew) < len(waiting):
                        crew.append(_Worker(plugins))
    finally:
        for worker in crew:
            worker.end()


def _give_up_starting(worker: "_Worker", failed_starts: int) -> None:
    if failed_starts >= _MOST_FAILED_STARTS:
        raise UserError(
            f"worker processes end before they begin ({worker.last_words}); "
            "if memory is short, use fewer workers. Finished videos are kept"
        )


class _Worker:
    """One process, seen from the parent: its pipe, the video it has, when it was last heard of."""

    def __init__(self, plugins: Sequence[str]) -> None:
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115  (closed in `end`)
        self.process, self.pipe = start_child("coview.preparation.worker", plugins=plugins, output=self.errors)
        self.task: VideoTask | None = None
        self.frames = 0
        self.silent_seconds = 0.0
        self.has_ended = False
        self.never_started = True
        self.last_words = ""

    def hear(self, waiting: deque[VideoTask], on_frames: Callable[[int], None]) -> VideoOutcome | Crash | None:
        """Take one message and answer it; return what became of a video, if that was it."""
        try:
            kind, value = self.pipe.recv()
        except (EOFError, OSError):
            return self._bury()
        self.silent_seconds = 0.0
        self.never_started = False
        if kind == "idle":
            self._next(waiting)
        elif kind == "frames":
            on_frames(value - self.frames)
            self.frames = value
        elif kind == "done":
            self.task = None
            return cast(VideoOutcome, value)
        elif kind == "crash":
            self.last_words = value
        elif kind == "stop":
            raise UserError(value)
        return None

    def _next(self, waiting: deque[VideoTask]) -> None:
        if not waiting:
            self.end()
            return
        self.task, self.frames = waiting.popleft(), 0
        with contextlib.suppress(BrokenPipeError):  # a death is met at the next reading
            self.pipe.send(self.task)

    def check_time(self, passed_seconds: float) -> VideoOutcome | None:
        """End a worker from which nothing has come for too long; return the outcome of its video.

        Args:
            passed_seconds: since the last look, suspended time left out.
        """
        if not is_suspended(self.process.pid):
            self.silent_seconds += passed_seconds
        silent_seconds = self.silent_seconds
        limit_seconds = self.task.timeout_seconds if self.task is not None else _START_SECONDS
        if silent_seconds <= limit_seconds or self.pipe.poll():
            return None
        task = self.task
        self.end()
        if task is None:
            self.last_words = f"no sign of life for {silent_seconds:.0f} s"
            return None
        return failed(task, "too_slow", f"no frame for {silent_seconds:.0f} s")

    def _bury(self) -> Crash | None:
        """Find out why the process is gone."""
        code = self.process.wait()
        spoken = self.last_words
        self.last_words = _cause_of_death(code, spoken or self._tail_of_errors())
        if spoken:
            log.debug("traceback of a worker:\n%s", spoken)
        task = self.task
        self.end()
        return Crash(task, self.last_words) if task is not None else None

    def _tail_of_errors(self) -> str:
        size = self.errors.seek(0, os.SEEK_END)
        self.errors.seek(max(0, size - 2000))
        return self.errors.read().decode(errors="replace")

    def end(self) -> None:
        """Kill the process if it still runs, and remove what it was writing."""
        if self.has_ended:
            return
        self.has_ended = True
        self.process.kill()
        self.process.wait()
        self.pipe.close()
        self.errors.close()
        task, self.task = self.task, None
        if task is not None:
            for folder in {path.parent for path in paths_to_make(task).values()}:
                remove_parts(folder)


def _cause_of_death(code: int, last_words: str) -> str:
    lines = last_words.strip().splitlines()
    said = f": {lines[-1].strip()}" if lines else ""
    if code >= 0:
        return f"the worker process ended with exit code {code}{said}"
    name = signal.Signals(-code).name
    why = "; the system kills processes when memory runs out" if name == "SIGKILL" else said
    return f"the worker process was killed by {name}{why}"
