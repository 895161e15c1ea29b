"""A locked folder keeps others out until it is let go of, and no child of a killed process holds it on."""

import errno
import os
import signal
import time

import pytest

from coview.errors import UserError
from coview.locks import folder_lock


def test_a_second_lock_is_refused_until_the_first_ends(tmp_path):
    lock = tmp_path / "lock"
    first, second = (folder_lock(lock, otherwise="busy") for _ in range(2))
    with first, pytest.raises(UserError, match="busy"), second:
        raise AssertionError("locked twice")
    with folder_lock(lock, otherwise="busy"):
        pass


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_what_a_killed_process_leaves_behind_does_not_hold_it(tmp_path):
    lock = tmp_path / "lock"
    told, tell = os.pipe()
    parent = os.fork()
    if parent == 0:
        with folder_lock(lock, otherwise="busy"):
            child = os.fork()
            if child == 0:
                os.write(tell, str(os.getpid()).encode())
            time.sleep(60)
            os._exit(1)
    child = int(os.read(told, 20))
    with pytest.raises(UserError, match="the parent"), folder_lock(lock, otherwise="the parent"):
        raise AssertionError("locked twice")
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    try:
        with folder_lock(lock, otherwise="the child"):
            os.kill(child, 0)  # it lives on
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_disk_without_locks_is_used_without_one(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def refuse(descriptor, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    entered = []
    with folder_lock(tmp_path / "lock", otherwise="busy"):
        entered.append(True)
    assert entered
