"""A stop signal ends a command, in the middle of an import too."""

import contextlib
import errno
import os
import signal
import subprocess
import sys
import time

import pytest

from coview.errors import UserError
from coview.stopping import Interrupted, interrupts, stop_signals_to

MODULE = """
import os, signal, time
os.kill(os.getpid(), signal.SIGTERM)
time.sleep(0.2)
is_whole = True
"""


def test_a_module_that_is_being_imported_is_let_through_first(tmp_path, monkeypatch):
    (tmp_path / "slow_to_import.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(Interrupted) as stopped, interrupts():  # noqa: PT012
        import slow_to_import  # noqa: F401

        signal.pause()
    assert stopped.value.exit_status == 128 + signal.SIGTERM
    assert sys.modules.pop("slow_to_import").is_whole


def test_elsewhere_a_stop_signal_ends_the_block_at_once():
    after = []
    with pytest.raises(Interrupted), interrupts():  # noqa: PT012
        os.kill(os.getpid(), signal.SIGTERM)
        after.append("went on")
    assert not after


def test_a_stop_that_is_swallowed_comes_again():
    class Swallowing:
        def __del__(self):
            os.kill(os.getpid(), signal.SIGTERM)
            len([])

    with pytest.raises(Interrupted), interrupts():  # noqa: PT012
        thing = Swallowing()
        del thing
        signal.pause()


def test_an_error_into_which_a_library_turned_the_stop_is_the_stop():
    """As pydantic's core does, written in Rust."""

    def build():
        failed = False
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            len([])
        except BaseException:  # noqa: BLE001  (as it does)
            failed = True
        if failed:
            raise ValueError("Interrupted: ")

    with pytest.raises(Interrupted) as stopped, interrupts():
        build()
    assert stopped.value.exit_status == 128 + signal.SIGTERM


def test_what_was_put_off_comes_to_whoever_takes_it_by_then(tmp_path, monkeypatch):
    """A signal in the start-up of training, of which the loop hears: it saves, where an exception would not."""
    (tmp_path / "slower_to_import.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    heard = []
    with interrupts():
        import slower_to_import  # noqa: F401

        with stop_signals_to(lambda number, frame: heard.append(number)):
            deadline = time.monotonic() + 10
            while not heard and time.monotonic() < deadline:
                time.sleep(0.01)
    assert heard == [signal.SIGTERM]


def look_damaged():
    """As torch.asarray does, which turns what a signal raises in it into a ValueError."""
    try:
        with contextlib.suppress(Interrupted):
            signal.raise_signal(signal.SIGTERM)
        raise ValueError("could not determine the shape")
    except ValueError as error:
        raise UserError("the checkpoint is damaged") from error


def fail_to_keep():
    try:
        signal.raise_signal(signal.SIGTERM)
    finally:
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError as error:
            raise UserError("no space left") from error


def test_what_a_swallowed_stop_is_taken_for_is_the_stop():
    with pytest.raises(Interrupted) as stopped, interrupts():
        look_damaged()
    assert stopped.value.exit_status == 128 + signal.SIGTERM


def test_a_disk_that_is_full_at_a_stop_is_told():
    with pytest.raises(UserError, match="no space left"), interrupts():
        fail_to_keep()


def test_an_alarm_of_others_is_theirs_again(tmp_path, monkeypatch):
    """The time-out of a program around this one; what waits when a block ends is forgotten, whenever it would come."""
    rung = []
    monkeypatch.syspath_prepend(tmp_path)
    before = signal.signal(signal.SIGALRM, lambda number, frame: rung.append(number))
    try:
        for place in range(20):
            name = f"quick_to_import_{place}"
            (tmp_path / f"{name}.py").write_text(f"import os, signal, time\nos.kill(os.getpid(), {signal.SIGTERM})\n")
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("coview.stopping._AGAIN_SECONDS", 1e-3 + 2e-4 * place)  # before, at and after its end
                try:
                    with interrupts():
                        __import__(name)
                except Interrupted:
                    pass
        assert rung == []
        signal.raise_signal(signal.SIGALRM)
        assert rung == [signal.SIGALRM]
    finally:
        signal.signal(signal.SIGALRM, before)


STARTING = """
import signal, sys, types
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it from the start
import coview.__main__
listed = types.ModuleType("coview.cli")  # in place of what takes long to import
listed.main = lambda: (print("up", flush=True), signal.pause())
sys.modules["coview.cli"] = listed
coview.__main__.start()
"""


def test_ctrl_c_before_a_command_listens_shows_no_traceback():
    command = [sys.executable, "-c", STARTING]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "up\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60)[1] == ""
    assert process.returncode == -signal.SIGINT
