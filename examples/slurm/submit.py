"""Prepares and embeds a collection in shares, each a job of its own; the last of each kind joins them.

    python examples/slurm/submit.py my_videos runs/mine --shares 16                     # on SLURM
    python examples/slurm/submit.py my_videos runs/mine --shares 2 --cluster local      # here, to try it

`--cluster local` starts the same jobs as processes of this machine (submitit, in the extra `cluster`).
"""

import argparse
import subprocess
import sys
from pathlib import Path

import submitit


def coview(*words: str) -> str:
    """Run a command of coview in a job; return what it prints."""
    done = subprocess.run([sys.executable, "-m", "coview", *words], check=True, capture_output=True, text=True)
    return done.stdout


def main() -> None:
    """Submit the shares of both commands and wait for them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path, default=Path("data/mine"), help="the prepared data set")
    parser.add_argument("--shares", type=int, default=16)
    parser.add_argument("--cluster", choices=("slurm", "local"), default="slurm")
    given = parser.parse_args()
    executor = submitit.AutoExecutor(given.out.with_name(f"{given.out.name}-jobs"), cluster=given.cluster)
    executor.update_parameters(timeout_min=240, cpus_per_task=4, mem_gb=16)
    shards = [f"{number}/{given.shares}" for number in range(1, given.shares + 1)]
    prepare = ("prepare", str(given.videos), str(given.out), "--views", "rgb", "flow", "--flow.algorithm", "dis")
    embed = ("embed", str(given.run), str(given.out), "--out", f"{given.out}.parquet")
    for words in (prepare, embed):
        jobs = executor.map_array(coview, *zip(*[(*words, "--shard", shard) for shard in shards], strict=True))
        for job in jobs:
            print(job.result().strip())


if __name__ == "__main__":
    main()
