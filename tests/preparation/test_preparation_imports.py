"""A folder of videos is data: no Python file that lies there is run, whatever it is called."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from coview.preparation import pool

HIJACK = "import pathlib\npathlib.Path(__file__).with_suffix('.was_run').touch()\nraise SystemExit('hijacked')\n"
NAMES = ("av", "cv2", "random", "secrets", "tempfile", "json", "yaml", "numpy", "socket", "mediapipe", "coview")


@pytest.fixture
def folder(tmp_path: Path, write_clip: Any) -> Path:
    videos = tmp_path / "videos"
    videos.mkdir()
    for name in ("a", "b"):
        write_clip(videos / f"{name}.mp4", num_frames=6)
    for name in NAMES:
        (videos / f"{name}.py").write_text(HIJACK)
    return videos


def run_there(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    source = Path(pool.__file__).resolve().parents[2]
    variables = {**os.environ, "PYTHONPATH": str(source)}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)


def what_was_run(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*.was_run"))


COMMANDS = {
    "prepare": ["prepare", ".", "../out", "--views", "rgb", "--short-side", "32", "--workers", "1"],
    "render": [
        *("prepare", "../clips", "../out", "--layout", "synthetic", "--views", "rgb", "--workers", "2"),
        *("--synthetic.num-videos", "2", "--synthetic.num-frames", "4", "--short-side", "32"),
    ],
}


SCRIPT = """
import coview

if __name__ == "__main__":
    coview.prepare("{source}", "../out", views=["rgb"], layout="{layout}", settings={settings})
"""
CALLS = {
    "prepare": {"source": ".", "layout": "folder", "settings": {"workers": 1}},
    "render": {
        "source": "../clips",
        "layout": "synthetic",
        "settings": {"workers": 2, "synthetic.num_videos": 2, "synthetic.num_frames": 4},
    },
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_runs_nothing_of_the_current_folder(folder: Path, command: str) -> None:
    (folder / "coview.py").unlink()  # `python -m coview` itself would take that one
    ended = run_there(folder, "-m", "coview", *COMMANDS[command])
    assert ended.returncode == 0, ended.stderr
    assert what_was_run(folder) == []


@pytest.mark.parametrize("call", CALLS)
def test_a_script_elsewhere_runs_nothing_of_the_current_folder(folder: Path, tmp_path: Path, call: str) -> None:
    (tmp_path / "script.py").write_text(SCRIPT.format(**CALLS[call]))
    ended = run_there(folder, str(tmp_path / "script.py"))
    assert ended.returncode == 0, ended.stderr
    assert what_was_run(folder) == []


def test_a_process_that_prepares_does_without_torch() -> None:
    """It takes longer to import than a small video to prepare, once for every core."""
    code = (
        "import sys, coview.preparation.worker\n"
        "from coview.views import VIEWS\n"
        "for name in ('rgb', 'flow', 'pose', 'segmentation'): VIEWS.load(name)\n"
        "print('torch' in sys.modules)"
    )
    source = Path(pool.__file__).resolve().parents[2]
    variables = {**os.environ, "PYTHONPATH": str(source)}
    ended = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["False"]
