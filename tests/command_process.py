"""Commands in processes of their own, forked from one that has imported what they need: they start in an instant."""

import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

from two_processes import PRELOADED

SAID = "said.txt"


def start_command(words: list[str], folder: Path, **variables: str) -> BaseProcess:
    """Start `coview WORDS` in a session of its own; what it prints goes into said.txt in a folder.

    Args:
        words: the command line.
        folder: for said.txt and temporary files.
        variables: of its environment.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    process = context.Process(target=_run_command_line, args=(words, folder, variables))
    process.start()
    return process


def _run_command_line(words: list[str], folder: Path, variables: dict[str, str]) -> None:
    import torch

    from coview.cli import run_arguments
    from coview.cli.terminal import run_command

    os.setsid()
    os.environ.update(variables)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # ignored where the tests themselves run under nohup
    torch.set_num_threads(1)
    tempfile.tempdir = str(folder)
    said = (folder / SAID).open("w", buffering=1)
    sys.stdout = sys.stderr = said
    sys.exit(run_command(lambda: run_arguments(words)))


def steps_logged(out: Path) -> int:
    """Return how many steps of training a run's log tells of."""
    log = out / "log.jsonl"
    return log.read_text().count('"event": "step"') if log.exists() else 0


def wait_until(holds: Callable[[], object], *, seconds: float = 120.0) -> bool:
    """Wait for a condition; return whether it came to hold."""
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.02)
    return bool(holds())
