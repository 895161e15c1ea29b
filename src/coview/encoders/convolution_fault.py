"""Whether torch's own convolution gradients are wrong on this processor, and whether coview's are right.

`python -m coview.encoders.convolution_fault` prints a line of JSON before and after each shape: first coview's
convolution, then torch's. Where the fault is at its worst that process dies; `begin_trial` does it in a child.
"""

import faulthandler
import json
import multiprocessing
import os
import signal
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import IO

import torch
from torch import Tensor, nn

from coview.encoders.convolution import Conv3d

Size3 = tuple[int, int, int]
Case = tuple[str, int, int, Size3, Size3]
CASES: tuple[Case, ...] = (
    ("float32", 6, 8, (7, 1, 1), (2, 1, 1)),
    ("bfloat16", 2, 8, (3, 3, 3), (1, 1, 1)),
    ("bfloat16", 4, 8, (5, 1, 1), (1, 1, 1)),
    ("bfloat16", 2, 1, (1, 3, 3), (1, 2, 2)),
    ("float32", 5, 8, (7, 1, 1), (2, 1, 1)),
)
"""Number format, frames, side, kernel and stride of shapes that are known to go wrong; the last ones kill."""

LIMITS = {"float32": 1e-4, "bfloat16": 3e-2}
"""The largest error, relative to the largest value, that rounding explains."""

FATAL = (-signal.SIGABRT, -signal.SIGSEGV, -signal.SIGBUS, -signal.SIGFPE, -signal.SIGILL, -signal.SIGTRAP)
"""Exit codes of a process that damaged its own memory or computed nonsense."""

OWNERS: dict[str, type[nn.Conv3d]] = {"coview": Conv3d, "torch": nn.Conv3d}


@dataclass(frozen=True)
class Fault:
    """What the trial in a child process found.

    Attributes:
        torch_is_wrong: cases in which torch's gradients are wrong, or the process died.
        coview_is_wrong: cases in which coview's are.
        trouble: why the trial could not be held; "" where it was.
    """

    torch_is_wrong: tuple[str, ...]
    coview_is_wrong: tuple[str, ...]
    trouble: str = ""


class Trial:
    """The known shapes being tried in a child process, which may die."""

    def __init__(self) -> None:
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (open until the result is read)
        self._child = multiprocessing.get_context("fork").Process(target=_speak_into, args=(self._said.fileno(),))
        self._trouble = ""
        try:
            self._child.start()
        except OSError as error:
            self._trouble = str(error)

    def result(self, *, timeout_seconds: float = 60.0) -> Fault:
        """Wait for the child and return what it found. Never raises and never dies, whatever becomes of the child."""
        with self._said:
            if self._trouble:
                return Fault((), (), self._trouble)
            self._child.join(timeout_seconds)
            if self._child.exitcode is None:
                self._child.kill()
                self._child.join()
                return Fault((), (), f"the trial did not end within {timeout_seconds:g} s")
            self._said.seek(0)
            return read_trial(self._said.read().decode(errors="replace"), self._child.exitcode)


def begin_trial() -> Trial:
    """Begin to try the known shapes in a fork of this process, which spares it importing torch once more."""
    return Trial()


def _speak_into(file: int) -> None:
    """Try every case, and write what is printed, by torch and by the C library too, into a file."""
    faulthandler.disable()
    os.dup2(file, 1)
    os.dup2(file, 2)
    try_cases(lambda line: os.write(1, f"{line}\n".encode()))


