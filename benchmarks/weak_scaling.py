"""Weak scaling: training steps of 1, 2, ... processes on this machine, each with the same batch of its own.

The processes train as one, as under torchrun: losses and batch norms over the global batch, gradients through DDP, by
gloo. Said is what a step costs each of them, in processor time, which neighbours on the machine disturb little, and on
the clock, which means something only where there is a core for each process. Clips are random numbers: reading is not
part of it, since every process reads its own videos.
"""

import argparse
import json
import os
import statistics
import time
from typing import Any

import torch
import torch.multiprocessing as multiprocessing
from torch import distributed
from torch.multiprocessing.spawn import spawn
from torch.nn.parallel import DistributedDataParallel

from communication import CHANNELS, CONFIGS
from coview.config.files import load_config
from coview.datatypes import ViewBatch
from coview.methods import Progress
from coview.methods.base import freeze_all_but
from coview.training.building import build_method, resolve_config
from coview.training.optimisers import build_optimiser
from record import record


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", choices=CONFIGS, default="joint-ucf10-cpu")
    parser.add_argument("--videos", type=int, default=8, help="of each process")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--port", type=int, default=29533)
    parser.add_argument("--no-record", action="store_true")
    given = parser.parse_args()
    found: dict[str, dict[str, float]] = {}
    for processes in given.processes:
        with multiprocessing.Manager() as manager:
            results = manager.dict()
            arguments = (processes, given.config, given.videos, given.steps, given.port, results)
            spawn(train, args=arguments, nprocs=processes)
            found[str(processes)] = {
                kind: round(statistics.mean(one[kind] for one in results.values()), 4)
                for kind in ("processor_seconds", "clock_seconds")
            }
    first = found[str(given.processes[0])]
    for one in found.values():
        one["efficiency"] = round(first["processor_seconds"] / one["processor_seconds"], 3)
    values = {"config": given.config, "videos_a_process": given.videos, "steps": given.steps, "processes": found}
    print(json.dumps(values, indent=2))
    if not given.no_record:
        print(record(f"weak-scaling-{given.config}", values))


def train(rank: int, processes: int, config_name: str, videos: int, steps: int, port: int, results: Any) -> None:
    """Take some steps as one of the processes; note the median of what they cost, without the first two."""
    torch.set_num_threads(1)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    distributed.init_process_group("gloo", rank=rank, world_size=processes)
    config = load_config(config_name, {"training.batch_size": videos * processes})
    config = resolve_config(config, num_videos=1000)
    torch.manual_seed(0)
    channels = {view: one.pad_channels or CHANNELS[view] for view, one in config.views.items()}
    method = build_method(config, channels)
    stage = method.stages()[-1]
    freeze_all_but(method, stage.trainable)
    optimiser = build_optimiser(method, stage, config.optimiser, config.views)
    model = DistributedDataParallel(method, broadcast_buffers=False, gradient_as_bucket_view=True)
    torch.manual_seed(rank)
    clip = config.clip
    clips = {
        view: torch.randn(videos, clip.clips_per_video, channels[view], clip.num_frames, one.size, one.size)
        for view, one in config.views.items()
    }
    batch = ViewBatch(clips, torch.arange(videos))
    taken: dict[str, list[float]] = {"processor_seconds": [], "clock_seconds": []}
    for number in range(steps + 2):
        processor, clock = time.process_time(), time.perf_counter()
        model(batch, Progress(stage, 0, 0, number, steps + 2)).total.backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        method.after_step()
        if number >= 2:
            taken["processor_seconds"].append(time.process_time() - processor)
            taken["clock_seconds"].append(time.perf_counter() - clock)
    results[rank] = {kind: statistics.median(values) for kind, values in taken.items()}
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
