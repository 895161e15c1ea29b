"""Which number format and memory layout are fastest here: measured on the run's own encoder, not guessed."""

import copy
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn

from coview.config import TrainingSettings
from coview.encoders.batchnorm import local_moments
from coview.errors import UserError
from coview.training.gradient_judge import GradientJudge

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
Choice = tuple[str, bool]
"""Number format, and whether channels come last."""
Trial = tuple[nn.Module, tuple[int, ...]]
"""An encoder and the (n, C, T, H, W) of its clips in a step."""

WORTHWHILE = 0.95
"""Lower precision, or another layout, must take at most this share of the time to be chosen."""
FEW = 4
"""Clips of a first look, which says what is hopeless and how long the whole batch would take."""
HOPELESS = 2.5
"""What takes this many times the fastest setting's time with a few clips is not tried with many."""
MOST_SECONDS = 1.5
"""Of a pass with all clips, at the fastest setting's pace; else fewer clips are timed."""
EMBEDDING_SECONDS, EMBEDDING_WORTHWHILE = 0.1, 0.8
"""Embedding computes in bf16 where a batch takes at least this long without, and at most this share of it with."""
TRIES = 2
"""Rounds in which the settings take turns, so that other work on the machine falls on all of them."""


@dataclass(frozen=True)
class Precision:
    """How the model computes.

    Attributes:
        dtype_name: "fp32", "bf16" or "fp16"; the lower ones through autocast, weights stay float32.
        channels_last: whether 3D convolutions keep their channels last in memory.
        seconds: setting -> seconds of a probing step; empty when nothing was probed.
        rejected: setting -> why its gradients cannot be used, though it was faster than what was chosen.
        clips: of a view in a probing step, at most; 0: nothing was probed.
    """

    dtype_name: str
    channels_last: bool
    seconds: dict[str, float]
    rejected: dict[str, str] = field(default_factory=dict)
    clips: int = 0

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
        return f"precision {chosen}, the fastest here ({times} for a probing step of {self.clips} clips){refused}"


def name_of(dtype_name: str, channels_last: bool) -> str:
    """Return "bf16 channels-last" and the like."""
    return f"{dtype_name} channels-last" if channels_last else dtype_name


def candidates(settings: TrainingSettings, device: torch.device) -> list[Choice]:
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


def choose_precision(settings: TrainingSettings, trials: Sequence[Trial], device: torch.device) -> Precision:
    """Return the fastest allowed setting for a forward and backward pass of these encoders whose gradients are right.

    Timed on the run's own batch, since a few clips say little about many; where a step would last longer than
    `MOST_SECONDS`, on as many clips as fit. That takes no more memory than training does. Takes no part in collectives,
    so that one process of several may call it alone.

    Args:
        settings: what the user allows.
        trials: of each view the network, which can be copied and is left as it is, and (n, C, T, H, W), the clips that
            it is given in a step.
        device: where they will train.
    """
    allowed = candidates(settings, device)
    if len(allowed) == 1:
        return Precision(*allowed[0], seconds={})
    kinds = [(type(encoder), sum(p.numel() for p in encoder.parameters()), shape) for encoder, shape in trials]
    first = dict(zip(reversed(kinds), reversed(trials), strict=True))
    watches = [(count, Stopwatch(*first[kind], device)) for kind, count in Counter(kinds).items()]  # alike cost alike

    def measure(choice: Choice, num_clips: int) -> float:
        return sum(count * watch.measure(choice, num_clips) for count, watch in watches)

    few = {choice: min(measure(choice, FEW) for _ in range(2)) for choice in allowed}
    fastest = min(few.values())
    fair = [choice for choice in allowed if few[choice] < HOPELESS * fastest]
    num_clips = min(max(FEW, int(FEW * MOST_SECONDS / fastest)), max(watch.num_clips for _, watch in watches))
    rounds = [{choice: measure(choice, num_clips) for choice in fair} for _ in range(1 + TRIES)]
    seconds = {choice: min(taken[choice] for taken in rounds[1:]) for choice in fair}  # the first round warms up
    judged = [watch for _, watch in watches if watch.learns]
    judges = [GradientJudge(watch.network, (watch.num_clips, *watch.shape), device) for watch in judged]
    rejected: dict[Choice, str] = {}
    for best in sorted(fair, key=lambda choice: seconds[choice] * (WORTHWHILE if choice == allowed[0] else 1.0)):
        reason = next(filter(None, (judge.find_fault(*best) for judge in judges)), "")
        if not reason:
            break
        rejected[best] = reason
    else:  # plain float32 is never rejected; where the user allows none, nothing better is left
        best = allowed[0] if allowed[0] not in rejected else next(iter(rejected))
    return Precision(
        *best,
        seconds={name_of(*choice): round(value, 4) for choice, value in seconds.items()},
        rejected={name_of(*choice): why for choice, why in rejected.items()},
        clips=num_clips,
    )


