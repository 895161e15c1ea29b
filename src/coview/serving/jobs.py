"""Work that the page asks for, done in a process of its own: it may die or hang, and the page goes on.

A lane is one such process with a queue. It is started when the first job comes, and ended where a job takes too long.
"""

import concurrent.futures
import subprocess
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from coview.children import start_child
from coview.errors import UserError
from coview.registry import loaded_plugins

Tell = Callable[[float], None]
"""Called with the share of a job that is done."""

_START_SECONDS = 120.0
_MOST_WAITING = 400
"""Jobs that wait in a lane; more are refused, since nobody waits that long for a page."""


class BusyError(UserError):
    """More is asked for than can be done soon."""


class Lane:
    """One process that does jobs, one after the other.

    Args:
        index: folder of the index, which the process opens if a job needs it.
        run: folder of the index's run, where it was moved.
        name: for messages.
    """

    def __init__(self, index: Path, *, run: Path | None, name: str) -> None:
        self._index, self._run, self._name = index, run, name
        self._threads = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix=f"coview-{name}")
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: Connection | None = None
        self._lock = threading.Lock()
        self._num_waiting = 0

    def submit(
        self, job: str, *, timeout_seconds: float, tell: Tell | None = None, **arguments: Any
    ) -> "concurrent.futures.Future[Any]":
        """Queue a job of `coview.serving.job_process.JOBS`; its future gives what the job returns.

        Raises:
            BusyError: too many wait already. The future raises `UserError` where the job fails, dies or takes too long.
        """
        with self._lock:
            if self._num_waiting >= _MOST_WAITING:
                raise BusyError(f"{self._num_waiting} {self._name} are being made already; try again in a moment")
            self._num_waiting += 1
        future = self._threads.submit(self._do, job, timeout_seconds, tell, arguments)
        future.add_done_callback(self._count_down)
        return future

    def _count_down(self, future: "concurrent.futures.Future[Any]") -> None:
        with self._lock:
            self._num_waiting -= 1

    def _do(self, job: str, timeout_seconds: float, tell: Tell | None, arguments: dict[str, Any]) -> Any:
        try:
            pipe = self._started()
            pipe.send((job, arguments))
            while True:
                if not pipe.poll(timeout_seconds):
                    self.end()
                    raise UserError(f"it took longer than {timeout_seconds:.0f} s and was given up")
                kind, value = pipe.recv()
                if kind == "share" and tell is not None:
                    tell(value)
                elif kind == "done":
                    return value
                elif kind == "refused":
                    raise UserError(value)
        except (EOFError, OSError):
            self.end()
            raise UserError("the process that worked on it died; the file may be damaged, or memory short") from None

    def _started(self) -> Connection:
        if self._pipe is not None and self._process is not None and self._process.poll() is None:
            return self._pipe
        self.end()
        given = str(self._index), "" if self._run is None else str(self._run)
        self._process, self._pipe = start_child("coview.serving.job_process", *given, plugins=loaded_plugins())
        if not self._pipe.poll(_START_SECONDS):
            self.end()
            raise UserError(f"a process for {self._name} does not start; memory may be short")
        self._pipe.recv()
        return self._pipe

    def end(self) -> None:
        """Kill the process, if it runs; the next job starts another."""
        process, self._process = self._process, None
        pipe, self._pipe = self._pipe, None
        if process is not None:
            process.kill()
            process.wait()
        if pipe is not None:
            pipe.close()

    def close(self) -> None:
        """End for good: jobs that wait are dropped."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        process = self._process
        if process is not None:
            process.kill()
        self._threads.shutdown(wait=True)
        self.end()
