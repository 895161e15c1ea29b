"""Fixtures that several folders' tests share."""

import fcntl
import gc
import logging
import os
import random
from collections.abc import Iterator
from pathlib import Path

import numpy
import pytest
import torch

pytest_plugins = ["source_videos"]

gc.set_threshold(100_000, 10, 10)  # thousands of modules and tests stay, and are searched in vain


def pytest_collection_finish() -> None:
    """Leave what the tests and libraries are made of out of later searches for garbage."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Give every test the same random numbers and one thread, whatever ran before it and however many cores there are.

    On other numbers of threads sums round otherwise, and what two processes of one thread each make of them differs.
    """
    random.seed(0)
    numpy.random.seed(0)  # libraries under test may draw from the global state
    torch.manual_seed(0)
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def messages_go_nowhere_afterwards() -> Iterator[None]:
    """Take back what a command in a test did to the log: its messages go to that test's standard error, soon closed."""
    yield
    logger = logging.getLogger("coview")
    logger.handlers.clear()
    logger.propagate = True
    logger.setLevel(logging.NOTSET)


@pytest.fixture(autouse=True)
def one_of_a_group_at_a_time(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Let one worker at a time run a test of an `xdist_group`: each of these takes several processors for itself."""
    marker = request.node.get_closest_marker("xdist_group")
    if marker is None or "PYTEST_XDIST_WORKER" not in os.environ:
        yield
        return
    with (tmp_path_factory.getbasetemp().parent / f"{marker.args[0]}.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # given back when the file is closed, or its process dies
        yield


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real development videos; tests that need it are skipped where it is absent."""
    given = os.environ.get("COVIEW_DATA")
    folder = Path(given) if given else Path(__file__).resolve().parents[2] / "shared" / "data"
    if not (folder / "ucf10").is_dir():
        pytest.skip(f"no real videos at {folder}; set COVIEW_DATA to a folder that holds ucf10/, original/ and odd/")
    return folder
