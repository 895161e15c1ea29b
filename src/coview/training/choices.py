"""What a first run is to be, from the footage, the machine and the time there is; each choice with its reason."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from coview.config import RunConfig
from coview.config.files import load_config
from coview.preparation.settings import usable_cores
from coview.wording import counted

CONFIG_NAME, GPU_CONFIG_NAME = "joint", "medium"
"""What every choice starts from, without and with a GPU."""
CLIP_SECONDS = 1.2
"""A clip's length: 32 frames at 25 a second, as in the published settings of ViCC within a fifth."""
BYTES_A_VIDEO_ON_A_GPU = 10**9
"""Of activations, by calculation: two clips of two views of 16 frames at 112 px through r2d3d18 in bf16, doubled."""
BATCHES_ON_A_GPU = (8, 16, 32, 64)


@dataclass(frozen=True)
class Machine:
    """What there is to train on.

    Attributes:
        cores: that this process may use.
        memory_bytes: of the machine; 0: not known.
        gpu: name of the first GPU that PyTorch can use; "": none.
        gpu_bytes: its memory.
        has_bf16: whether it, or the processor where there is none, computes in bfloat16.
    """

    cores: int
    memory_bytes: int = 0
    gpu: str = ""
    gpu_bytes: int = 0
    has_bf16: bool = False

    @classmethod
    def look(cls, device: str = "auto") -> "Machine":
        """Look at this machine; with the device "cpu" as if it had no GPU."""
        has_sizes = "SC_PHYS_PAGES" in os.sysconf_names
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if has_sizes else 0
        if device != "cpu" and torch.cuda.is_available():
            _, total = torch.cuda.mem_get_info(0)
            return cls(usable_cores(), memory, torch.cuda.get_device_name(0), total, torch.cuda.is_bf16_supported())
        info = Path("/proc/cpuinfo")
        has_bf16 = info.is_file() and "bf16" in info.read_text(encoding="utf-8")
        return cls(usable_cores(), memory, has_bf16=has_bf16)

    def describe(self) -> str:
        """Return such as "2 cores, 24 GB, no GPU, bf16"."""
        memory = f", {self.memory_bytes / 2**30:.0f} GB" if self.memory_bytes else ""
        gpu = f"{self.gpu} with {self.gpu_bytes / 2**30:.0f} GB" if self.gpu else "no GPU"
        return f"{self.cores} cores{memory}, {gpu}, {'bf16' if self.has_bf16 else 'no bf16'}"


@dataclass(frozen=True)
class Footage:
    """The videos in short.

    Attributes:
        count: how many.
        seconds: of a typical one.
        fps: frames a second of a typical one, as stored.
        views: what is, or is to be, stored of them.
        split: of them whose training part is learnt from; None: all are.
    """

    count: int
    seconds: float
    fps: float
    views: Sequence[str]
    split: str | None = None


@dataclass(frozen=True)
class Choice:
    """One thing that was chosen: what, which, and why in a few words."""

    what: str
    value: str
    why: str

    def __str__(self) -> str:
        return f"{self.what}: {self.value} ({self.why})"


def choose_config(footage: Footage, machine: Machine, settings: Mapping[str, Any]) -> tuple[RunConfig, list[Choice]]:
    """Return the config of a first run, and why it is so; what `settings` say stands above all choices.

    Args:
        footage: the videos.
        machine: what there is to train on.
        settings: changes to the config, by dotted name.

    Raises:
        UserError: settings that do not fit.
    """
    config = load_config(GPU_CONFIG_NAME if machine.gpu else CONFIG_NAME)
    each = next(iter(config.views.values()))  # they enter alike
    clip, training = config.clip, config.training
    if machine.gpu:
        fitting = [size for size in BATCHES_ON_A_GPU if size * BYTES_A_VIDEO_ON_A_GPU <= machine.gpu_bytes]
        training = dataclasses.replace(training, batch_size=fitting[-1] if fitting else BATCHES_ON_A_GPU[0])
    stride = max(1, round(footage.fps * CLIP_SECONDS / clip.block_length))
    chosen = dataclasses.replace(
        config,
        views=dict.fromkeys(footage.views, each),
        split=footage.split,
        clip=dataclasses.replace(clip, frame_stride=stride),
        training=training,
    )
    chosen = load_config(chosen, settings)
    return chosen, _reasons(chosen, footage, machine)


def _reasons(config: RunConfig, footage: Footage, machine: Machine) -> list[Choice]:
    clip, sizes = config.clip, sorted({view.size for view in config.views.values()})
    views, size = " ".join(config.views), "/".join(map(str, sizes))
    together = "all views of the data learn from each other" if len(config.views) > 1 else "the only view of the data"
    on = (
        f"fits {machine.gpu}"
        if machine.gpu
        else f"small enough for {machine.cores} cores; for a GPU there is the config {GPU_CONFIG_NAME}"
    )
    span = clip.span / footage.fps
    videos = min(config.training.batch_size, footage.count)
    fewer = ", all there are" if videos == footage.count else ""
    memory = f"what fits into {machine.gpu_bytes / 2**30:.0f} GB" if machine.gpu else "steps stay quick"
    return [
        Choice("views", views, together),
        Choice("method", str(config.method["name"]), "no labels and one stage; see docs/what-was-tried.md"),
        Choice("encoder", f"{config.encoder['name']} at {size} px", on),
        Choice(
            "clips",
            f"{clip.num_blocks * clip.block_length} frames, every {clip.frame_stride}",
            f"{span:.1f} s at {footage.fps:.3g} frames/s; videos last about {footage.seconds:.3g} s",
        ),
        Choice("batch", f"{counted(videos, 'video')}{fewer}", memory),
        Choice("precision", config.training.precision, "measured when training begins, gradients checked")
        if config.training.precision == "auto"
        else Choice("precision", config.training.precision, "as set"),
    ]
