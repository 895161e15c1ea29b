"""Trains what a table of cooperation needs: CPC, + sim, + sync and CoCon with two and with all views, several seeds.

The first stage, each view alone, is trained once a seed; every row of the table goes on from there for the same number
of steps. Each `coview` command is printed before it runs. A run that is complete is not trained again, so that the
script can be stopped and started at will.

    python benchmarks/table_cooperation.py cocon-synthetic --data DATA --out RUNS --seeds 0 1 2
    python benchmarks/table_cooperation.py cocon-synthetic --data DATA --out RUNS --seeds 0 1 2 --rows cpc2 cocon2 leads
    coview table RUNS/*/

Settings of all runs may follow, such as --training.workers 0.
"""

import argparse
import shlex
import subprocess
import sys
from pathlib import Path

ROWS = {
    "cpc": "{name}-4view-cpu-cpc",
    "sim": "{name}-2view-cpu-sim",
    "sync": "{name}-2view-cpu-sync",
    "cocon2": "{name}-2view-cpu",
    "cocon4": "{name}-4view-cpu",
    "cpc2": "{name}-2view-cpu-cpc",
    "leads": "{name}-2view-cpu-flow-leads",
}
"""Row of the table -> its config."""
OF_THE_PAPER = ("cpc", "sim", "sync", "cocon2", "cocon4")
"""The rows of CoCon's Table 1, from one first stage of four views; rows of two views alone need two in it."""
PROTOCOLS = ("retrieval", "linear", "few-labels")
"""What every run is scored by."""


def coview(*words: str) -> None:
    """Run one command, shown first; stop when it fails."""
    print(f"$ coview {shlex.join(words)}", flush=True)
    subprocess.run([sys.executable, "-m", "coview", *words], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="what the configs' names begin with, such as cocon-synthetic")
    parser.add_argument("--data", required=True, type=Path, help="prepared with all views that the 4view config names")
    parser.add_argument("--out", required=True, type=Path, help="folder for the runs")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), default=OF_THE_PAPER)
    arguments, settings = parser.parse_known_args()  # what is left are settings of every run
    has_four = any("4view" in ROWS[row] for row in arguments.rows)
    first = f"{arguments.name}-{4 if has_four else 2}view-cpu"
    data = ["--data", str(arguments.data)]
    for seed in map(str, arguments.seeds):
        alone = str(arguments.out / f"alone-{seed}")
        common = [*data, "--resume", "--seed", seed, *settings]
        coview("pretrain", first, "--out", alone, *common, "--method.cooperation-epochs", "0")
        for row in arguments.rows:
            run = str(arguments.out / f"{row}-{seed}")
            start = ["--start-from", alone, "--method.single-view-epochs", "0"]
            coview("pretrain", ROWS[row].format(name=arguments.name), "--out", run, *common, *start)
            baselines = (
                "true" if row in ("cpc", "cpc2", "cocon4") else "false"
            )  # random weights are the same in every row
            beside = [word for protocol in PROTOCOLS for word in (f"--{protocol}.baselines", baselines)]
            coview("evaluate", run, *data, "--protocol", *PROTOCOLS, *beside)


if __name__ == "__main__":
    main()
