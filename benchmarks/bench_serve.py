"""How long a hundred users of the page wait: a server, and a hundred clients at once that browse and search.

Each client behaves as a browser does: it lists videos, searches by one of them, asks for a strip, lists again, with a
pause of one to three seconds in which a person looks. Every search is for another moment, so that none is answered
from memory. The index is made of random vectors: their values change no time. All clients share one TLS context, which
none of them uses: a hundred would take seconds of the same two cores to make.
"""

import argparse
import asyncio
import os
import random
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx2
import numpy as np

from coview.collection.about import ABOUT, FORMAT
from coview.collection.local_store import LocalStore
from coview.collection.store import NewVideo, VideoFacts, VideoVectors, mean_vector
from coview.config import write_yaml
from record import record

SIZE, VIEWS = 512, ("rgb", "flow")
SECONDS_A_WINDOW = 1.0
TLS = ssl.create_default_context()


def make_index(folder: Path, *, videos: int, windows: int) -> None:
    """Write an index of random unit vectors."""
    views = dict.fromkeys(VIEWS, SIZE)
    store = LocalStore(folder, views, identity={"index": "bench", "run": "bench"}, create=True)
    generator = np.random.default_rng(0)
    starts = np.arange(windows) * SECONDS_A_WINDOW
    with store.writing():
        for begin in range(0, videos, 500):
            made = []
            for number in range(begin, min(begin + 500, videos)):
                rows = {view: _unit(generator.standard_normal((windows, SIZE), dtype=np.float32)) for view in VIEWS}
                whole = {view: mean_vector(one) for view, one in rows.items()}
                name = f"class{number % 20}/video{number:06d}"
                seconds = windows + 1.0
                facts = VideoFacts(
                    id=name,
                    path=f"{name}.mp4",
                    label=name.split("/")[0],
                    content=f"{number:032x}",
                    duration_seconds=seconds,
                )
                made.append(NewVideo(facts, VideoVectors(rows, starts, starts + 2.0, whole)))
            store.add(made)
        store.sort()
        store.check_table()
    store.close()
    about = {
        "format": FORMAT,
        "coview": "bench",
        "id": "bench",
        "run": {"path": "none", "checkpoint": "none", "identity": "bench"},
        "views": views,
    }
    write_yaml(folder / ABOUT, about, is_sealed=True)


def _unit(rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


async def use(
    address: str, *, until: float, seed: int, videos: int, windows: int, times: dict[str, list[float]]
) -> None:
    """Behave as one user until a time."""
    chance = random.Random(seed)
    async with httpx2.AsyncClient(base_url=address, timeout=60, verify=TLS) as client:
        await asyncio.sleep(chance.uniform(0, 3))
        while time.monotonic() < until:
            number = chance.randint(1, videos)
            start = round(chance.uniform(0, windows - 3), 2)
            query = {"video": number, "start": start, "end": start + 2}
            asked: list[tuple[str, str, dict[str, Any]]] = [
                ("list", "GET", {"url": "/api/videos", "params": {"offset": chance.randrange(0, videos, 60)}}),
                ("search", "POST", {"url": "/api/search", "json": {"query": query}}),
                ("heat", "POST", {"url": "/api/heat", "json": {"query": query, "video": chance.randint(1, videos)}}),
            ]
            for name, method, request in asked:
                begun = time.perf_counter()
                answer = await client.request(method, **request)
                times[name].append(time.perf_counter() - begun)
                answer.raise_for_status()
                await asyncio.sleep(chance.uniform(1, 3))


def processor_seconds(process: int) -> float:
    """Return what a process has worked so far."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def summarise(times: list[float]) -> dict[str, float]:
    """Return the number of requests, and median, 95th percentile and longest in ms."""
    ordered = sorted(times)
    place = min(len(ordered) - 1, round(0.95 * len(ordered)))
    found = {"median_ms": statistics.median(ordered), "p95_ms": ordered[place], "longest_ms": ordered[-1]}
    return {"requests": len(ordered), **{name: round(1000 * value, 1) for name, value in found.items()}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--users", type=int, default=100)
    parser.add_argument("--videos", type=int, default=5000)
    parser.add_argument("--windows", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=40.0)
    given = parser.parse_args()
    times: dict[str, list[float]] = {"list": [], "search": [], "heat": []}
    with tempfile.TemporaryDirectory() as folder:
        make_index(Path(folder), videos=given.videos, windows=given.windows)
        command = [sys.executable, "-u", "-m", "coview", "serve", folder, "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            address = [server.stdout.readline() for _ in range(3)][1].strip()
            before = processor_seconds(server.pid)
            until = time.monotonic() + given.seconds

            async def all_users() -> None:
                told = {"until": until, "videos": given.videos, "windows": given.windows, "times": times}
                await asyncio.gather(*(use(address, seed=seed, **told) for seed in range(given.users)))

            try:
                asyncio.run(all_users())
                worked = processor_seconds(server.pid) - before
            finally:
                server.terminate()
    everything = [one for values in times.values() for one in values]
    values = {
        "users": given.users,
        "pause_seconds": "1 to 3 between requests",
        "index": {"videos": given.videos, "windows": given.videos * given.windows, "size": SIZE, "views": len(VIEWS)},
        "all": summarise(everything),
        **{name: summarise(one) for name, one in times.items()},
        "requests_a_second": round(len(everything) / given.seconds, 1),
        "server_processor_ms_a_request": round(1000 * worked / len(everything), 2),
        "goals": {"all.p95_ms": 500.0},
    }
    print(record("serve", values).read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
