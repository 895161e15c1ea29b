"""Whether torch's own convolution gradients are wrong on this processor, and whether coview's are right.

`python -m coview.encoders.convolution_fault` prints a line of JSON before and after each shape: first coview's
convolution, then torch's. Where the fault is at its worst that process dies; `find_fault` runs it as a child.
"""

import json
import signal
import subprocess
import sys
from dataclasses import dataclass

import torch
from torch import nn

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

FATAL = (-signal.SIGABRT, -signal.SIGSEGV, -signal.SIGFPE, -signal.SIGILL)
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


def find_fault(*, timeout_seconds: float = 60.0) -> Fault:
    """Try the known shapes in a child process. Never raises and never dies, whatever becomes of the child."""
    command = [sys.executable, "-P", "-m", __spec__.name]
    try:
        child = subprocess.run(command, capture_output=True, text=True, timeout=timeout_seconds, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Fault((), (), str(error))
    return read_trial(child.stdout, child.returncode, child.stderr)


def read_trial(output: str, exit_code: int, errors: str = "") -> Fault:
    """Return what the child's lines say; a case that was begun and not ended is the one that killed it.

    Args:
        output: what it printed.
        exit_code: of the child, negative where a signal ended it.
        errors: what it printed as errors.
    """
    outcomes: dict[tuple[str, str], bool] = {}
    for line in output.splitlines():
        if line.startswith("{") and line.endswith("}"):
            said = json.loads(line)
            outcomes[said["whose"], said["case"]] = said.get("is_right", False)
    if exit_code not in (0, *FATAL) or not outcomes:
        last = errors.strip().splitlines()[-1:] or ["it printed no error"]
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


def gradient_error(convolution: nn.Conv3d, case: Case) -> float:
    """Return the largest error of both gradients of a convolution, relative to their largest value, against float64."""
    dtype, frames, side, kernel, stride = case
    torch.manual_seed(0)
    clips = torch.randn(2, convolution.in_channels, frames, side, side).bfloat16().float()
    found = []
    with torch.no_grad():
        convolution.weight.copy_(torch.randn_like(convolution.weight).bfloat16())
    padding = half_kernel(kernel)
    exact = nn.Conv3d(convolution.in_channels, convolution.out_channels, kernel, stride, padding, bias=False).double()
    exact.load_state_dict(convolution.state_dict())
    for network, number in ((exact, torch.float64), (convolution.to(getattr(torch, dtype)), getattr(torch, dtype))):
        inputs = clips.to(number).requires_grad_()
        fill_freed_memory()
        output = network(inputs)
        direction = torch.linspace(-1, 1, output.numel()).view_as(output).bfloat16().to(number)
        found.append([one.double() for one in torch.autograd.grad(output, (inputs, network.weight), direction)])
    errors = [float((got - right).abs().max() / right.abs().max()) for right, got in zip(*found, strict=True)]
    return max(error if error == error else float("inf") for error in errors)


def main() -> None:
    """Try every case, coview's convolution first, and say before and after each what comes of it."""
    torch.set_num_threads(1)
    for whose, kind in OWNERS.items():
        for case in CASES:
            dtype, _, _, kernel, stride = case
            name = {"whose": whose, "case": describe_case(case)}
            print(json.dumps(name), flush=True)
            convolution = kind(32, 32, kernel, stride, padding=half_kernel(kernel), bias=False)
            worst = max(gradient_error(convolution.float(), case) for _ in range(4))
            print(json.dumps({**name, "is_right": worst <= LIMITS[dtype]}), flush=True)


if __name__ == "__main__":
    main()
