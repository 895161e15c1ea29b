"""A claimed folder keeps others out until it is let go of, and no child of a killed process holds it on."""

import os
import signal
import time

import pytest

from coview.datasets.claim import claimed
from coview.errors import UserError

pytest.importorskip("fcntl")


def test_a_second_claim_is_refused_until_the_first_ends(tmp_path):
    lock = tmp_path / "lock"
    with claimed(lock, otherwise="busy"), pytest.raises(UserError, match="busy"), claimed(lock, otherwise="busy"):
        raise AssertionError("claimed twice")
    with claimed(lock, otherwise="busy"):
        pass


def test_what_a_killed_process_leaves_behind_does_not_hold_it(tmp_path):
    lock = tmp_path / "lock"
    told, tell = os.pipe()
    parent = os.fork()
    if parent == 0:
        with claimed(lock, otherwise="busy"):
            child = os.fork()
            if child == 0:
                os.write(tell, str(os.getpid()).encode())
            time.sleep(60)
            os._exit(1)
    child = int(os.read(told, 20))
    with pytest.raises(UserError, match="the parent"), claimed(lock, otherwise="the parent"):
        raise AssertionError("claimed twice")
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    try:
        with claimed(lock, otherwise="the child"):
            os.kill(child, 0)  # it lives on
    finally:
        os.kill(child, signal.SIGKILL)
