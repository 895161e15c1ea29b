"""The whole suite: `python tests/faults/run_faults.py`. Prints kind, tried, faults; `--record` keeps them as JSON.

Each part runs in a process of its own; all of them together take some 22 minutes of processor time.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parents[1] / "benchmarks")]

import torch  # noqa: E402
from campaign import Campaign  # noqa: E402
from damage import try_damage  # noqa: E402
from damaged_collections import try_collection_damage  # noqa: E402
from interruptions import try_all_processes, try_disks, try_kills, try_signals, try_suspensions  # noqa: E402
from launched import try_launcher  # noqa: E402
from mutated_videos import try_videos  # noqa: E402
from odd_options import try_options  # noqa: E402
from odd_settings import try_settings  # noqa: E402
from victims import make_collection, make_victim  # noqa: E402

from record import record  # noqa: E402

PARTS = {
    "settings": lambda campaign, victim, folder: try_settings(campaign, folder, each=200),
    "options": lambda campaign, victim, folder: try_options(campaign, victim, folder, each=8),
    "damage": lambda campaign, victim, folder: try_damage(campaign, victim, folder, each=16),
    "videos": lambda campaign, victim, folder: try_videos(campaign, victim, folder, each=60),
    "kills": lambda campaign, victim, folder: try_kills(campaign, victim, folder, each=3),
    "signals": lambda campaign, victim, folder: try_signals(campaign, victim, folder, each=1),
    "all processes": lambda campaign, victim, folder: try_all_processes(campaign, victim, folder, each=1),
    "suspensions": lambda campaign, victim, folder: try_suspensions(campaign, victim, folder, each=1),
    "collections": lambda campaign, victim, folder: try_collection_damage(
        campaign, victim, make_collection(victim, folder, with_onnx=True), folder, each=16
    ),
    "torchrun": lambda campaign, victim, folder: try_launcher(campaign, victim, folder, each=2),
    "disks": lambda campaign, victim, folder: try_disks(campaign, victim, folder, each=3),
}


def main() -> int:
    """Try everything; the exit status is 1 if there was a fault."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--parts", nargs="*", choices=PARTS, default=list(PARTS))
    arguments.add_argument("--jobs", type=int, default=len(PARTS), help="how many parts at a time")
    arguments.add_argument("--into", type=Path, help="keep the parts' results there; what is there is not run again")
    arguments.add_argument("--record", action="store_true", help="write the summary into benchmarks/results")
    arguments.add_argument("--alone", metavar="FILE", type=Path, help="run one part in this process, into this file")
    given = arguments.parse_args()
    if given.alone is not None:
        _run_alone(given.parts[0], Campaign(given.seed), given.alone)
        return 0
    campaign, seconds = Campaign(given.seed), 0.0
    with tempfile.TemporaryDirectory(prefix="faults-") as name:
        folder = given.into or Path(name)
        folder.mkdir(exist_ok=True)
        files = {part: folder / f"{part}.json" for part in given.parts}
        command = [sys.executable, __file__, "--seed", str(given.seed)]

        def run(part: str) -> int:
            words = [*command, "--parts", part, "--alone", str(files[part])]
            return (
                0 if files[part].is_file() else subprocess.run(words, stdout=subprocess.DEVNULL, check=False).returncode
            )

        with ThreadPoolExecutor(given.jobs) as pool:
            ends = list(pool.map(run, files))
        for file in files.values():
            if file.is_file():
                part = json.loads(file.read_text(encoding="utf-8"))
                seconds += part["seconds"]
                campaign.add(part)
    print(campaign.table())
    if any(ends):
        print("a part came to no end", file=sys.stderr)
    elif given.record:
        record("faults", {"command": "make faults", "seconds_of_all_parts": round(seconds), **campaign.summary()})
    return 1 if any(ends) or any(campaign.faults.values()) else 0


def _run_alone(part: str, campaign: Campaign, out: Path) -> None:
    torch.set_num_threads(1)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="faults-") as name:
        PARTS[part](campaign, make_victim(Path(name)), Path(name))
    report = {"seconds": time.monotonic() - started, **campaign.summary()}
    out.write_text(json.dumps(report), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
