"""Imports point one way down the road; maths and encoders know nothing of video; files stay short."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "coview"
ROAD = [
    "datasets",
    "video",
    "views",
    "preparation",
    "clips",
    "augmentation",
    "encoders",
    "losses",
    "methods",
    "training",
    "embedding",
    "collection",
    "evaluation",
    "analysis",
    "reports",
    "serving",
]
ANYWHERE = {"config", "files", "locks", "registry", "datatypes", "errors", ""}
TOP = {"cli", "config", "__main__", "__init__"}
FILES = sorted(SOURCE.rglob("*.py"))


def imported(file: Path) -> set[str]:
    """Return the parts of coview a file imports, anywhere in it: "views" for coview.views.crop."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
            if node.module == "coview":
                names = [f"coview.{alias.name}" for alias in node.names]
        for name in names:
            first, _, rest = name.partition(".")
            if first == "coview":
                found.add(rest.partition(".")[0])
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SOURCE)))
def test_arrows(file):
    folder = file.relative_to(SOURCE).parts[0].removesuffix(".py")
    if folder in TOP:
        return
    allowed = ANYWHERE | {"__version__"}
    if folder in ROAD:
        allowed |= set(ROAD[: ROAD.index(folder) + 1])
    if folder in ("losses", "encoders"):
        allowed -= {"datasets", "video", "views", "preparation", "clips", "augmentation"}
    assert imported(file) <= allowed, f"{folder} may not import {imported(file) - allowed}"


def test_every_folder_is_on_the_road():
    folders = {path.name for path in SOURCE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders <= {*ROAD, "cli", "config"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SOURCE)))
def test_no_file_grows_past_400_lines(file):
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 400
