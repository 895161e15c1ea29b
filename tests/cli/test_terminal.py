"""Progress without a terminal: a line now and then, with a time left that belongs to the present stretch of work."""

import itertools
import logging
import os
import signal
import sys

import pytest

from coview.cli import terminal
from coview.cli.terminal import progress_bar, run_command


@pytest.fixture
def clock(monkeypatch):
    """Every look at the clock is ten seconds later."""
    seconds = itertools.count(0, 10)
    monkeypatch.setattr(terminal.time, "monotonic", lambda: float(next(seconds)))


def test_a_line_every_half_minute_with_the_time_left(clock, capsys):
    with progress_bar("work", unit="videos") as show:
        for done in range(1, 11):
            show(done, 10, {"frames": 5.0 * done, "failed": 1})
    lines = capsys.readouterr().err.splitlines()
    assert 2 <= len(lines) <= 5
    assert lines[-1].startswith("work: 10/10 videos")
    assert lines[-1].endswith("0 s left")
    assert "1 failed" in lines[0]


def test_a_new_stage_starts_its_own_clock(clock, capsys):
    with progress_bar("work", unit="steps") as show:
        for done in (*range(1, 101), *range(1, 9)):
            show(done, 100, {"loss": 1.0})
    left = float(capsys.readouterr().err.splitlines()[-1].split(", ")[-1].split()[0])
    # 8 of 100 steps at ten seconds each; counted from the first stage's start it would be over ten times that
    assert left < 2000


def test_time_left_leaves_out_time_in_which_the_process_was_suspended(monkeypatch, capsys):
    now = 0.0
    monkeypatch.setattr(terminal.time, "monotonic", lambda: now)
    show = terminal._lines("train", unit="steps")
    for step in range(1, 5):
        now += 50.0
        show(step, 10, {})
    now += 24 * 3600.0  # SIGSTOP, and SIGCONT a day later
    show(5, 10, {})
    left = float(capsys.readouterr().err.splitlines()[-1].split(", ")[-1].split()[0])
    assert 200 < left < 400


def test_what_fails_to_close_when_it_is_interrupted_is_an_interrupt_and_no_bug(capsys):
    class Archive:
        def __enter__(self):
            return self

        def __exit__(self, *raised):
            raise ValueError("seek of closed file")

    def stopped():
        with Archive():
            os.kill(os.getpid(), signal.SIGTERM)

    def broken():
        with Archive():
            raise KeyError("a bug")

    assert run_command(stopped) == 128 + signal.SIGTERM
    assert "seek" not in capsys.readouterr().err
    with pytest.raises(ValueError, match="seek of closed file"):
        run_command(broken)


@pytest.mark.parametrize("is_terminal", [False, True])
def test_names_of_files_do_not_steer_the_terminal(is_terminal, monkeypatch, capsys):
    logger = logging.getLogger("coview")
    monkeypatch.setattr(logger, "handlers", [])
    monkeypatch.setattr(logger, "propagate", logger.propagate)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal)
    monkeypatch.setenv("TERM", "dumb")  # in which rich uses no colours of its own
    terminal._console.cache_clear()
    run_command(lambda: logger.warning("left out: %s\nand more", "\x1b[31mred.mp4"))
    terminal._console.cache_clear()
    said = capsys.readouterr().err
    assert "\x1b[31mred" not in said
    assert "left out: \\x1b[31mred.mp4" in said
    assert len(said.splitlines()) == 2
