"""Times one CoCon step of four views against the sum of the four single-view CPC steps, and its most memory.

Both have the settings of a shipped config and the same clips. They take turns in one process, so that other load on
the machine falls on both; the result is the median of the ratios of neighbouring turns. Processor time, summed over
threads, is given beside wall time. Memory is the peak resident set of a process of its own that takes CoCon steps
alone.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

import torch

from coview.config import RunConfig
from coview.config.files import load_config
from coview.datatypes import ViewBatch
from coview.methods import Method, Progress, Stage
from coview.methods.base import freeze_all_but
from coview.training.building import build_method
from coview.training.freed_memory import keep_freed_memory
from coview.training.optimisers import build_optimiser
from coview.training.precision import Precision
from record import record

CHANNELS = {"rgb": 3, "flow": 2, "pose": 17, "segmentation": 1}
GOAL_RATIO, GOAL_GIGABYTES = 1.15, 24.0
CPU = torch.device("cpu")


class Contender:
    """One stage of CoCon as the trainer runs it, with an optimiser of its own.

    Args:
        config: the run.
        method: built from it; contenders may share one, since a step is timed and not judged.
        stage: a view alone (CPC) or all together.
    """

    def __init__(self, config: RunConfig, method: Method, stage: Stage) -> None:
        self.method, self.stage = method, stage
        self.precision = precision_of(config)
        self.optimiser = build_optimiser(method, stage, config.optimiser)

    def step(self, batch: ViewBatch) -> tuple[float, float]:
        """Take one training step; return its wall and processor seconds."""
        freeze_all_but(self.method, self.stage.trainable)
        progress = Progress(self.stage, stage_index=0, epoch=0, step=0, num_steps=1)
        started, processor_started = time.perf_counter(), time.process_time()
        with self.precision.autocast(CPU):
            output = self.method(batch, progress)
        output.total.backward()
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        return time.perf_counter() - started, time.process_time() - processor_started


def precision_of(config: RunConfig) -> Precision:
    """Return the config's number format, float32 where it leaves the choice to the machine, channels last."""
    asked = config.training.precision
    return Precision("fp32" if asked == "auto" else asked, channels_last=True, seconds={})


def prepare(config: RunConfig, batch_size: int) -> tuple[list[Contender], Contender, ViewBatch]:
    """Return the contenders of the views alone, the one of all together, and clips for them."""
    torch.manual_seed(0)
    method = build_method(config, {view: CHANNELS[view] for view in config.views})
    precision_of(config).place(method, CPU)
    *alone, together = [Contender(config, method, stage) for stage in method.stages()]
    frames = config.clip.num_frames
    clips = {
        view: torch.randn(batch_size, 1, CHANNELS[view], frames, item.size, item.size)
        for view, item in config.views.items()
    }
    return alone, together, ViewBatch(clips, torch.arange(batch_size))


def measure(config: RunConfig, *, batch_size: int, repeats: int) -> dict[str, Any]:
    """Let both sides take one turn to warm up, which is not counted, and then turns."""
    alone, together, batch = prepare(config, batch_size)
    sums: list[tuple[float, float]] = []
    joint: list[tuple[float, float]] = []
    for _ in range(repeats + 1):
        steps = [contender.step(batch) for contender in alone]
        sums.append((sum(wall for wall, _ in steps), sum(processor for _, processor in steps)))
        joint.append(together.step(batch))
    return {
        kind: compare([step[place] for step in sums[1:]], [step[place] for step in joint[1:]])
        for place, kind in enumerate(("wall", "processor"))
    }


def compare(sums: Sequence[float], joint: Sequence[float]) -> dict[str, float]:
    """Return median seconds of both sides and the median, least and most of the ratios of neighbouring turns."""
    ratios = [one / other for one, other in zip(joint, sums, strict=True)]
    return {
        "single_view_steps_seconds": round(statistics.median(sums), 3),
        "cocon_step_seconds": round(statistics.median(joint), 3),
        "ratio": round(statistics.median(ratios), 3),
        "least_ratio": round(min(ratios), 3),
        "most_ratio": round(max(ratios), 3),
    }


def peak_gigabytes(arguments: Sequence[str]) -> float:
    """Return the peak resident set of a process that takes two CoCon steps."""
    words = [sys.executable, __file__, *arguments, "--memory-only"]
    shown = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    return float(shown.split()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", default="cocon-ucf10-4view-cpu", help="a config of method cocon")
    parser.add_argument("--batch", type=int, default=None, help="videos in a batch; not given: the config's")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory-only", action="store_true", help="take two CoCon steps and print the peak in GB")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    keep_freed_memory()  # as `coview pretrain` does
    config = load_config(arguments.config)
    batch_size = arguments.batch or config.training.batch_size
    if arguments.memory_only:
        _, together, batch = prepare(config, batch_size)
        for _ in range(2):
            together.step(batch)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
        return
    measured = measure(config, batch_size=batch_size, repeats=arguments.repeats)
    gigabytes = peak_gigabytes(sys.argv[1:])
    values = {
        "sizes": {
            "config": arguments.config,
            "encoder": config.encoder["name"],
            "batch": batch_size,
            "views": {view: item.size for view, item in config.views.items()},
            "blocks": config.clip.num_blocks,
            "frames": config.clip.block_length,
            "repeats": arguments.repeats,
            "threads": arguments.threads,
        },
        **measured,
        "peak_gigabytes": round(gigabytes, 2),
        "goals": {"ratio": GOAL_RATIO, "peak_gigabytes": GOAL_GIGABYTES},
    }
    path = record("cocon-step", values)
    print(f"{path.name}: ratio {measured['wall']['ratio']} (goal {GOAL_RATIO}), {gigabytes:.2f} GB")


if __name__ == "__main__":
    main()
