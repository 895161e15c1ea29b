"""A small index with names that mean harm, a codec that browsers do not play, and one longer video; and its server."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import av
import pytest
from starlette.testclient import TestClient

import coview
from coview.serving import create_app
from served_index import HOSTILE, LONG, XVID
from small_index import write_square
from small_run import make_data, make_run, moving_square


def write_mpeg4(path: Path) -> None:
    """Write 20 frames in a codec that no browser plays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 48, 36, "yuv420p"
        for frame in moving_square(9, is_fast=True):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        container.mux(stream.encode(None))


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A run, videos, and their index. Tests read it alone."""
    root = tmp_path_factory.mktemp("serving")
    run, data, videos = root / "run", root / "data", root / "videos"
    data.mkdir()
    make_data(data, videos)
    make_run(run, data)
    for seed in range(6):
        write_square(videos / ("fast" if seed % 2 else "slow") / f"v{seed}.mp4", seed)
    for seed, name in enumerate(HOSTILE):
        write_square(videos / "odd" / f"{name}.mp4", 20 + seed)
    write_square(videos / f"{LONG}.mp4", 8, repeats=10)
    write_mpeg4(videos / f"{XVID}.avi")
    (videos / "odd" / "broken.mp4").write_bytes(b"no video")
    index = coview.open_index(root / "idx", run=run)
    index.add(videos, workers=0)
    index.close()
    write_square(root / "new.mp4", 31)
    return SimpleNamespace(root=root, run=run, videos=videos, index=root / "idx", new=root / "new.mp4")


@pytest.fixture(scope="module")
def client(place: SimpleNamespace) -> Iterator[TestClient]:
    """The application, asked as a browser of this machine asks."""
    with TestClient(create_app(coview.open_index(place.index)), base_url="http://localhost:8765") as asked:
        yield asked


@pytest.fixture(scope="session")
def address(place: SimpleNamespace) -> Iterator[str]:
    """`coview serve`, as it is typed; its address."""
    command = [sys.executable, "-m", "coview", "serve", str(place.index), "--port", "0"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        found = re.search(r"http://127\.0\.0\.1:\d+/", lines[1])
        assert found, lines
        yield found[0]
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0
