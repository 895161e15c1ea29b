"""Fixtures that several folders' tests share."""

import os
import random
from pathlib import Path

import numpy
import pytest
import torch

pytest_plugins = ["source_videos"]


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Give every test the same random numbers and one thread, whatever ran before it and however many cores there are.

    On other numbers of threads sums round otherwise, and what two processes of one thread each make of them differs.
    """
    random.seed(0)
    numpy.random.seed(0)  # libraries under test may draw from the global state
    torch.manual_seed(0)
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real development videos; tests that need it are skipped where it is absent."""
    given = os.environ.get("COVIEW_DATA")
    folder = Path(given) if given else Path(__file__).resolve().parents[2] / "shared" / "data"
    if not (folder / "ucf10").is_dir():
        pytest.skip(f"no real videos at {folder}; set COVIEW_DATA to a folder that holds ucf10/, original/ and odd/")
    return folder
