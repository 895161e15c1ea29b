"""What a step of an encoder takes in memory above what was there before, and in time: coview beside plain PyTorch.

Each setting in a process of its own, float32, one thread, 8 clips forward and back: plain eager PyTorch and coview,
each with freed memory kept (`coview.training.freed_memory`), as coview's commands train, and returned to the system.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from typing import Any

import torch

from bench_s3d_step import plain_normalise, step
from coview.encoders import ENCODERS, chain
from coview.training.freed_memory import keep_freed_memory
from coview.training.precision import Precision
from record import record

WAYS = ("plain", "plain, freed memory kept", "coview", "coview, freed memory returned")
FRAMES = {"r2d3d18": 5, "tiny3d": 16, "s3d": 16}
SIDE, CLIPS = 112, 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encoders", nargs="+", default=list(FRAMES), choices=list(FRAMES))
    parser.add_argument("--only", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.only:
        print(json.dumps(measure(*given.only)))
        return
    found: dict[str, Any] = {}
    for encoder in given.encoders:
        for way in WAYS:
            command = [sys.executable, __file__, "--only", encoder, way]
            output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            found.setdefault(encoder, {})[way] = json.loads(output.splitlines()[-1])
            print(encoder, way, found[encoder][way], flush=True)
    print(record("step-memory", {"side": SIDE, "clips": CLIPS, "frames": FRAMES, "encoders": found}))


def measure(name: str, way: str) -> dict[str, float]:
    """Return the megabytes of a step's peak above the memory before it, and the least processor seconds of a step."""
    torch.set_num_threads(1)
    is_plain = way.startswith("plain")
    if is_plain:
        chain.normalise = plain_normalise
    if way in ("coview", "plain, freed memory kept"):
        keep_freed_memory()
    precision = Precision("fp32", channels_last=not is_plain, seconds={})
    torch.manual_seed(0)
    encoder = ENCODERS.load(name)(in_channels=3)
    precision.place(encoder, torch.device("cpu"))
    clips = torch.randn(CLIPS, 3, FRAMES[name], SIDE, SIDE)
    before, taken = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, []
    for _ in range(3):
        began = time.process_time()
        step(encoder, None, clips, precision)
        taken.append(time.process_time() - began)
    megabytes = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return {"megabytes_above": round(megabytes), "processor_seconds": round(min(taken[1:]), 3)}


if __name__ == "__main__":
    main()