def read_trial(output: str, exit_code: int) -> Fault:
    """Return what the child's lines say; a case that was begun and not ended is the one that killed it.

    Args:
        output: what it printed, errors too.
        exit_code: of the child, negative where a signal ended it.
    """
    outcomes: dict[tuple[str, str], bool] = {}
    for line in output.splitlines():
        if line.startswith("{") and line.endswith("}"):
            said = json.loads(line)
            outcomes[said["whose"], said["case"]] = said.get("is_right", False)
    if exit_code not in (0, *FATAL) or not outcomes:
        last = [line for line in output.splitlines() if line.strip() and not line.startswith("{")][-1:]
        last = last or ["it printed no error"]
        return Fault((), (), f"the trial ended with exit code {exit_code}: {last[0]}")
    wrong = {whose: tuple(c for (w, c), right in outcomes.items() if w == whose and not right) for whose in OWNERS}
    if exit_code != 0 and not any(wrong.values()):  # the damage was done earlier, and found when memory was freed
        wrong["torch"] = ("the process died at its end",)
    return Fault(wrong["torch"], wrong["coview"])


def describe_case(case: Case) -> str:
    """Return "bfloat16 kernel 3x3x3 on 2 frames at 8x8" and the like."""
    dtype, frames, side, kernel, stride = case
    return f"{dtype} kernel {'x'.join(map(str, kernel))} stride {max(stride)} on {frames} frames at {side}x{side}"


def half_kernel(kernel: Size3) -> Size3:
    """Return the padding with which stride 1 keeps the size."""
    return kernel[0] // 2, kernel[1] // 2, kernel[2] // 2


def fill_freed_memory() -> None:
    """Fill memory with NaN and free it, so that reading what nobody wrote shows."""
    blocks = [torch.full((size,), float("nan")) for size in (64, 1024, 16_384, 200_000) for _ in range(10)]
    del blocks


def gradient_error(convolution: nn.Conv3d, case: Case, *, tries: int = 1) -> float:
    """Return the largest error of both gradients of a convolution, relative to their largest value, against float64.

    Args:
        convolution: of 32 channels or fewer; its weights are replaced.
        case: the shape.
        tries: how often: what was never written may hold zeros, and look right, once.
    """
    dtype, frames, side, kernel, stride = case
    generator = torch.Generator().manual_seed(0)
    clips = torch.randn(2, convolution.in_channels, frames, side, side, generator=generator).bfloat16().float()
    with torch.no_grad():
        convolution.weight.copy_(torch.randn(convolution.weight.shape, generator=generator).bfloat16())
    padding = half_kernel(kernel)
    exact = nn.Conv3d(convolution.in_channels, convolution.out_channels, kernel, stride, padding, bias=False).double()
    exact.load_state_dict(convolution.state_dict())
    right = _gradients(exact, clips.double())
    number = getattr(torch, dtype)
    tried = [_gradients(convolution.to(number), clips.to(number)) for _ in range(tries)]
    errors = [
        float((got - one).abs().max() / one.abs().max())
        for gradients in tried
        for one, got in zip(right, gradients, strict=True)
    ]
    return max(error if error == error else float("inf") for error in errors)


def _gradients(network: nn.Conv3d, clips: Tensor) -> list[Tensor]:
    """Return the gradients of clips and weights, in float64, for a fixed direction of the output."""
    inputs = clips.requires_grad_()
    fill_freed_memory()
    output = network(inputs)
    direction = torch.linspace(-1, 1, output.numel()).view_as(output).bfloat16().to(output.dtype)
    along = (output * direction).sum()  # handing the direction to grad() would import sympy
    return [one.double() for one in torch.autograd.grad(along, (inputs, network.weight))]


def try_cases(say: Callable[[str], object]) -> None:
    """Try every case, coview's convolution first, and say before and after each what comes of it."""
    torch.set_num_threads(1)
    for whose, kind in OWNERS.items():
        for case in CASES:
            dtype, _, _, kernel, stride = case
            name = {"whose": whose, "case": describe_case(case)}
            say(json.dumps(name))
            convolution = kind(32, 32, kernel, stride, padding=half_kernel(kernel), bias=False)
            worst = gradient_error(convolution, case, tries=4)
            say(json.dumps({**name, "is_right": worst <= LIMITS[dtype]}))


if __name__ == "__main__":
    try_cases(partial(print, flush=True))
