"""Times a CPC training step in each precision and layout, against plain fp32 eager PyTorch.

The settings take turns in one process, so that other load on the machine falls on all of them; medians and their
ratios to plain fp32 (contiguous tensors, no autocast) are written to results/. Processor time, summed over threads,
is given beside wall time: it says what a setting costs where other programs hold the cores up.
"""

import argparse
import re
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from coview.config import RunConfig, parse
from coview.datatypes import ViewBatch
from coview.methods import Progress
from coview.methods.base import Method, freeze_all_but
from coview.training.building import build_method
from coview.training.optimisers import build_optimiser
from coview.training.precision import Precision, name_of
from record import record

SETTINGS = [("fp32", False), ("fp32", True), ("bf16", False), ("bf16", True)]
BF16_UNITS = ("avx512_bf16", "amx_bf16")


class Contender:
    """A CPC method with its optimiser in one precision and layout.

    Args:
        config: the run.
        dtype_name: "fp32" or "bf16".
        channels_last: the memory layout.
    """

    def __init__(self, config: RunConfig, *, dtype_name: str, channels_last: bool) -> None:
        torch.manual_seed(0)
        self.name = name_of(dtype_name, channels_last)
        self.precision = Precision(dtype_name, channels_last, seconds={})
        self.method: Method = build_method(config, {"rgb": 3})
        self.precision.place(self.method, torch.device("cpu"))
        (self.stage,) = self.method.stages()
        freeze_all_but(self.method, self.stage.trainable)
        self.optimiser = build_optimiser(self.method, self.stage, config.optimiser)
        self.wall_seconds: list[float] = []
        self.processor_seconds: list[float] = []

    def step(self, batch: ViewBatch) -> None:
        """Take one training step and keep its times."""
        started, processor_started = time.perf_counter(), time.process_time()
        with self.precision.autocast(torch.device("cpu")):
            output = self.method(batch, Progress(self.stage, stage_index=0, epoch=0, step=0, num_steps=1))
        output.total.backward()
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.wall_seconds.append(time.perf_counter() - started)
        self.processor_seconds.append(time.process_time() - processor_started)


def measure(
    config: RunConfig, settings: Sequence[tuple[str, bool]], *, batch_size: int, repeats: int
) -> list[Contender]:
    """Let every setting take one step to warm up, which is not counted, and then turns."""
    contenders = [Contender(config, dtype_name=name, channels_last=layout) for name, layout in settings]
    side, frames = config.views["rgb"].size, config.clip.num_frames
    batch = ViewBatch({"rgb": torch.randn(batch_size, 1, 3, frames, side, side)}, torch.arange(batch_size))
    for _ in range(repeats + 1):
        for contender in contenders:
            contender.step(batch)
    for contender in contenders:
        del contender.wall_seconds[0], contender.processor_seconds[0]
    return contenders


def compare(seconds: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """Return the median of each setting's times and its ratio to plain fp32."""
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    ratios = {name: round(value / medians["fp32"], 3) for name, value in medians.items()}
    return {"seconds": {name: round(value, 3) for name, value in medians.items()}, "ratio_to_plain_fp32": ratios}


def bf16_units() -> list[str]:
    """Return which of the processor's flags promise bf16 arithmetic; none: it is emulated and slow."""
    listing = Path("/proc/cpuinfo")
    text = listing.read_text(encoding="utf-8") if listing.exists() else ""
    return [flag for flag in BF16_UNITS if re.search(rf"\b{flag}\b", text)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encoder", default="r2d3d18")
    parser.add_argument("--size", type=int, default=128, help="side of the pictures, in pixels")
    parser.add_argument("--batch", type=int, default=4, help="videos, each of 8 blocks of 5 frames")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--emulated", action="store_true", help="bf16 also where the processor has no units for it")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    given: dict[str, Any] = {"views": {"rgb": {"size": arguments.size}}, "encoder": {"name": arguments.encoder}}
    config = parse(RunConfig, given, source="benchmark")
    settings = SETTINGS if arguments.emulated or bf16_units() else [one for one in SETTINGS if one[0] != "bf16"]
    contenders = measure(config, settings, batch_size=arguments.batch, repeats=arguments.repeats)
    wall = compare({contender.name: contender.wall_seconds for contender in contenders})
    values = {
        "sizes": vars(arguments) | {"blocks": config.clip.num_blocks, "frames": config.clip.block_length},
        "bf16_units": bf16_units(),
        "wall": wall,
        "processor": compare({contender.name: contender.processor_seconds for contender in contenders}),
    }
    path = record(f"training-step-{arguments.encoder}", values)
    print(f"{path.name}: {wall['ratio_to_plain_fp32']}, bf16 units: {values['bf16_units'] or 'none'}")


if __name__ == "__main__":
    main()
