"""Tries an encoder's gradients in a child process, against float64, in memory that is full of NaN.

The child says which case it begins and how the case ended; where it dies, the case that killed it is known, and
the rest is tried by another child.
"""

import functools
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection

import torch
import torch.multiprocessing as mp
from torch import Tensor, nn

import two_processes  # noqa: F401  # says what the server of child processes imports, once for all
from coview.encoders import ENCODERS, Encoder
from coview.encoders.convolution import Conv3d, convolution_backward, short_dimensions
from coview.encoders.convolution_fault import LIMITS, fill_freed_memory
from coview.registry import load_plugins, loaded_plugins

FRAMES = (*range(1, 9), 16)
SIDES = (16, 24, 32, 48, 64)
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
LAYOUTS = {"contiguous": torch.contiguous_format, "channels-last": torch.channels_last_3d}
CHANNELS = 2
NETWORK_LIMITS = {"float32": 0.05, "bfloat16": 0.9}
"""How far a whole network's gradient may be off by its length: ReLUs tip over, and bfloat16 rounds in every layer."""


@dataclass(frozen=True)
class Call:
    """One convolution, as an encoder meets it: what it is, and the size of its input."""

    channels: tuple[int, int]
    kernel: tuple[int, int, int]
    stride: tuple[int, int, int]
    padding: tuple[int, int, int]
    size: tuple[int, ...]

    def build(self, dtype: torch.dtype) -> Conv3d:
        """Return it with weights that are still to be set: drawing them costs more than using them."""
        with torch.device("meta"):
            convolution = Conv3d(*self.channels, self.kernel, self.stride, padding=self.padding, bias=False)
        return convolution.to_empty(device="cpu").to(dtype)


@functools.cache
def calls_of(name: str, *, short_only: bool) -> tuple[Call, ...]:
    """Return every distinct convolution of an encoder over all frames and sides; or those the kernel reaches over."""
    with torch.device("meta"), torch.no_grad():
        encoder = ENCODERS.load(name)(in_channels=CHANNELS)
        for part in encoder.modules():
            if isinstance(part, nn.modules.batchnorm._BatchNorm | nn.ReLU):  # slow on this device, and keep sizes
                part.forward = nn.Identity().forward
        modules = [part for part in encoder.modules() if isinstance(part, Conv3d)]
        over_time = [_sizes(encoder, modules, frames, SIDES[0]) for frames in FRAMES]
        over_space = [_sizes(encoder, modules, FRAMES[0], side) for side in SIDES]
    found: dict[Call, None] = {}
    for first, second in itertools.product(over_time, over_space):  # frames decide T alone, sides H and W alone
        for module in modules:
            size = (first[module][0], *second[module][1:])
            if short_dimensions(size, module) or not short_only:
                channels = (module.in_channels, module.out_channels)
                found[Call(channels, module.kernel_size, module.stride, module.padding, size)] = None
    return tuple(found)


def new_calls(name: str) -> list[Call]:
    """Return the narrow short calls of an encoder that none before it in the registry has: each is tried once."""
    names = [one for one in ENCODERS if one != "transformers"]  # those pad no convolution
    known = {call for earlier in names[: names.index(name)] for call in _short_calls(earlier)}
    return [call for call in _short_calls(name) if call not in known]


def _short_calls(name: str) -> list[Call]:
    return narrow_calls(calls_of(name, short_only=True))


def _sizes(encoder: Encoder, modules: list[Conv3d], frames: int, side: int) -> dict[Conv3d, tuple[int, ...]]:
    """Return T, H, W of each convolution's input."""
    sizes: dict[Conv3d, tuple[int, ...]] = {}

    def note(module: Conv3d, inputs: tuple[Tensor, ...]) -> None:
        sizes[module] = tuple(inputs[0].shape[2:])

    handles = [module.register_forward_pre_hook(note) for module in modules]
    encoder(torch.empty(2, CHANNELS, frames, side, side))
    for handle in handles:
        handle.remove()
    return sizes


def narrow_calls(calls: Iterable[Call]) -> list[Call]:
    """Return the calls with no more than 32 channels, or 33 for a number that is no multiple of 16, each once.

    Kernel, stride and size decide whether torch is wrong, and whether channels fill blocks of 16: not how many.
    """
    return list(dict.fromkeys(replace(call, channels=tuple(map(narrow, call.channels))) for call in calls))


def narrow(channels: int) -> int:
    """Return few channels of the same kind."""
    return min(channels, 32 if channels % 16 == 0 else 33)


def find_faults(
    name: str, *, threads: Sequence[int], calls: Sequence[Call], sizes: Mapping[int, Sequence[tuple[int, int]]]
) -> dict[str, str]:
    """Return case -> what is wrong with it: empty where all is right.

    Args:
        name: of the encoder.
        threads: numbers of threads with which the child computes each call.
        calls: its convolutions to try one by one.
        sizes: number of threads -> (frames, side) with which to try the whole network.
    """
    context = mp.get_context("forkserver")
    faults: dict[str, str] = {}
    first, is_over = 0, False
    while not is_over:
        ours, theirs = context.Pipe(duplex=False)
        child = context.Process(target=_try_cases, args=(theirs, name, threads, calls, sizes, first, loaded_plugins()))
        child.start()
        theirs.close()
        case, is_begun = "the start", False
        while not is_over:
            try:
                said = ours.recv()
            except EOFError:
                break
            if said is None:
                is_over = True
            elif isinstance(said, tuple):
                first, case = said[0] + 1, said[1]
                is_begun = True
            elif said:
                faults[case] = said
        child.join()
        if child.exitcode != 0:
            faults[case] = f"the process died: exit code {child.exitcode}"
            is_over = is_over or not is_begun
    return faults


