"""What tyro says of a mistake becomes one line. These lines are whole, so that another form of its box shows here."""

import sys

import pytest
import tyro

from coview.cli import run_arguments
from coview.cli.terminal import run_command


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("search idx", "coview search needs QUERY: What to look for"),
        ("search", "coview search needs INDEX: Folder made by `coview index`; QUERY: What to look for"),
        ("head idx --out", "--out needs a value"),
        ("search idx -clip", "query needs a value; what begins with a dash comes last, after --: -- -clip"),
        ("sample idx x", "COUNT takes a whole number, not 'x'"),
        ("duplicates idx --min-confidence y", "--min-confidence takes a number, not 'y'"),
        ("index run videos idx --workers 1.5", "--workers takes a whole number, not '1.5'"),
        ("labels imprt idx", "action is 'imprt'; did you mean 'import'? Known: import, export, show, undo"),
        (
            "export run --out x --format onx",
            "--format is 'onx'; did you mean 'onnx'? Known: onnx, torch-export, hf",
        ),
        ("table --fromat csv", "not understood: --fromat, csv; did you mean --format?"),
        ("embed run videos more --out x", "not understood: more"),
    ],
)
def test_each_mistake_is_this_line(words, line, capsys):
    assert run_command(lambda: run_arguments(words.split())) == 2
    name = words.split()[0]
    assert capsys.readouterr().err == f"error: {line} (see coview {name} --help)\n"


@pytest.mark.parametrize(
    ("box", "line"),
    [
        ("", "not understood"),
        ("╭──────╮\n│──────│\n╰──────╯\n", "not understood"),
        ("╭ Error ╮\n│ Something new: │\n│─────────│\n│ --out wants it │\n╰──────╯\n", "Something new: --out wants it"),
        ("usage: coview table\n\tbad: 'x'\n", "usage: coview table bad: 'x'"),
        ("│ Missing from nothing │", "Missing from nothing"),
        ("│ Error parsing --x: │", "Error parsing --x:"),
    ],
)  # fmt: skip
def test_a_box_of_another_form_is_told_in_its_own_words(box, line, monkeypatch, capsys):
    def cli(*_, **__):
        sys.stderr.write(box)
        raise SystemExit(2)

    monkeypatch.setattr(tyro, "cli", cli)
    assert run_command(lambda: run_arguments(["table", "x"])) == 2
    assert capsys.readouterr().err == f"error: {line} (see coview table --help)\n"
