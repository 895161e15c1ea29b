"""Terminals of ASCII and of twenty columns show everything in their way, and nothing ends in a traceback."""

import io
import os
import subprocess
import sys

import pandas as pd
import pytest

from coview.cli.encoding import write_plain_letters
from coview.cli.terminal import run_command
from coview.evaluation.results.tables import Table, lay_out


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("ascii", "41.3 +- 2.0 - Koeln x ? e"),
        ("latin-1", "41.3 ± 2.0 - Koeln × ? é"),
        ("utf-8", "41.3 ± 2.0 – Koeln × 眠 é"),
    ],
)
def test_what_a_terminal_lacks_is_written_in_plain_letters(encoding, shown, monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    write_plain_letters()
    print("41.3 ± 2.0 – Koeln × 眠 é", end="")
    stream.flush()
    assert stream.buffer.getvalue().decode(encoding) == shown


def test_a_name_that_is_no_text_can_be_printed(monkeypatch):
    """File names of other encodings reach Python as lone surrogates."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    monkeypatch.setattr(sys, "stdout", stream)

    def command() -> int:
        print("v\udce9.mp4")
        return 0

    assert run_command(command) == 0
    stream.flush()
    assert stream.buffer.getvalue() == b"v?.mp4\n"


@pytest.mark.parametrize("columns", ["20", "7"])
def test_a_narrow_terminal_gets_every_word(columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    cells = pd.DataFrame([["mean of views, random weights", "41.3 ± 2.0", "61.3"]], columns=["in %", "R@1", "R@5"])
    text = lay_out([Table("retrieval, split split1", cells, "150 of 150 query videos scored.")], "text")
    for word in ("retrieval,", "mean of views, random weights", "41.3 ± 2.0", "61.3", "scored"):
        assert word in text, word


def test_help_in_an_ascii_terminal_of_twenty_columns():
    plain = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "COLUMNS": "20"}
    for words in (["evaluate", "--help"], ["list", "protocols"], ["table", "no/run"]):
        command = [sys.executable, "-c", "from coview.cli import main; main()", *words]
        done = subprocess.run(command, capture_output=True, text=True, env=plain, timeout=120, check=False)
        assert "Traceback" not in done.stderr, done.stderr[-800:]
        assert done.returncode == (2 if "no/run" in words else 0)
