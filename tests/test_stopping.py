"""A stop signal ends a command, in the middle of an import too."""

import os
import signal
import sys

import pytest

from coview.stopping import Interrupted, interrupts

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
