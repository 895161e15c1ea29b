"""Commands in forked children of a process that has imported everything: killed, signalled, on a disk of their own."""

import contextlib
import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from coview.cli import run_arguments
from coview.cli.terminal import run_command
from coview.files import is_running
from coview.stopping import STOP_SIGNALS

SUSPENDED_SECONDS = 2.5
_NEW_MOUNTS = 0x00020000
_END_SECONDS = 20.0


@dataclass(frozen=True)
class Ended:
    """How a child ended.

    Attributes:
        status: exit status; minus the signal where one killed it.
        text: what it printed.
        processor_seconds: what it took, with the processes that it waited for.
    """

    status: int
    text: str
    processor_seconds: float

    @property
    def objection(self) -> str:
        """Say what no ending may be: a traceback, or a death by something else than a kill."""
        if "Traceback" in self.text:
            return f"traceback: {self.text[self.text.index('Traceback') :][-900:]}"
        if self.status < 0 and self.status != -signal.SIGKILL:
            return f"died of signal {-self.status}"
        return "" if self.status <= 2 or self.status > 128 else f"exit status {self.status}"


def run_child(
    work: Callable[[], int | str],
    log: Path,
    *,
    send: signal.Signals | None = None,
    after_seconds: float = 0.0,
    to_all: bool = False,
    limit_seconds: float = 120.0,
) -> Ended:
    """Fork a child that does some work, and wait for it.

    Args:
        work: returns the exit status, or what is wrong.
        log: file for what it prints.
        send: a signal for it; None: it runs to its end. After SIGSTOP it is let go on.
        after_seconds: when to send it.
        to_all: the processes that it started get the signal, too.
        limit_seconds: when to give up: the child is killed and its status is 99.
    """
    started = time.monotonic()
    log.write_bytes(b"")
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)  # the child hears them once it can answer
    child = os.fork()
    if child == 0:
        _be_child(work, log)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    is_sent, known = send is None, set[int]()
    while True:
        done, status, used = os.wait4(child, os.WNOHANG)
        elapsed = time.monotonic() - started
        known.update(descendants(child) if to_all and not done else ())
        if done:
            text = log.read_text(errors="replace")
            outlived = _wait_for_ends(known)
            if outlived:
                text += f"\nTraceback: outlived by {outlived}"
            return Ended(os.waitstatus_to_exitcode(status), text, used.ru_utime + used.ru_stime)
        if not is_sent and elapsed >= after_seconds and send is not None:
            targets = [child, *(descendants(child) if to_all else ())]
            _send(send, targets)
            if send == signal.SIGSTOP:
                time.sleep(SUSPENDED_SECONDS)
                _send(signal.SIGCONT, targets)
            is_sent = True
        if elapsed > limit_seconds:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return Ended(99, "no end", limit_seconds)
        time.sleep(0.002)


def descendants(pid: int) -> list[int]:
    """Return the processes that a process, or one of those, started."""
    parents: dict[int, list[int]] = {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, IndexError, ValueError):
            fields = place.read_text(errors="replace").rpartition(")")[2].split()
            parents.setdefault(int(fields[1]), []).append(int(place.parent.name))
    found, waiting = [], [pid]
    while waiting:
        children = parents.get(waiting.pop(), [])
        found += children
        waiting += children
    return found


def _send(number: signal.Signals, pids: Sequence[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _wait_for_ends(pids: set[int]) -> list[int]:
    """Give processes time to end; return those that do not."""
    deadline = time.monotonic() + _END_SECONDS
    left = list(pids)
    while left and time.monotonic() < deadline:
        left = [pid for pid in left if is_running(pid)]
        time.sleep(0.02)
    _send(signal.SIGKILL, left)
    return left


def _be_child(work: Callable[[], int | str], log: Path) -> None:
    status = 98
    try:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        written = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(written, 1)
        os.dup2(written, 2)
        logging.getLogger("coview").handlers.clear()  # they write to where the parent did
        sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: PTH123, SIM115
        outcome = work()
        if isinstance(outcome, str):
            print(outcome)
            outcome = 97 if outcome else 0
        status = outcome
    except KeyboardInterrupt:
        status = 130
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001  (the parent looks for it)
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def command(*words: object) -> Callable[[], int]:
    """Return a command line as the work of a child; what `run_child` held back comes when the command listens."""

    def run() -> int:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        return run_arguments([str(word) for word in words])

    return lambda: run_command(run)


def can_mount() -> bool:
    """Say whether a child may have a disk of its own."""
    child = os.fork()
    if child == 0:
        os._exit(0 if ctypes.CDLL(None).unshare(_NEW_MOUNTS) == 0 else 1)
    return os.waitpid(child, 0)[1] == 0


def mount_own(place: Path, *, kilobytes: int) -> None:
    """Lay an empty disk of this size over a folder, for this process and its children alone."""
    if ctypes.CDLL(None).unshare(_NEW_MOUNTS) != 0:
        raise OSError("no mount of one's own")
    _mount("--make-rprivate", "/")
    _mount("-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(place))


def mount_again(place: Path, options: str) -> None:
    """Change that disk: "size=9000k" or "ro"."""
    _mount("-o", f"remount,{options}", str(place))


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True, capture_output=True)


def status_of(words: Sequence[object]) -> int:
    """Run a command in this process; return its exit status."""
    return command(*words)()
