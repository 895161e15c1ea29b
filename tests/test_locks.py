"""A locked folder keeps others out until it is let go of, and no child of a killed process holds it on."""

import errno
import os
import signal
import subprocess
import sys
import tempfile
import time

import pytest

from coview import locks
from coview.cli.terminal import run_command
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


def test_temporary_folders_of_killed_commands_are_swept_and_no_others(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(locks, "SHARED_MEMORY", tmp_path / "none")
    long_ago = time.time() - 3600
    abandoned, young, foreign = (tmp_path / f"coview-{name}" for name in ("abandoned", "young", "foreign"))
    for folder in (abandoned, young, foreign):
        folder.mkdir()
        (folder / "clip.mp4").write_bytes(b"frames")
    for folder in (abandoned, young):
        (folder / ".held").touch()
    os.utime(abandoned / ".held", (long_ago, long_ago))
    os.utime(foreign, (long_ago, long_ago))
    unheld, just_made = tmp_path / "coview-unheld", tmp_path / "coview-just-made"  # killed before they could be held
    for folder in (unheld, just_made):
        folder.mkdir()
    os.utime(unheld, (long_ago, long_ago))
    with locks.temporary_folder() as held:
        os.utime(held / ".held", (long_ago, long_ago))
        assert not abandoned.exists()
        child = subprocess.run([sys.executable, "-c", SWEEP, str(tmp_path)], check=True, timeout=60)
        assert child.returncode == 0
        assert held.exists()  # another process does not take it
    assert sorted(tmp_path.iterdir()) == sorted([foreign, young, just_made])


SWEEP = """
import sys, tempfile
from coview.locks import sweep_temporary_folders
tempfile.tempdir = sys.argv[1]
sweep_temporary_folders()
"""


def test_temporary_files_of_killed_commands_are_swept(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(locks, "SHARED_MEMORY", tmp_path / "none")
    child = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], timeout=60)
    assert child.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert left.read_bytes() == b"frames"
    with locks.temporary_file(b"mine", suffix=".mp4") as own:
        locks.sweep_temporary_folders()
        assert list(tmp_path.iterdir()) == [own]
    assert list(tmp_path.iterdir()) == []


KILLED = """
import os, signal, sys, tempfile
from coview.locks import temporary_file
tempfile.tempdir = sys.argv[1]
with temporary_file(b"frames", suffix=".mp4"):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_that_nothing_temporary_can_be_written_is_one_line(monkeypatch, capsys):
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/proc/nothing"])

    def work():
        locks.sweep_temporary_folders()
        with locks.temporary_folder():
            raise AssertionError

    assert run_command(work) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: no folder for temporary files can be written")
    assert said.endswith("set TMPDIR\n")
