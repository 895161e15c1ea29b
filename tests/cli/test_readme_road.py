"""The README's road for one's own videos, typed as it stands there on ten small clips; its sample is what comes out."""

import re
import shlex
from functools import partial
from pathlib import Path

from coview.cli import run_arguments
from coview.cli.terminal import run_command

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
ROAD = README.split("## Your own videos")[1].split("\n## ")[0]
COMMANDS, SAMPLE = (re.search(rf"```{kind}\n(.*?)```", ROAD, re.DOTALL)[1].splitlines() for kind in ("bash", "text"))
QUICK = {
    "init": "--minutes 5",
    "prepare": "--workers 0 --short-side 48",
    "pretrain": "--max-steps 2 --training.workers 0 --training.precision fp32 --training.channels-last never",
    "index": "--workers 0",
    "search": "",
}


def shape_of(line: str) -> str:
    """A pattern for lines that differ in numbers alone; of the machine, for what every machine has."""
    if line.startswith("machine:"):
        return r"machine: \d+ cores?, \d+ GB"
    words = [re.sub(r"\d+(?:\\\.\d+)?", r"\\d+(?:\\.\\d+)?", re.escape(word)) for word in line.split()]
    return r"\s+".join(words)


def test_the_road_of_the_readme_says_what_its_sample_shows(tmp_path, monkeypatch, capsys, write_clip):
    for number in range(10):
        write_clip(tmp_path / "my_videos" / f"clip{number}.mp4", num_frames=32 + number, height=48, width=64)
    monkeypatch.chdir(tmp_path)
    typed = [line for line in COMMANDS if not line.startswith("coview serve")]
    typed += [line.removeprefix("$ ") for line in SAMPLE if line.startswith("$ coview search")]
    printed = ""
    for line in typed:
        words = shlex.split(line, comments=True)[1:]
        assert run_command(partial(run_arguments, [*words, *shlex.split(QUICK[words[0]])])) == 0, line
        said = capsys.readouterr()
        printed += said.out + said.err
    for line in SAMPLE:
        assert line.startswith("$ ") or re.search(shape_of(line), printed), f"{line}\n{printed}"
