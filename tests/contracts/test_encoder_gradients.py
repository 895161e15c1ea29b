"""Every encoder's gradients are float64's: on processors where torch's own are wrong or kill the process, too.

Each child process tries one encoder, with one and two threads, in float32 and bfloat16, contiguous and channels-last.
All convolutions whose kernel reaches over the whole input, for 1 to 8 and 16 frames and sides of 16 to 64 pixels, are
tried by themselves, where rounding is small, with fewer channels, those that encoders share once; whole networks at two
sizes that are known to go wrong. The exhaustive tests (`pytest -m exhaustive`) try every convolution, and whole
networks at every size, in full.
"""

import os

import pytest
import torch
from torch import Tensor, nn

import gradient_trial
from coview.encoders import ENCODERS, convolution
from gradient_trial import FRAMES, SIDES, Call, CallTrial, calls_of, find_faults, narrow_calls, new_calls

OWN = [name for name in ENCODERS if name != "transformers"]  # those pad no convolution
KNOWN = {1: [(5, 16)], 2: [(2, 16)]}
"""Number of threads -> frames and side of the whole networks."""


@pytest.mark.timeout(900)  # half a minute, but on busy processors the children of two threads wait for each other
@pytest.mark.parametrize("name", OWN)
def test_gradients_are_right_where_torchs_may_be_wrong(name: str) -> None:
    assert find_faults(name, threads=(1, 2), calls=new_calls(name), sizes=KNOWN) == {}


@pytest.mark.exhaustive
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", OWN)
def test_gradients_are_right_everywhere(name: str) -> None:
    sizes = [(frames, side) for frames in FRAMES for side in SIDES]
    calls = calls_of(name, short_only=False)
    assert find_faults(name, threads=(1, 2), calls=calls, sizes=dict.fromkeys((1, 2), sizes)) == {}


def test_every_size_counts_and_the_known_faults_are_among_them() -> None:
    stem = [call for call in calls_of("s3d", short_only=True) if call.kernel == (7, 1, 1)]
    assert {call.size[0] for call in stem} == set(range(1, 8))
    assert {call.size[0] for call in calls_of("s3d", short_only=False) if call.kernel == (7, 1, 1)} == set(FRAMES)
    cells = [call for call in calls_of("tiny3d", short_only=True) if call.stride[1] == 2 and call.size[1] <= 2]
    assert cells


def test_what_encoders_share_is_tried_once_and_nothing_is_left_out() -> None:
    tried = [call for name in OWN for call in new_calls(name)]
    assert len(tried) == len(set(tried))
    assert set(tried) == {call for name in OWN for call in narrow_calls(calls_of(name, short_only=True))}


def test_a_wrong_gradient_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    call = Call((4, 4), (3, 1, 1), (1, 1, 1), (1, 0, 0), (2, 4, 4))
    assert CallTrial(call).find_fault("float32", "contiguous") == ""

    class Wrong(convolution.Conv3d):
        def forward(self, clips: Tensor) -> Tensor:
            right = super().forward(clips)
            return right if clips.dtype == torch.float64 else right + 0.01 * super().forward(clips.detach()).flip(2)

    monkeypatch.setattr(gradient_trial, "Conv3d", Wrong)
    assert "is off by" in CallTrial(call).find_fault("float32", "contiguous")


class Fatal(Call):
    """A convolution that kills the process that tries it."""

    def build(self, dtype: torch.dtype) -> convolution.Conv3d:
        os.abort()


def test_a_dying_child_is_a_fault_with_a_name_and_the_rest_is_tried() -> None:
    fatal, sound = (kind((4, 4), (3, 1, 1), (1, 1, 1), (1, 0, 0), (2, 2, 2)) for kind in (Fatal, Call))
    faults = find_faults("tiny3d", threads=(1,), calls=[sound, fatal, sound], sizes={})
    assert len(faults) == 4  # of the two formats and two layouts
    assert all("Fatal" in case and "died" in what for case, what in faults.items())


def test_the_trial_uses_the_convolution_of_the_encoders() -> None:
    encoder = ENCODERS.load("tiny3d")(in_channels=2)
    assert all(type(part) is gradient_trial.Conv3d for part in encoder.modules() if isinstance(part, nn.Conv3d))
