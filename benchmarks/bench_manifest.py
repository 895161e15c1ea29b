"""Opening a data set of a million videos, and choosing who is trained on, in a fresh process: time and memory.

The peer is the same manifest read whole, as a tuple of objects. Memory is what a process has of its own (anonymous);
the pages that all processes share by mapping the same file are told apart.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from coview.datasets.manifest import write_manifest
from coview.datatypes import VideoEntry
from record import record

ROWS, QUICK_ROWS = 1_000_000, 60_000
GOALS = {"seconds": 1.0, "megabytes": 100.0}
CODE = """
import json, re, sys, time
from pathlib import Path
import coview.datasets.mapped_manifest as mapped
from coview.clips.samples import VideoTable
from coview.datasets.prepared import PreparedDataset

def memory():
    text = Path("/proc/self/smaps_rollup").read_text()
    own = int(re.search(r"Anonymous: +([0-9]+) kB", text)[1])
    return own / 1024, int(re.search(r"Rss: +([0-9]+) kB", text)[1]) / 1024 - own / 1024

mapped.MAPPED_FROM = float(sys.argv[2])
before, shared_before = memory()
began = time.process_time()
data = PreparedDataset.open(Path(sys.argv[1]))
opened = time.process_time() - began
videos = VideoTable(data, data.part("split1", "train"))
after, shared_after = memory()
print(json.dumps({"rows": len(data.entries), "open_cpu_seconds": round(opened, 2),
    "ready_to_read_clips_cpu_seconds": round(time.process_time() - began, 2),
    "own_megabytes": round(after - before), "shared_megabytes": round(shared_after - shared_before)}))
"""


def make_manifest(folder: Path, rows: int) -> None:
    """Write a made-up data set of so many videos in 400 classes; no view of them exists."""
    entries = [
        VideoEntry(
            id=f"class_{number % 400:03d}/video_{number:07d}",
            path=f"/data/videos/class_{number % 400:03d}/video_{number:07d}.mp4",
            label=f"class_{number % 400:03d}",
            group=f"group_{number // 25:06d}",
            splits={"split1": "train" if number % 5 else "test"},
            status="ready" if number % 1000 else "failed",
            reason="" if number % 1000 else "corrupt: made up",
            num_frames=50 + number % 250,
            fps=25.0,
            width=192,
            height=144,
            duration_seconds=(50 + number % 250) / 25,
            checksums=dict.fromkeys(("rgb", "flow"), f"{10**5 + number}-{number * 2654435761 % 2**64:016x}"),
        )
        for number in range(rows)
    ]
    write_manifest(entries, folder / "videos.parquet")
    about = {"format": 1, "views": {"rgb": {}, "flow": {}}, "source": "/data/videos", "layout": "folder"}
    (folder / "dataset.yaml").write_text(yaml.safe_dump(about), encoding="utf-8")


def open_in_process(folder: Path, *, mapped_from: float) -> dict[str, float]:
    """Return what a fresh process measured."""
    words = [sys.executable, "-c", CODE, str(folder), str(mapped_from)]
    shown = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    measured: dict[str, float] = json.loads(shown.splitlines()[-1])
    return measured


def main(rows: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_manifest(folder, rows)
        return {
            "read_whole": open_in_process(folder, mapped_from=float("inf")),
            "mapped_first_time": open_in_process(folder, mapped_from=1),
            "mapped": open_in_process(folder, mapped_from=1),
            "goals": GOALS,
        }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROWS:,} videos, and nothing is recorded")
    is_quick = parser.parse_args().quick
    values = main(QUICK_ROWS if is_quick else ROWS)
    print(json.dumps(values, indent=2) if is_quick else record("manifest", values).read_text(encoding="utf-8"))