def _try_cases(
    pipe: Connection,
    name: str,
    threads: Sequence[int],
    calls: Sequence[Call],
    sizes: Mapping[int, Sequence[tuple[int, int]]],
    first: int,
    plugins: tuple[str, ...],
) -> None:
    load_plugins(plugins)  # which may bring the encoder
    torch.manual_seed(0)
    for index, (case, count, check) in enumerate(_cases(name, threads, calls, sizes)):
        if index >= first:
            torch.set_num_threads(count)
            pipe.send((index, case))
            pipe.send(check())
    pipe.send(None)


def _cases(
    name: str, threads: Sequence[int], calls: Sequence[Call], sizes: Mapping[int, Sequence[tuple[int, int]]]
) -> Iterator[tuple[str, int, Callable[[], str]]]:
    """Yield (case, number of threads, trial), the cases of one call together: its right results are computed once."""
    for call in calls:
        trial = CallTrial(call)
        for dtype, layout, count in itertools.product(DTYPES, LAYOUTS, threads):
            check = functools.partial(trial.find_fault, dtype, layout)
            yield f"{trial.call}, {dtype}, {layout}, threads {count}", count, check
    for count, (frames, side) in ((count, size) for count, own in sizes.items() for size in own):
        network = NetworkTrial(name, frames, side)
        for dtype, layout in itertools.product(DTYPES, LAYOUTS):
            case = f"{name} on {frames} frames at {side}x{side}, {dtype}, {layout}, threads {count}"
            yield case, count, functools.partial(network.find_fault, dtype, layout)


class CallTrial:
    """One convolution by itself: output and gradients, by autograd and by the function for hand-written passes."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.right: list[Tensor] = []

    def find_fault(self, dtype: str, layout: str) -> str:
        """Return what is wrong in a number format and a layout."""
        number = DTYPES[dtype]
        ours = self.call.build(number)
        if not self.right:
            draw = torch.Generator().manual_seed(0)
            self.clips = torch.randn(2, ours.in_channels, *self.call.size, generator=draw).bfloat16()
            self.kernel = torch.randn(ours.weight.shape, generator=draw).bfloat16()
            exact = self.call.build(torch.float64)
            self.right = self._by_autograd(exact, self.kernel.double(), self.clips.double())
        inputs = self.clips.to(number).to(memory_format=LAYOUTS[layout])
        ours.to(memory_format=LAYOUTS[layout])
        found = self._by_autograd(ours, self.kernel.to(number), inputs)
        names = ("output", "gradient of the clips", "gradient of the kernel")
        compared = [*zip(names, found, self.right, strict=True)]
        if layout == "contiguous":  # the function calls the same code of torch: once is enough
            fill_freed_memory()
            by_hand = convolution_backward(ours, self._direction(found[0]), inputs, ours.weight.detach())
            compared += zip(names[1:], by_hand, self.right[1:], strict=True)
        for what, got, right in compared:
            error = float((got.double() - right).abs().max() / right.abs().max())
            if not error <= LIMITS[dtype]:
                return f"{what} is off by {error:.2g}"
        return ""

    def _by_autograd(self, convolution: Conv3d, kernel: Tensor, clips: Tensor) -> list[Tensor]:
        with torch.no_grad():
            convolution.weight.copy_(kernel)
        clips = clips.detach().requires_grad_()
        fill_freed_memory()
        output = convolution(clips)
        fill_freed_memory()
        gradients = torch.autograd.grad(output, (clips, convolution.weight), self._direction(output))
        return [output.detach(), *gradients]

    def _direction(self, output: Tensor) -> Tensor:
        drawn = torch.randn(output.shape, generator=torch.Generator().manual_seed(1))
        return drawn.bfloat16().to(output.dtype)


class NetworkTrial:
    """A whole encoder, its norms with running statistics: few values would enlarge every rounding."""

    def __init__(self, name: str, frames: int, side: int) -> None:
        self.name, self.frames, self.side = name, frames, side
        self.right: list[Tensor] = []

    def find_fault(self, dtype: str, layout: str) -> str:
        torch.manual_seed(0)
        encoder = ENCODERS.load(self.name)(in_channels=CHANNELS).eval()
        clips = torch.randn(2, CHANNELS, self.frames, self.side, self.side)
        if not self.right:
            self.right = self._compute(encoder.double(), clips.double(), "float64")
            encoder.float()
        encoder.to(memory_format=LAYOUTS[layout])
        found = self._compute(encoder, clips.to(memory_format=LAYOUTS[layout]), dtype)
        names = ["the output", "the gradient of the clips", *(name for name, _ in encoder.named_parameters())]
        for name, got, right in zip(names, found, self.right, strict=True):
            if not bool(torch.isfinite(got).all()):
                return f"{name} is not finite"
            error = float((got.double() - right).norm()) / max(float(right.norm()), 1e-30)
            if right.dim() > 1 and not (math.isfinite(error) and error <= NETWORK_LIMITS[dtype]):
                return f"{name} is off by {error:.2g} of its length"
        return ""

    def _compute(self, encoder: Encoder, clips: Tensor, dtype: str) -> list[Tensor]:
        clips = clips.detach().requires_grad_()
        fill_freed_memory()
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bfloat16"):
            output = encoder(clips)
        output = output.float() if dtype == "bfloat16" else output
        direction = torch.randn(output.shape, generator=torch.Generator().manual_seed(1)).to(output.dtype)
        fill_freed_memory()
        return [output.detach(), *torch.autograd.grad(output, (clips, *encoder.parameters()), direction)]
