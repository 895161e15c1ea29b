"""Counts the bytes that a training step sends between processes: of its losses, batch norms and gradients.

One process stands in for rank 0 of many: a fake process group takes every collective and does nothing, so that what
is counted is what coview's own code asks for, whatever the number of processes. What a process sends is reckoned as a
ring does it: 2 (N - 1) / N of a tensor to reduce it over N processes, N - 1 times its own part to gather it.
"""

import argparse
import dataclasses
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch.testing._internal.distributed.fake_pg import FakeStore

from coview.config.files import load_config
from coview.datatypes import ViewBatch
from coview.encoders import batchnorm
from coview.methods import Method, Progress
from coview.methods.base import freeze_all_but
from coview.training.building import build_method, resolve_config

CONFIGS = ("cpc-ucf10-cpu", "cocon-ucf10-2view-cpu", "cocon-ucf10-4view-cpu", "vicc-ucf10-cpu", "joint-ucf10-cpu")
CHANNELS = {"rgb": 3, "flow": 2, "pose": 17, "segmentation": 1}
EVERY_STEP_BYTES = 4 + 2 * 8
"""Whether the loss is finite everywhere, and whether to stop or save."""


@dataclasses.dataclass
class Sent:
    """Bytes that one process sends in a step, and how often it waits for the others."""

    collectives: int = 0
    losses: float = 0.0
    batch_norms: float = 0.0
    gradients: float = 0.0


@contextmanager
def counted(processes: int) -> Iterator[Sent]:
    """Stand in for rank 0 of so many processes and count what the block sends."""
    dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=processes)
    sent, real = Sent(), {name: getattr(dist, name) for name in ("all_reduce", "all_gather")}
    in_norm = False

    def count(size: float) -> None:
        sent.collectives += 1
        if in_norm:
            sent.batch_norms += size
        else:
            sent.losses += size

    def all_reduce(tensor: torch.Tensor, *arguments: Any, **settings: Any) -> Any:
        count(2 * (processes - 1) / processes * tensor.nbytes)
        return real["all_reduce"](tensor, *arguments, **settings)

    def all_gather(parts: list[torch.Tensor], own: torch.Tensor, *arguments: Any, **settings: Any) -> Any:
        count((processes - 1) * own.nbytes)
        for part in parts:
            part.copy_(own)  # nothing comes from others: stand-ins that are numbers
        return real["all_gather"](parts, own, *arguments, **settings)

    def as_norm(work: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any) -> Any:
            nonlocal in_norm
            in_norm, before = True, in_norm
            try:
                return work(*arguments)
            finally:
                in_norm = before

        return run

    moments, backward = batchnorm._global_moments, batchnorm._NormaliseGlobally.backward
    dist.all_reduce, dist.all_gather = all_reduce, all_gather  # type: ignore[assignment]
    batchnorm._global_moments = as_norm(moments)
    batchnorm._NormaliseGlobally.backward = staticmethod(as_norm(backward))  # type: ignore[method-assign]
    try:
        yield sent
    finally:
        dist.all_reduce, dist.all_gather = real["all_reduce"], real["all_gather"]
        batchnorm._global_moments = moments
        batchnorm._NormaliseGlobally.backward = staticmethod(backward)  # type: ignore[method-assign]
        dist.destroy_process_group()


def sent_in_step(config_name: str, *, processes: int, videos: int) -> dict[str, Any]:
    """Return what one process sends in a step of the last stage of a config.

    Args:
        config_name: one that comes with coview.
        processes: N.
        videos: of the batch, in each process.
    """
    config = load_config(config_name, {"training.batch_size": videos * processes})
    config = resolve_config(config, num_videos=1000)
    channels = {view: given.pad_channels or CHANNELS[view] for view, given in config.views.items()}
    torch.manual_seed(0)
    with counted(processes) as sent:
        method: Method = build_method(config, channels)
        stage = method.stages()[-1]
        learning = [method.get_submodule(name) for name in stage.trainable]
        clips = {
            view: torch.randn(
                videos, config.clip.clips_per_video, channels[view], config.clip.num_blocks * config.clip.block_length,
                config.views[view].size, config.views[view].size,
            )
            for view in stage.views
        }  # fmt: skip
        freeze_all_but(method, stage.trainable_at(stage.epochs - 1))
        output = method(ViewBatch(clips, torch.arange(videos)), Progress(stage, 0, 0, 0, 1))
        output.total.backward()
        method.after_step()
    size = sum(p.nbytes for module in learning for p in module.parameters())
    sent.gradients = 2 * (processes - 1) / processes * size
    return {
        "config": config_name,
        "processes": processes,
        "videos_a_process": videos,
        "stage": stage.name,
        **{f"{name}_bytes" if name != "collectives" else name: round(value) for name, value in vars(sent).items()},
        "every_step_bytes": EVERY_STEP_BYTES,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--configs", nargs="+", default=CONFIGS)
    parser.add_argument("--processes", nargs="+", type=int, default=[2, 8])
    parser.add_argument("--videos", type=int, default=4, help="of a batch, in each process")
    given = parser.parse_args()
    for name in given.configs:
        for processes in given.processes:
            print(json.dumps(sent_in_step(name, processes=processes, videos=given.videos)), flush=True)


if __name__ == "__main__":
    main()
