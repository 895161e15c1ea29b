"""The probe leaves the encoder as it was and respects what the user set."""

import pytest
import torch

from coview.config import TrainingSettings
from coview.encoders import ENCODERS
from coview.training.precision import Precision, candidates, choose_precision

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [("fp32", False), ("fp32", True), ("bf16", False), ("bf16", True)]),
        ({"precision": "fp32"}, [("fp32", False), ("fp32", True)]),
        ({"precision": "bf16", "channels_last": "always"}, [("bf16", True)]),
        ({"channels_last": "never"}, [("fp32", False), ("bf16", False)]),
    ],
)
def test_candidates(settings, expected):
    assert candidates(TrainingSettings(**settings), CPU) == expected


def test_a_full_choice_is_not_probed():
    chosen = choose_precision(
        TrainingSettings(precision="fp32", channels_last="always"), torch.nn.Identity(), (1,), CPU
    )
    assert chosen == Precision("fp32", channels_last=True, seconds={})
    assert chosen.describe() == "precision fp32 channels-last, as set"


def test_probing_measures_every_candidate_takes_the_fastest_and_changes_nothing():
    torch.manual_seed(0)
    encoder = ENCODERS.load("tiny3d")(in_channels=2)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    chosen = choose_precision(TrainingSettings(), encoder, (2, 2, 2, 16, 16), CPU)
    assert set(chosen.seconds) == {"fp32", "fp32 channels-last", "bf16", "bf16 channels-last"}
    name = chosen.dtype_name + (" channels-last" if chosen.channels_last else "")
    assert chosen.seconds[name] <= chosen.seconds["fp32"]
    for key, value in encoder.state_dict().items():
        assert torch.equal(value, before[key]), key
    assert all(parameter.grad is None for parameter in encoder.parameters())


def test_autocast_computes_low_and_keeps_weights_high():
    precision = Precision("bf16", channels_last=True, seconds={})
    encoder = ENCODERS.load("tiny3d")(in_channels=3)
    precision.place(encoder, CPU)
    with precision.autocast(CPU):
        out = encoder(torch.rand(2, 3, 2, 16, 16))
    assert out.dtype == torch.bfloat16
    assert all(parameter.dtype == torch.float32 for parameter in encoder.parameters())
    five = next(parameter for parameter in encoder.parameters() if parameter.dim() == 5)
    assert five.is_contiguous(memory_format=torch.channels_last_3d)
