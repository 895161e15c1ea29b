"""Streams that are closed or full, and a current folder that is gone."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from coview.errors import UserError
from coview.files import require_writable

COMMAND = f"{sys.executable} -m coview"


def run(words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", "-c", words], cwd=folder, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_end_nothing(closed, tmp_path):
    done = run(f"{COMMAND} list methods {closed}", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert ("cocon" in done.stdout) == (">&-" not in closed.split())


def test_no_file_takes_the_number_of_a_closed_stream(tmp_path):
    opens = (
        "from coview.__main__ import open_closed_streams as o; o(); print(open('a', 'w').fileno(), file=open('b', 'w'))"
    )
    assert run(f'{sys.executable} -c "{opens}" <&- >&- 2>&-', tmp_path).returncode == 0
    assert int((tmp_path / "b").read_text()) > 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device here")
def test_a_full_place_of_the_output_is_not_blamed_on_this_folder(tmp_path):
    done = run(f"{COMMAND} list configs > /dev/full", tmp_path)
    assert done.returncode == 2
    assert done.stderr == (
        "error: something cannot be written (No space left on device), perhaps what is printed here\n"
    )


def test_a_current_folder_that_is_gone_is_told(tmp_path):
    done = run(f"mkdir a; cd a; rmdir ../a; {COMMAND} list methods", tmp_path)
    assert (done.returncode, done.stderr) == (
        2,
        "error: the current folder is not there any more; go to another one (cd)\n",
    )


def test_a_folder_that_takes_no_files_is_named_rather_than_the_file_of_the_trial(tmp_path, monkeypatch):
    def refuse(dir):  # root may write into every folder, so permissions cannot be used here
        raise PermissionError(13, "Permission denied", f"{dir}/tmpa1b2c3")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with pytest.raises(UserError, match=f"^{tmp_path} cannot be used: Permission denied"):
        require_writable(tmp_path / "idx")
