"""Which number format and memory layout are fastest here: measured on the run's own encoder, not guessed."""

import copy
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from coview.config import TrainingSettings
from coview.encoders.batchnorm import local_moments
from coview.errors import UserError
from coview.training.gradient_judge import GradientJudge

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
WORTHWHILE = 0.95
"""Lower precision, or another layout, must take at most this share of the time to be chosen."""


@dataclass(frozen=True)
class Precision:
    """How the model computes.

    Attributes:
        dtype_name: "fp32", "bf16" or "fp16"; the lower ones through autocast, weights stay float32.
        channels_last: whether 3D convolutions keep their channels last in memory.
        seconds: setting -> seconds of a probing step; empty when nothing was probed.
        rejected: setting -> why its gradients cannot be used, though it was faster than what was chosen.
    """

    dtype_name: str
    channels_last: bool
    seconds: dict[str, float]
    rejected: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def autocast(self, device: torch.device) -> Iterator[None]:
        """Compute in this precision inside the block."""
        lower = self.dtype_name != "fp32"
        with torch.autocast(device.type, dtype=DTYPES[self.dtype_name] if lower else None, enabled=lower):
            yield

    def place(self, module: nn.Module, device: torch.device) -> None:
        """Move a module to the device in this memory layout, in place."""
        module.to(device)
        if self.channels_last:
            module.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]

    def describe(self) -> str:
        """Return one line for the start of a run."""
        chosen = name_of(self.dtype_name, self.channels_last)
        refused = "".join(
            f"; used although {reason}" if name == chosen else f"; {name} rejected: {reason}"
            for name, reason in self.rejected.items()
        )
        if not self.seconds:
            return f"precision {chosen}, as set{refused}"
        times = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in self.seconds.items())
        return f"precision {chosen}, the fastest here ({times} for a probing step){refused}"


def name_of(dtype_name: str, channels_last: bool) -> str:
    """Return "bf16 channels-last" and the like."""
    return f"{dtype_name} channels-last" if channels_last else dtype_name


def candidates(settings: TrainingSettings, device: torch.device) -> list[tuple[str, bool]]:
    """Return the (dtype name, channels last) settings that may be used here, the plain one first.

    fp16 is tried only when it is asked for: it needs loss scaling, and bf16 is as fast wherever both exist.
    """
    dtypes = ["fp32", "bf16"] if settings.precision == "auto" else [settings.precision]
    if device.type == "cuda" and not torch.cuda.is_bf16_supported():
        dtypes = [name for name in dtypes if name != "bf16"]
        if not dtypes:
            raise UserError("training.precision is bf16, but this GPU has no bf16; use auto, fp16 or fp32")
    layouts = {"auto": [False, True], "always": [True], "never": [False]}[settings.channels_last]
    return [(dtype, layout) for dtype in dtypes for layout in layouts]


def choose_precision(
    settings: TrainingSettings, encoder: nn.Module, clip_shape: tuple[int, ...], device: torch.device
) -> Precision:
    """Return the fastest allowed setting for a forward and backward pass of this encoder whose gradients are right.

    Takes no part in collectives, so that one process of several may call it alone.

    Args:
        settings: what the user allows.
        encoder: a network that can be copied; it is left as it is.
        clip_shape: (n, C, T, H, W) of the clips to try it with.
        device: where it will train.
    """
    allowed = candidates(settings, device)
    if len(allowed) == 1:
        return Precision(*allowed[0], seconds={})
    trial = copy.deepcopy(encoder)
    clips = torch.linspace(-1, 1, torch.Size(clip_shape).numel(), device=device).reshape(clip_shape)
    seconds: dict[tuple[str, bool], float] = {}
    rejected: dict[tuple[str, bool], str] = {}
    with local_moments(trial):
        for choice in allowed:
            limit = 3 * min(seconds.values(), default=float("inf"))
            seconds[choice] = _step_seconds(Precision(*choice, seconds={}), trial, clips, device, limit=limit)
    best_first = sorted(allowed, key=lambda choice: seconds[choice] * (WORTHWHILE if choice == allowed[0] else 1.0))
    judge = GradientJudge(encoder, clip_shape, device)
    for best in best_first:
        reason = judge.find_fault(*best)
        if not reason:
            break
        rejected[best] = reason
    else:  # float32 is never rejected: the user allowed nothing else
        best = best_first[0]
    times = {name_of(*choice): round(value, 4) for choice, value in seconds.items()}
    return Precision(*best, seconds=times, rejected={name_of(*choice): why for choice, why in rejected.items()})


def _step_seconds(
    precision: Precision, encoder: nn.Module, clips: Tensor, device: torch.device, *, limit: float
) -> float:
    """Time one forward and backward pass: the better of two after one to warm up, or the first beyond `limit`.

    On a CPU processor time counts, which other work on the machine disturbs less.
    """
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    encoder.to(device, memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    precision.place(encoder, device)
    encoder.train()
    times = []
    for _ in range(3):
        started = clock()
        with precision.autocast(device):
            encoder(clips).float().square().mean().backward()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(clock() - started)
        encoder.zero_grad(set_to_none=True)
        if times[-1] > limit:
            break
    return min(times[1:] or times)