def choose_embedding_dtype(
    encoder: nn.Module, clip_shape: tuple[int, ...], device: torch.device
) -> Literal["fp32", "bf16"]:
    """Return the number format in which embedding is to compute on a CPU: bf16 where there is much to win.

    Args:
        encoder: a network that can be copied; it is left as it is.
        clip_shape: (n, C, T, H, W) of the clips that are encoded at once.
        device: where it trains.
    """
    if device.type != "cpu" or not has_bf16_units():
        return "fp32"
    watch = Stopwatch(encoder, clip_shape, device)
    watch.network.eval()
    full, low = ("fp32", False), ("bf16", True)
    few = min(watch.measure(full, FEW, learns=False) for _ in range(2))
    if few * watch.num_clips / FEW < EMBEDDING_SECONDS:
        return "fp32"
    count = max(FEW, int(FEW * MOST_SECONDS / few))
    rounds = [[watch.measure(choice, count, learns=False) for choice in (full, low)] for _ in range(1 + TRIES)]
    seconds_full, seconds_low = (min(taken) for taken in zip(*rounds[1:], strict=True))
    return "bf16" if seconds_low < EMBEDDING_WORTHWHILE * seconds_full else "fp32"


def has_bf16_units() -> bool:
    """Say whether this processor multiplies bf16 in hardware, as far as torch is allowed to use it."""
    if torch.backends.cpu.get_cpu_capability() == "DEFAULT":
        return False
    return any(getattr(torch.cpu, name, bool)() for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))


class Stopwatch:
    """Times forward and backward passes of a copy of one encoder.

    Args:
        encoder: the network.
        clip_shape: (n, C, T, H, W) of its clips in a step of training.
        device: where it will train.
    """

    def __init__(self, encoder: nn.Module, clip_shape: tuple[int, ...], device: torch.device) -> None:
        self.network = copy.deepcopy(encoder).train()
        self.learns = any(parameter.requires_grad for parameter in encoder.parameters())
        self.num_clips, *shape = clip_shape
        self.shape, self.device = tuple(shape), device
        self.clip = torch.linspace(-1, 1, torch.Size(shape).numel(), device=device).reshape(shape)

    def measure(self, choice: Choice, num_clips: int, *, learns: bool = True) -> float:
        """Return the seconds of one pass with this many clips, but not more than a step has; `learns`: and back.

        On a CPU processor time counts, which other work on the machine disturbs less.
        """
        clock = time.process_time if self.device.type == "cpu" else time.perf_counter
        precision = Precision(*choice, seconds={})
        self.network.to(self.device, memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        precision.place(self.network, self.device)
        clips = self.clip.expand(min(num_clips, self.num_clips), *self.shape).contiguous()  # (n, C, T, H, W)
        started = clock()
        learns = learns and self.learns
        with local_moments(self.network), torch.set_grad_enabled(learns):
            with precision.autocast(self.device):
                features: Tensor = self.network(clips)
            if learns:
                features.float().square().mean().backward()
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        seconds = clock() - started
        self.network.zero_grad(set_to_none=True)
        return seconds
