"""Times a ViCC-like step of S3D, and its peak memory, against plain fp32 eager PyTorch of the same model.

Single-stream: both clips of one view go through the encoder with gradient. Cross-stream: the other view's encoder
looks at both clips, too, frozen and without gradient. The head and the loss, a few matrices, are left out. "Plain" is
the same weights, contiguous, each layer of torch after the other; the others are the encoder as a run uses it, in each
precision and layout. Every setting runs in a process of its own, so that its peak memory is its own.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from bench_training_step import bf16_units
from coview.encoders import ENCODERS, Encoder, chain
from coview.training.freed_memory import keep_freed_memory
from coview.training.precision import Precision, name_of
from record import record

SETTINGS = ["plain", *(name_of(dtype, layout) for dtype in ("fp32", "bf16") for layout in (False, True))]
KINDS = ("single-stream", "cross-stream")


def plain_normalise(clips: Tensor, norm: Any, convolution: Any) -> Tensor:
    """Do what a chain does with torch's modules alone."""
    clipped = functional.relu(norm(clips), inplace=True)
    return clipped if convolution is None else convolution(clipped)


def step(encoder: Encoder, other: Encoder | None, clips: Tensor, precision: Precision) -> None:
    """Take one step without an optimiser."""
    with precision.autocast(torch.device("cpu")):
        if other is not None:
            with torch.no_grad():
                other.pooled(clips)
        features = encoder.pooled(clips)  # (2*B, D)
    features.float().square().mean().backward()
    encoder.zero_grad(set_to_none=True)


def measure(setting: str, kind: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the seconds of each step after the first, and the peak memory above that before the first."""
    torch.set_num_threads(arguments.threads)
    keep_freed_memory()  # as the commands that train do
    if setting == "plain":
        chain.normalise = plain_normalise
    words = setting.split()
    precision = Precision("fp32" if setting == "plain" else words[0], "channels-last" in words, seconds={})
    torch.manual_seed(0)
    encoder = ENCODERS.load(arguments.encoder)(in_channels=3)
    other = ENCODERS.load(arguments.encoder)(in_channels=3).eval() if kind == "cross-stream" else None
    for network in (encoder, other):
        if network is not None:
            precision.place(network, torch.device("cpu"))
    clips = torch.randn(2 * arguments.batch, 3, arguments.frames, arguments.size, arguments.size)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wall, processor = [], []
    for _ in range(arguments.repeats + 1):
        started, processor_started = time.perf_counter(), time.process_time()
        step(encoder, other, clips, precision)
        wall.append(time.perf_counter() - started)
        processor.append(time.process_time() - processor_started)
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return {"wall_seconds": wall[1:], "processor_seconds": processor[1:], "peak_megabytes": round(peak)}


def compare(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return medians of the settings and their ratios to plain."""
    medians = {
        setting: {
            "wall_seconds": round(statistics.median(values["wall_seconds"]), 3),
            "processor_seconds": round(statistics.median(values["processor_seconds"]), 3),
            "peak_megabytes": values["peak_megabytes"],
        }
        for setting, values in found.items()
    }
    ratios = {
        setting: {name: round(value / medians["plain"][name], 3) for name, value in values.items()}
        for setting, values in medians.items()
    }
    return {"medians": medians, "ratio_to_plain": ratios}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encoder", default="s3d")
    parser.add_argument("--size", type=int, default=128, help="side of the pictures, in pixels")
    parser.add_argument("--frames", type=int, default=32)
    parser.add_argument("--batch", type=int, default=4, help="videos, each of two clips")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--settings", nargs="+", default=SETTINGS, choices=SETTINGS)
    parser.add_argument("--only", nargs=2, metavar=("SETTING", "KIND"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only:
        setting, kind = arguments.only
        print(json.dumps(measure(setting, kind, arguments)))
        return
    values: dict[str, Any] = {
        "sizes": {name: value for name, value in vars(arguments).items() if name not in ("only", "settings")},
        "bf16_units": bf16_units(),
    }
    for kind in KINDS:
        found = {}
        for setting in ["plain", *(name for name in arguments.settings if name != "plain")]:
            command = [sys.executable, str(Path(__file__)), *sys.argv[1:], "--only", setting, kind]
            output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            found[setting] = json.loads(output.splitlines()[-1])
        values[kind] = compare(found)
    path = record(f"{arguments.encoder}-step", values)
    print(f"{path.name}: {json.dumps({kind: values[kind]['ratio_to_plain'] for kind in KINDS}, indent=1)}")


if __name__ == "__main__":
    main()
