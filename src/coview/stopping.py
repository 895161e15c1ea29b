"""Asked to stop: by Ctrl-C (SIGINT), a scheduler or container (SIGTERM), a terminal that closes (SIGHUP).

The process that the user started decides what is saved. Processes that work for it leave these signals to it, since
they come to the whole group, and end when it ends.
"""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from types import FrameType

from coview.errors import UserError

logger = logging.getLogger(__name__)

STOP_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
SAME_REQUEST_SECONDS = 1.0
"""A launcher passes on a signal that the whole group got already: what follows so soon asks nothing new."""
_LOOK_SECONDS = 0.5
_SAVING_SECONDS = 60.0
"""How long a process may go on without its launcher, to save."""
_AGAIN_SECONDS = 0.05

Handler = Callable[[int, FrameType | None], None]


class Interrupted(KeyboardInterrupt):
    """Stopped on request; the message says what is kept and how to go on.

    Args:
        message: for the user.
        by: the signal, or the interrupt that this one explains.
    """

    def __init__(self, message: str = "", *, by: int | BaseException = signal.SIGINT) -> None:
        super().__init__(message)
        self.signal_number = int(by if isinstance(by, int) else getattr(by, "signal_number", signal.SIGINT))

    @property
    def exit_status(self) -> int:
        """128 + the signal's number, as shells and schedulers expect."""
        return 128 + self.signal_number


@contextmanager
def stop_signals_to(handler: Handler) -> Iterator[None]:
    """Let `handler` take the stop signals inside the block.

    Only the main thread may do so; elsewhere the caller's own handling stays. SIGHUP that is ignored stays ignored:
    that is what nohup is for.
    """
    previous = {}
    if threading.current_thread() is threading.main_thread():
        for number in STOP_SIGNALS:
            if number == signal.SIGINT or signal.getsignal(number) is not signal.SIG_IGN:
                previous[number] = signal.signal(number, handler)
    try:
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, before)


@contextmanager
def interrupts() -> Iterator[None]:
    """Raise `Interrupted` on a stop signal inside the block, so that whatever is open is closed and said.

    What is closed then may fail in its own way (a zip file that was being written, say), and libraries in other
    languages turn whatever is raised in them into errors of their own, which may then be taken for a damaged file. That
    is nothing to be shown: the block still ends with `Interrupted`, unless what it kept could not be written. Modules
    that are being imported are let through first: libraries in C++ die of an exception there, or swallow it. What is
    swallowed elsewhere is raised once more. SIGALRM, which serves for both, is afterwards as it was before.
    """
    alarm_before = signal.getsignal(signal.SIGALRM) if hasattr(signal, "SIGALRM") else None
    raised_at, is_put_off, stopped_by = -SAME_REQUEST_SECONDS, False, 0
    outermost = sys._getframe().f_back

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal raised_at, is_put_off, stopped_by
        if _is_importing(frame, outermost):
            is_put_off = _send_later(number)
            return
        before, raised_at = raised_at, time.monotonic()
        if raised_at - before > SAME_REQUEST_SECONDS:
            stopped_by = number
            raise Interrupted(by=number)

    def swallow(unraisable: "sys.UnraisableHookArgs") -> None:
        nonlocal raised_at, is_put_off
        if isinstance(unraisable.exc_value, Interrupted):
            raised_at = -SAME_REQUEST_SECONDS
            is_put_off = _send_later(unraisable.exc_value.signal_number)
        else:
            shown(unraisable)

    shown = sys.unraisablehook
    with stop_signals_to(interrupt), _replaced_hook(swallow):
        try:
            try:
                yield
            finally:
                if is_put_off:  # there is nothing left to stop
                    signal.setitimer(signal.ITIMER_REAL, 0)
                    signal.signal(signal.SIGALRM, alarm_before)
        except Exception as error:
            if not stopped_by or _tells_of_the_disk(error):
                raise
            raise _interrupt_behind(error, otherwise=Interrupted(by=stopped_by)) from error


@contextmanager
def _replaced_hook(hook: "Callable[[sys.UnraisableHookArgs], None]") -> Iterator[None]:
    """Let `hook` see the exceptions that nobody can catch inside the block."""
    before, sys.unraisablehook = sys.unraisablehook, hook
    try:
        yield
    finally:
        sys.unraisablehook = before


def _is_importing(frame: FrameType | None, outermost: FrameType | None) -> bool:
    """Say whether a module is being imported in a frame or below, down to `outermost`."""
    while frame is not None and frame is not outermost:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _send_later(number: int) -> bool:
    """Send this process a signal once more in a moment, by an alarm, which needs no lock; say whether it will.

    It comes to whoever takes the signal then: training that has begun in between saves first.
    """
    if not hasattr(signal, "setitimer"):
        return False
    signal.signal(signal.SIGALRM, lambda _, frame: signal.raise_signal(number))
    signal.setitimer(signal.ITIMER_REAL, _AGAIN_SECONDS)
    return True


def _tells_of_the_disk(error: Exception) -> bool:
    """Say whether an error told to the user comes from reading or writing a file, such as a full disk."""
    return isinstance(error, UserError) and isinstance(error.__cause__, OSError)


def _interrupt_behind(error: BaseException | None, *, otherwise: Interrupted) -> Interrupted:
    """Return the interrupt during whose handling an error arose."""
    while error is not None and not isinstance(error, Interrupted):
        error = error.__context__
    return otherwise if error is None else error


@contextmanager
def stop_signals_held_back() -> Iterator[None]:
    """Keep stop signals waiting inside the block; processes started in it begin so (see `leave_stopping_to_parent`)."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def leave_stopping_to_parent(parent: int | None = None, *, at_its_end: Callable[[], None] | None = None) -> None:
    """Ignore the stop signals in this process, and end it soon after its parent, even in the middle of work.

    Args:
        parent: process number of the parent, as the parent knows it; None: the parent of now.
        at_its_end: called before this process ends with its parent.
    """

    def end() -> None:
        if at_its_end is not None:
            at_its_end()
        os._exit(1)

    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    when_parent_ends(end, parent=parent)


def when_parent_ends(act: Callable[[], None], *, parent: int | None = None) -> None:
    """Call `act` in a thread of its own soon after this process has lost its parent."""
    known = os.getppid() if parent is None else parent

    def watch() -> None:
        while os.getppid() == known:
            time.sleep(_LOOK_SECONDS)
        act()

    threading.Thread(target=watch, daemon=True, name="watch-parent").start()


@cache
def end_with_launcher() -> None:
    """Under torchrun: stop as on SIGTERM when it ends, and in any case soon. A killed one can tell nobody.

    To be called early: what has ended before is not seen.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ:
        when_parent_ends(_stop_without_launcher)


def _stop_without_launcher() -> None:
    logger.warning("torchrun, which started this process, has ended")
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_SAVING_SECONDS)
    os._exit(128 + signal.SIGTERM)


@contextmanager
def ending_at_once() -> Iterator[None]:
    """Let SIGTERM end the process inside the block, where it waits in C++ with nothing to save.

    Python's own handlers are called only when C++ has come back. A signal that was put off until modules are imported
    comes first.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    if hasattr(signal, "getitimer") and 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= _AGAIN_SECONDS:
        time.sleep(2 * _AGAIN_SECONDS)
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def is_suspended(pid: int) -> bool:
    """Whether a process of this machine is stopped (SIGSTOP, a debugger); False where that cannot be told."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()[0] in "tT"
    except (OSError, IndexError):
        return False
