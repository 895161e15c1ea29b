"""A test that kills its worker is named as a failure, and the others run on: with the options of this project."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

TESTS = """
import os
import pytest

@pytest.mark.parametrize("number", range(6))
def test_before(number): pass

@pytest.mark.parametrize("number", range(3))
def test_kills_its_worker(number):
    os.abort()

@pytest.mark.parametrize("number", range(6))
def test_after(number): pass
"""


def parallel_options() -> list[str]:
    """Return what `make test` gives to pytest, but for the folder."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    found = re.search(r"-m pytest (.*) tests$", makefile, re.MULTILINE)
    assert found
    return found[1].split()


def test_a_dying_worker_names_its_test_and_the_rest_goes_on(tmp_path: Path) -> None:
    (tmp_path / "test_example.py").write_text(TESTS, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(tmp_path)]
    options = [*parallel_options(), "-p", "no:cacheprovider", str(tmp_path)]
    for _ in range(3):  # xdist may still be handing tests to a worker that has just died, and then ends itself
        done = subprocess.run(
            [*command, *options], capture_output=True, text=True, cwd=tmp_path, timeout=90, check=False
        )
        said = done.stdout + done.stderr
        if "cannot send (already closed?)" not in said:
            break
    assert done.returncode == 1, said
    assert "3 failed, 12 passed" in said, said
    for number in range(3):
        assert re.search(rf"worker 'gw\d+' crashed while running '\S*test_kills_its_worker\[{number}\]'", said), said
    assert "Fatal Python error: Aborted" in said  # and the place in the code
