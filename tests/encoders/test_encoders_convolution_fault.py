"""The trial of torch's convolution gradients tells a right machine from a wrong one and outlives its child."""

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from coview.encoders import convolution_fault
from coview.encoders.convolution import Conv3d, short_dimensions
from coview.encoders.convolution_fault import CASES, LIMITS, Fault, begin_trial, gradient_error, half_kernel, read_trial


def said(whose: str, case: str, is_right: bool | None = None) -> str:
    return json.dumps({"whose": whose, "case": case} | ({} if is_right is None else {"is_right": is_right})) + "\n"


def test_here_coview_is_right_whatever_torch_does() -> None:
    fault = begin_trial().result()
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
        ("Traceback\nOh: no\n", 1, Fault((), (), "the trial ended with exit code 1: Oh: no")),
    ],
)
def test_what_the_child_said_is_understood(lines: str, exit_code: int, expected: Fault) -> None:
    assert read_trial(lines, exit_code) == expected


def test_a_child_that_cannot_be_run_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> int:
        raise OSError("no process")

    monkeypatch.setattr(os, "fork", refuse)
    assert begin_trial().result().trouble == "no process"


def test_a_child_that_dies_does_not_take_its_parent_along(monkeypatch: pytest.MonkeyPatch) -> None:
    def die(say: Callable[[str], object]) -> None:
        say(said("torch", "a").strip())
        os.abort()

    monkeypatch.setattr(convolution_fault, "try_cases", die)
    assert begin_trial().result() == Fault(("a",), ())


def test_a_child_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convolution_fault, "try_cases", lambda say: time.sleep(60))
    assert "did not end" in begin_trial().result(timeout_seconds=0.2).trouble


def test_every_case_is_one_that_the_convolution_pads_itself() -> None:
    for _, frames, side, kernel, stride in CASES:
        ours = Conv3d(2, 2, kernel, stride, padding=half_kernel(kernel))
        assert short_dimensions((frames, side, side), ours)
