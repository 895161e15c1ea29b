"""Times embedding of windows in bf16 beside plain float32 PyTorch, and compares the vectors.

Each encoder takes a batch of clips in eval mode, once in float32 as it is and once as `coview embed` computes where a
run chose bf16: a copy with channels last under autocast. They take turns in one process; seconds are of the processor.
"""

import argparse
import copy
import statistics
import time
from typing import Any

import torch
from torch.nn import functional

from coview.embedding.precision import FULL, LEAST_COSINE, PlacedEncoder
from coview.encoders import ENCODERS
from coview.training.freed_memory import keep_freed_memory
from coview.training.precision import Precision, has_bf16_units
from record import record

CPU = torch.device("cpu")
SHAPES = {"s3d": (2, 3, 32, 128), "r2d3d18": (8, 3, 5, 128), "r2plus1d18": (2, 3, 16, 112), "tiny3d": (16, 3, 8, 48)}
"""Encoder -> clips, channels, frames, side."""


@torch.inference_mode()
def measure(name: str, *, repeats: int) -> dict[str, Any]:
    """Return seconds in both formats, their ratio and the least cosine of vectors."""
    torch.manual_seed(0)
    count, channels, frames, side = SHAPES[name]
    encoder = ENCODERS.load(name)(in_channels=channels).eval()
    low = Precision("bf16", channels_last=True, seconds={})
    copied = copy.deepcopy(encoder)
    low.place(copied, CPU)
    contenders = {"fp32": PlacedEncoder(encoder, FULL, CPU), "bf16": PlacedEncoder(copied, low, CPU)}
    clips = torch.randn(count, frames, side, side, channels).permute(0, 4, 1, 2, 3)  # as they come: channels last
    vectors = {}
    seconds: dict[str, list[float]] = {which: [] for which in contenders}
    for _ in range(repeats + 1):
        for which, network in contenders.items():
            began = time.process_time()
            vectors[which] = network(clips).float().mean(dim=(2, 3, 4))
            seconds[which].append(time.process_time() - began)
    medians = {which: statistics.median(times[1:]) for which, times in seconds.items()}
    return {
        "clips": {"number": count, "channels": channels, "frames": frames, "side": side},
        "processor_seconds": {which: round(value, 4) for which, value in medians.items()},
        "ratio": round(medians["bf16"] / medians["fp32"], 3),
        "least_cosine": round(float(functional.cosine_similarity(vectors["fp32"], vectors["bf16"], dim=1).min()), 6),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encoders", nargs="+", default=list(SHAPES), choices=list(SHAPES))
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    found = {name: measure(name, repeats=given.repeats) for name in given.encoders}
    about = {"has_units": has_bf16_units(), "least_allowed": LEAST_COSINE}
    path = record("embedding-precision", {**about, "encoders": found})
    for name, values in found.items():
        print(f"{name}: bf16 takes {values['ratio']} of fp32's time, least cosine {values['least_cosine']}")
    print(path)


if __name__ == "__main__":
    main()
