"""The trial of torch's convolution gradients tells a right machine from a wrong one and outlives its child."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from coview.encoders import convolution_fault
from coview.encoders.convolution import Conv3d, short_dimensions
from coview.encoders.convolution_fault import CASES, LIMITS, Fault, find_fault, gradient_error, half_kernel, read_trial


def said(whose: str, case: str, is_right: bool | None = None) -> str:
    return json.dumps({"whose": whose, "case": case} | ({} if is_right is None else {"is_right": is_right})) + "\n"


def test_here_coview_is_right_whatever_torch_does() -> None:
    fault = find_fault()
    assert fault.trouble == ""
    assert fault.coview_is_wrong == ()
    info = Path("/proc/cpuinfo")
    if info.is_file() and "avx512" not in info.read_text(encoding="utf-8"):
        assert fault.torch_is_wrong == ()


def test_a_wrong_gradient_is_seen() -> None:
    class Wrong(Conv3d):
        def forward(self, clips: torch.Tensor) -> torch.Tensor:
            return super().forward(clips) + 0.1 * super().forward(clips.detach())

    for case in CASES:
        dtype, _, _, kernel, stride = case
        settings = {"padding": half_kernel(kernel), "bias": False}
        assert gradient_error(Conv3d(32, 32, kernel, stride, **settings), case) < LIMITS[dtype]
        assert gradient_error(Wrong(32, 32, kernel, stride, **settings), case) > LIMITS[dtype]


@pytest.mark.parametrize(
    ("lines", "exit_code", "expected"),
    [
        (said("coview", "a", True) + said("torch", "a", True), 0, Fault((), ())),
        (said("coview", "a", True) + said("torch", "a", False), 0, Fault(("a",), ())),
        (said("coview", "a", True) + said("torch", "a"), -signal.SIGABRT, Fault(("a",), ())),
        (said("coview", "a"), -signal.SIGSEGV, Fault((), ("a",))),
        (said("torch", "a", True), -signal.SIGABRT, Fault(("the process died at its end",), ())),
        (said("coview", "a"), -signal.SIGKILL, Fault((), (), "the trial ended with exit code -9: it printed no error")),
        ("", 1, Fault((), (), "the trial ended with exit code 1: it printed no error")),
    ],
)
def test_what_the_child_said_is_understood(lines: str, exit_code: int, expected: Fault) -> None:
    assert read_trial(lines, exit_code) == expected


@pytest.mark.parametrize("error", [OSError("no process"), subprocess.TimeoutExpired("python", 60)])
def test_a_child_that_cannot_be_run_is_a_finding(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(convolution_fault.subprocess, "run", fail)
    assert find_fault().trouble == str(error)


def test_a_child_that_dies_does_not_take_its_parent_along(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    killer = tmp_path / "python"
    script = f"import os\nprint({said('torch', 'a').strip()!r}, flush=True)\nos.abort()\n"
    killer.write_text(f"#!{sys.executable}\n{script}", encoding="utf-8")
    killer.chmod(0o755)
    monkeypatch.setattr(convolution_fault.sys, "executable", str(killer))
    assert find_fault() == Fault(("a",), ())


def test_every_case_is_one_that_the_convolution_pads_itself() -> None:
    for _, frames, side, kernel, stride in CASES:
        ours = Conv3d(2, 2, kernel, stride, padding=half_kernel(kernel))
        assert short_dimensions((frames, side, side), ours)
