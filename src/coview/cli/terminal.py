"""What a person sees in a terminal: progress with rate and time left, messages, errors without tracebacks."""

import logging
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from coview.cli.encoding import one_line, write_plain_letters
from coview.errors import UserError
from coview.files import is_full, refusal
from coview.stopping import Interrupted, interrupts

if TYPE_CHECKING:
    from rich.console import Console

EXIT_USER_ERROR = 2
_ROOM_BYTES = 2**26
"""With so much free a disk is not full."""
_LISTED = "\n  "
"""What begins each line of several mistakes in one message."""


def run_command(command: Callable[[], int | None]) -> int:
    """Run a command; a user's mistake becomes one line and an exit status, a bug keeps its traceback."""
    try:
        with interrupts():  # first of all: a signal may come while the rest is still being imported
            write_plain_letters()
            _show_messages()
            return command() or 0
    except UserError as error:
        _console().print("[bold red]error:[/]", _plain(str(error)))
        return EXIT_USER_ERROR
    except KeyboardInterrupt as interrupt:
        print(str(interrupt) or "interrupted", file=sys.stderr)
        return Interrupted(by=interrupt).exit_status
    except BrokenPipeError:  # `coview list | head`
        sys.stderr.close()
        return 0
    except OSError as error:
        refused = _refusal(error)
        if refused is None:
            raise
        _console().print("[bold red]error:[/]", _plain(str(refused)))
        return EXIT_USER_ERROR


def _refusal(error: OSError) -> UserError | None:
    """Return what to tell where the place is at fault: a full or read-only disk, a name too long."""
    here = Path.cwd()
    if is_full(error) and error.filename is None and shutil.disk_usage(here).free > _ROOM_BYTES:
        return UserError(f"something cannot be written ({error.strerror}), perhaps what is printed here")
    return refusal(error, here)


def _plain(text: str) -> str:
    """Return text that rich prints as it is, in one line whatever it names; a list of mistakes keeps its lines."""
    from rich.markup import escape

    return escape(_LISTED.join(map(one_line, text.split(_LISTED))))


@cache
def _console() -> "Console":
    """Return the one console on standard error: messages and bars must know of each other to share the screen."""
    from rich.console import Console

    return Console(stderr=True, soft_wrap=True, highlight=False)


class _MessageFormatter(logging.Formatter):
    """Shows control characters, as names of files may hold them, as text; levels, if asked, of warnings and errors.

    Args:
        with_level: begin with the level, where nothing else shows it.
    """

    def __init__(self, *, with_level: bool) -> None:
        super().__init__("%(message)s")
        self._with_level = with_level

    def format(self, record: logging.LogRecord) -> str:
        text = "\n".join(map(one_line, super().format(record).split("\n")))
        return f"{record.levelname.lower()}: {text}" if self._with_level and record.levelno >= logging.WARNING else text


def _show_messages() -> None:
    """Show coview's log messages on standard error; warnings stand out."""
    logger = logging.getLogger("coview")
    if logger.handlers:
        return
    handler: logging.Handler
    if sys.stderr.isatty():
        from rich.logging import RichHandler

        handler = RichHandler(console=_console(), show_time=False, show_path=False, markup=False)
    else:
        handler = logging.StreamHandler()
    handler.setFormatter(_MessageFormatter(with_level=not sys.stderr.isatty()))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False


@contextmanager
def progress_bar(title: str, *, unit: str) -> Iterator[Callable[[int, int, Mapping[str, float]], None]]:
    """Show a bar while the block runs; it is fed with (done, total, amounts).

    Where standard error is no terminal, a line every half minute replaces the bar.
    """
    if not sys.stderr.isatty():
        yield _lines(title, unit=unit)
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TextColumn("{task.fields[amounts]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=_console(), redirect_stdout=False) as bar:
        task = bar.add_task(title, total=None, amounts="")
        meter = _Meter()
        last_done = 0

        def show(done: int, total: int, amounts: Mapping[str, float]) -> None:
            nonlocal last_done
            if done < last_done:  # a new stretch of work, with a pace of its own
                bar.reset(task)
            last_done = done
            bar.update(task, completed=done, total=total, amounts=meter.describe(amounts))

        yield show


class _Watch:
    """Seconds since its making, without those in which the process was suspended: far longer than between any calls."""

    def __init__(self) -> None:
        self._looked_at, self._seconds, self._longest = time.monotonic(), 0.0, 60.0

    def seconds(self) -> float:
        """Return the seconds so far; ask often."""
        before, self._looked_at = self._looked_at, time.monotonic()
        passed = min(self._looked_at - before, self._longest)
        self._longest = max(self._longest, 2 * passed)
        self._seconds += passed
        return self._seconds


class _Meter:
    """Turns amounts into text; counts of frames into a rate."""

    def __init__(self) -> None:
        self._watch = _Watch()
        self._first_frames: float | None = None

    def describe(self, amounts: Mapping[str, float]) -> str:
        """Return such as "412 frames/s" or "loss 5.31, 18 clips/s, 3% waiting for data"."""
        texts = []
        if "frames" in amounts:
            if self._first_frames is None:
                self._first_frames = amounts["frames"]
            frames, seconds = amounts["frames"] - self._first_frames, max(self._watch.seconds(), 1e-3)
            texts += [f"{frames / seconds:.0f} frames/s"] if frames else []
        if amounts.get("failed"):
            texts.append(f"{amounts['failed']:.0f} failed")
        if "loss" in amounts:
            texts.append(f"loss {amounts['loss']:.3f}")
        if "validation_loss" in amounts:
            texts.append(f"validation {amounts['validation_loss']:.3f}")
        if "clips_per_second" in amounts:
            texts.append(f"{amounts['clips_per_second']:.1f} clips/s")
        if "data_wait_share" in amounts:
            texts.append(f"{amounts['data_wait_share']:.0%} waiting for data")
        if "decoding_cores" in amounts:
            cores = amounts["decoding_cores"], amounts.get("augmenting_cores", 0.0)
            texts.append("{:.2f} cores decoding, {:.2f} augmenting".format(*cores))
        return ", ".join(texts)


def _lines(title: str, *, unit: str) -> Callable[[int, int, Mapping[str, float]], None]:
    """Return a sink that prints a line now and then, for logs of jobs and builds."""
    meter = _Meter()
    watch = _Watch()
    started = last = watch.seconds()
    last_done = 0

    def show(done: int, total: int, amounts: Mapping[str, float]) -> None:
        nonlocal started, last, last_done
        now = watch.seconds()
        if done < last_done:  # a new stretch of work, with a pace of its own
            started = last = now
        last_done = done
        if done < total and now - last < 30:
            return
        last = now
        text = meter.describe(amounts)
        left = f"{(now - started) / done * (total - done):.0f} s left" if done else ""
        print(f"{title}: {done}/{total} {unit}", *filter(None, (text, left)), sep=", ", file=sys.stderr)

    return show
