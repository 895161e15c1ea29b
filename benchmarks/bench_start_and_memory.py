"""Start-up and memory of `coview pretrain` on a manifest of 13,000 videos, beside the same on 26.

The large data set repeats the stored files of the small one under other names (links, no copies), so that both train
on the same pictures and the difference is what the manifest costs. Memory is the proportional set size of the training
process and its decoding processes together, sampled until the first step is logged.
"""

import argparse
import dataclasses
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from coview.datasets.manifest import write_manifest
from coview.datasets.prepared import PreparedDataset, stored_path
from coview.datasets.synthetic import SyntheticSettings
from coview.preparation.prepare import prepare
from coview.preparation.settings import PrepareSettings
from record import record

SMALL, LARGE = 26, 13_000
GOAL_GIGABYTES, GOAL_SECONDS = 3.0, 20.0
CONFIG = """
preset: cpu
split: null
views: {rgb: {size: 64}}
encoder: {name: tiny3d}
method: {name: cpc, temperature: 0.07}
clip: {frame_stride: 1}
training: {batch_size: 16, max_steps: 1, log_every: 1, workers: 1, precision: fp32, channels_last: always}
"""


def make_small(folder: Path) -> PreparedDataset:
    videos = SyntheticSettings(num_videos=SMALL, num_frames=48)
    settings = PrepareSettings(layout="synthetic", views=("rgb",), synthetic=videos)
    return prepare(folder / "videos", folder / "small", settings)


def make_large(small: PreparedDataset, root: Path) -> None:
    """Repeat the small data set until it has LARGE rows."""
    root.mkdir()
    entries = []
    for number in range(LARGE):
        entry = small.ready[number % len(small.ready)]
        name = f"{entry.id}_{number:05d}"
        link = stored_path(root, "rgb", name, ".mp4")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(stored_path(small.root.resolve(), "rgb", entry.id, ".mp4"))
        entries.append(dataclasses.replace(entry, id=name, group=f"group{number // 25}"))
    write_manifest(entries, root / "videos.parquet")
    (root / "dataset.yaml").write_text(yaml.safe_dump(dict(small.info), sort_keys=False), encoding="utf-8")


def first_step(data: Path, run: Path, config: Path) -> dict[str, float]:
    """Train one step; return seconds from the start of the command to its log line, and the most memory until then."""
    words = [sys.executable, "-m", "coview", "pretrain", str(config), "--data", str(data), "--out", str(run)]
    started, most = time.monotonic(), 0.0
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    log = run / "log.jsonl"
    while process.poll() is None:
        most = max(most, memory_gigabytes(process.pid))
        if log.exists() and '"event": "step"' in log.read_text(encoding="utf-8"):
            break
        time.sleep(0.05)
    seconds = time.monotonic() - started
    if process.wait() != 0:
        raise RuntimeError(f"coview pretrain ended with status {process.returncode}")
    return {"seconds_to_first_step": round(seconds, 2), "gigabytes": round(most, 3)}


def memory_gigabytes(root: int) -> float:
    """Return the proportional set size of a process and its descendants."""
    total = 0
    for pid in (root, *descendants(root)):
        rollup = Path(f"/proc/{pid}/smaps_rollup")
        try:
            found = re.search(r"^Pss:\s+(\d+) kB", rollup.read_text(encoding="utf-8"), re.MULTILINE)
        except OSError:  # it has just ended
            continue
        total += int(found.group(1)) if found else 0
    return total / 2**20


def descendants(root: int) -> list[int]:
    children = Path(f"/proc/{root}/task/{root}/children")
    try:
        direct = [int(word) for word in children.read_text(encoding="utf-8").split()]
    except OSError:
        return []
    return [pid for child in direct for pid in (child, *descendants(child))]


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = folder / "config.yaml"
        config.write_text(CONFIG, encoding="utf-8")
        make_large(make_small(folder), folder / "large")
        first_step(folder / "small", folder / "warm", config)  # imports and files into the system's cache
        small = first_step(folder / "small", folder / "run-small", config)
        large = first_step(folder / "large", folder / "run-large", config)
    values = {
        "videos": {"small": SMALL, "large": LARGE},
        "small": small,
        "large": large,
        "manifest_gigabytes": round(large["gigabytes"] - small["gigabytes"], 3),
        "goals": {"gigabytes": GOAL_GIGABYTES, "seconds_to_first_step": GOAL_SECONDS},
        "load_average": os.getloadavg()[0],
    }
    print(record("start-and-memory", values).read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
