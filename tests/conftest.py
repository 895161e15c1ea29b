"""Fixtures that several folders' tests share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real development videos; tests that need it are skipped where it is absent."""
    given = os.environ.get("COVIEW_DATA")
    folder = Path(given) if given else Path(__file__).resolve().parents[2] / "shared" / "data"
    if not (folder / "ucf10").is_dir():
        pytest.skip(f"no real videos at {folder}; set COVIEW_DATA to a folder that holds ucf10/, original/ and odd/")
    return folder
