"""The whole suite: `python tests/faults/run_faults.py`. Prints kind, tried, faults, and writes them as JSON."""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import torch  # noqa: E402
from campaign import Campaign  # noqa: E402
from damage import try_damage  # noqa: E402
from interruptions import try_interruptions  # noqa: E402
from mutated_videos import try_videos  # noqa: E402
from odd_settings import try_settings  # noqa: E402
from victims import make_victim  # noqa: E402


def main() -> int:
    """Try everything; the exit status is 1 if there was a fault."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--only", nargs="*", default=[])
    arguments.add_argument("--scale", type=float, default=1.0, help="of the numbers of events")
    arguments.add_argument("--out", type=Path, help="where the summary goes; not given: printed alone")
    given = arguments.parse_args()
    torch.set_num_threads(1)

    def scaled(count: int) -> int:
        return max(1, round(count * given.scale))

    campaign, started = Campaign(given.seed), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="faults-") as name:
        folder = Path(name)
        victim = make_victim(folder)
        parts = {
            "settings": lambda: try_settings(campaign, folder, each=scaled(120)),
            "damage": lambda: try_damage(campaign, victim, folder, each=scaled(20)),
            "videos": lambda: try_videos(campaign, victim, folder, each=scaled(100)),
            "interruptions": lambda: try_interruptions(
                campaign, victim, folder, kills=scaled(16), signals=scaled(5), disks=scaled(16)
            ),
        }
        for part, run in parts.items():
            if not given.only or part in given.only:
                run()
                print(f"{part}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    for kind, faults in campaign.faults.items():
        for fault in faults:
            print(f"FAULT {kind}: {fault}")
    print(campaign.table())
    if given.out is not None:
        given.out.write_text(json.dumps(campaign.summary(), indent=1) + "\n")
    return 1 if any(campaign.faults.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
