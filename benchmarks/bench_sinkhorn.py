"""Times Sinkhorn on a ViCC batch with its queue, as a share of the training step it is part of.

Scores are those of the paper: 192 videos and a queue of 1920 against 300 prototypes, in float32. The step is that of
the method itself, both clips with gradient, at a batch that fits the machine. A step of a larger batch takes longer in
proportion, while the four Sinkhorns of a cross-stream step are timed here at the paper's full size: the share is an
upper bound. Both take turns in one process; medians of processor and wall time are written to results/.
"""

import argparse
import statistics
import time
from typing import Any

import torch

from coview.config import RunConfig, parse
from coview.datatypes import ViewBatch, unit
from coview.losses.sinkhorn import sinkhorn
from coview.methods import Progress
from coview.methods.base import freeze_all_but
from coview.training.building import build_method
from coview.training.optimisers import build_optimiser
from record import record

SLOTS = {"rgb": 2, "cycle1-rgb": 4}
"""Stage -> Sinkhorns in one of its steps."""


class Step:
    """A training step of one stage.

    Args:
        arguments: sizes, as the command line gives them.
        stage_name: "rgb" or "cycle1-rgb".
    """

    def __init__(self, arguments: argparse.Namespace, stage_name: str) -> None:
        given: dict[str, Any] = {
            "views": {view: {"size": arguments.size} for view in ("rgb", "flow")},
            "encoder": {"name": arguments.encoder},
            "clip": {"num_blocks": 1, "block_length": arguments.frames, "frame_stride": 1, "clips_per_video": 2},
            "method": {"name": "vicc", "prototypes": arguments.prototypes, "queue": 0, "cycles": 1},
            "optimiser": {"name": "lars", "learning_rate": 0.6},
        }
        torch.manual_seed(0)
        config = parse(RunConfig, given, source="benchmark")
        self.method = build_method(config, {"rgb": 3, "flow": 3})
        self.stage = next(stage for stage in self.method.stages() if stage.name == stage_name)
        freeze_all_but(self.method, self.stage.trainable)
        self.optimiser = build_optimiser(self.method, self.stage, config.optimiser)
        shape = (arguments.batch, 2, 3, arguments.frames, arguments.size, arguments.size)
        self.batch = ViewBatch({view: torch.randn(shape) for view in self.stage.views}, torch.arange(arguments.batch))

    def __call__(self) -> None:
        """Take one step."""
        output = self.method(self.batch, Progress(self.stage, stage_index=0, epoch=0, step=0, num_steps=100))
        output.total.backward()
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.method.after_step()


def timed(work: Any) -> tuple[float, float]:
    """Return wall and processor seconds of one call."""
    started, processor_started = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - started, time.process_time() - processor_started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encoder", default="s3d")
    parser.add_argument("--size", type=int, default=128, help="side of the pictures, in pixels")
    parser.add_argument("--frames", type=int, default=32)
    parser.add_argument("--batch", type=int, default=4, help="videos of the step, two clips each")
    parser.add_argument("--samples", type=int, default=192, help="features of the batch that Sinkhorn shares out")
    parser.add_argument("--queue", type=int, default=1920)
    parser.add_argument("--prototypes", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    prototypes = unit(torch.randn(arguments.prototypes, 128))
    scores = unit(torch.randn(arguments.samples, 128)) @ prototypes.T
    queue = unit(torch.randn(arguments.queue, 128)) @ prototypes.T
    steps = {name: Step(arguments, name) for name in SLOTS}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ("sinkhorn", *SLOTS)}
    for _ in range(arguments.repeats + 1):
        for name, step in steps.items():
            times[name].append(timed(step))
        times["sinkhorn"] += [timed(lambda: sinkhorn(scores, queue_scores=queue)) for _ in range(5)]
    values: dict[str, Any] = {"sizes": vars(arguments)}
    for place, kind in enumerate(("wall", "processor")):
        medians = {name: statistics.median(t[place] for t in found[1:]) for name, found in times.items()}
        shares = {name: round(count * medians["sinkhorn"] / medians[name], 4) for name, count in SLOTS.items()}
        values[kind] = {"seconds": {n: round(v, 4) for n, v in medians.items()}, "share_of_step": shares}
    path = record("sinkhorn", values)
    print(f"{path.name}: sinkhorn takes {values['processor']['share_of_step']} of a step (processor time)")


if __name__ == "__main__":
    main()
