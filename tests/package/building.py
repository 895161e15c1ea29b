"""Builds the wheel and the sdist of this repository, from a copy that holds what a checkout holds."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KEPT = ("pyproject.toml", "README.md", "LICENSE", "MANIFEST.in", "CHANGELOG.md", "CITATION.cff", "SECURITY.md")
_BUILD = "import sys; from setuptools import build_meta; print(getattr(build_meta, sys.argv[1])(sys.argv[2]))"


def copy_sources(folder: Path) -> Path:
    """Copy what a build needs, without what was built before."""
    folder.mkdir(parents=True)
    for name in (*KEPT, "CONTRIBUTING.md", "constraints.txt"):
        shutil.copy(ROOT / name, folder)
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", "*.nbi", "*.nbc")
    shutil.copytree(ROOT / "src", folder / "src", ignore=ignored)
    return folder


def build(sources: Path, kind: str, out: Path, *, python: str = sys.executable) -> Path:
    """Build a "wheel" or "sdist" into a folder and return the file; setuptools must be installed."""
    out.mkdir(parents=True, exist_ok=True)
    command = [python, "-c", _BUILD, f"build_{kind}", str(out)]
    done = subprocess.run(command, cwd=sources, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return out / done.stdout.splitlines()[-1]
