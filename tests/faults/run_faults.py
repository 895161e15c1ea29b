"""The whole suite: `python tests/faults/run_faults.py`. Prints kind, tried, faults, and writes them as JSON."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parents[1] / "benchmarks")]

import torch  # noqa: E402
from campaign import Campaign  # noqa: E402
from damage import try_damage  # noqa: E402
from interruptions import try_interruptions  # noqa: E402
from mutated_videos import try_videos  # noqa: E402
from odd_settings import try_settings  # noqa: E402
from victims import make_victim  # noqa: E402

from record import record  # noqa: E402


def main() -> int:
    """Try everything; the exit status is 1 if there was a fault."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--only", nargs="*", default=[])
    arguments.add_argument("--scale", type=float, default=1.0, help="of the numbers of events")
    arguments.add_argument("--record", action="store_true", help="write the summary into benchmarks/results")
    given = arguments.parse_args()
    torch.set_num_threads(1)

    def scaled(count: int) -> int:
        return max(1, round(count * given.scale))

    campaign, started = Campaign(given.seed), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="faults-") as name:
        folder = Path(name)
        victim = make_victim(folder)
        parts = {
            "settings": lambda: try_settings(campaign, folder, each=scaled(200)),
            "damage": lambda: try_damage(campaign, victim, folder, each=scaled(16)),
            "videos": lambda: try_videos(campaign, victim, folder, each=scaled(80)),
            "interruptions": lambda: try_interruptions(
                campaign, victim, folder, kills=scaled(8), signals=scaled(2), disks=scaled(5)
            ),
        }
        for part, run in parts.items():
            if not given.only or part in given.only:
                run()
                print(f"{part}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    print(campaign.table())
    if given.record:
        record("faults", {"command": "make faults", **campaign.summary()})
    return 1 if any(campaign.faults.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
