"""The probe leaves the encoder as it was and respects what the user set."""

import pytest
import torch

from coview.config import TrainingSettings
from coview.encoders import ENCODERS
from coview.training import precision
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
        TrainingSettings(precision="fp32", channels_last="always"), [(torch.nn.Identity(), (1,))], CPU
    )
    assert chosen == Precision("fp32", channels_last=True, seconds={})
    assert chosen.describe() == "precision fp32 channels-last, as set"


def test_probing_measures_every_candidate_takes_the_fastest_and_changes_nothing(monkeypatch):
    torch.manual_seed(0)
    encoder = ENCODERS.load("tiny3d")(in_channels=2)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    monkeypatch.setattr(precision, "HOPELESS", float("inf"))
    chosen = choose_precision(TrainingSettings(), [(encoder, (2, 2, 2, 16, 16))], CPU)
    assert set(chosen.seconds) == {"fp32", "fp32 channels-last", "bf16", "bf16 channels-last"}
    name = chosen.dtype_name + (" channels-last" if chosen.channels_last else "")
    assert chosen.seconds[name] <= chosen.seconds["fp32"]
    assert chosen.clips == 2
    assert "for a probing step of 2 clips" in chosen.describe()
    for key, value in encoder.state_dict().items():
        assert torch.equal(value, before[key]), key
    assert all(parameter.grad is None for parameter in encoder.parameters())


def test_autocast_computes_low_and_keeps_weights_high():
    low = Precision("bf16", channels_last=True, seconds={})
    encoder = ENCODERS.load("tiny3d")(in_channels=3)
    low.place(encoder, CPU)
    with low.autocast(CPU):
        out = encoder(torch.rand(2, 3, 2, 16, 16))
    assert out.dtype == torch.bfloat16
    assert all(parameter.dtype == torch.float32 for parameter in encoder.parameters())
    five = next(parameter for parameter in encoder.parameters() if parameter.dim() == 5)
    assert five.is_contiguous(memory_format=torch.channels_last_3d)


def pretend_times(monkeypatch, times):
    """Let `times(choice, clips, channels)` say how long a pass lasts; return what was asked for."""
    asked = []

    def measure(watch, choice, num_clips):
        num_clips = min(num_clips, watch.num_clips)
        asked.append((choice, num_clips))
        return times(choice, num_clips, watch.shape[0])

    monkeypatch.setattr(precision.Stopwatch, "measure", measure)
    return asked


def test_the_whole_batch_decides_where_a_few_clips_say_otherwise(monkeypatch):
    encoder = ENCODERS.load("tiny3d")(in_channels=2)
    asked = pretend_times(monkeypatch, lambda choice, n, _: 0.002 * n if choice[0] == "fp32" else 0.01 + 0.001 * n)
    chosen = choose_precision(TrainingSettings(), [(encoder, (64, 2, 2, 16, 16))], CPU)
    assert chosen.dtype_name == "bf16"
    assert chosen.clips == 64
    assert (("bf16", False), 64) in asked


def test_a_batch_that_would_take_long_is_timed_in_part_and_what_is_hopeless_not_at_all(monkeypatch):
    encoder = ENCODERS.load("tiny3d")(in_channels=2)
    asked = pretend_times(monkeypatch, lambda choice, n, _: n * (0.05 if choice[0] == "fp32" else 5.0))
    chosen = choose_precision(TrainingSettings(), [(encoder, (900, 2, 2, 16, 16))], CPU)
    assert (chosen.dtype_name, chosen.clips) == ("fp32", 30)
    assert {n for choice, n in asked if choice[0] == "bf16"} == {precision.FEW}


def test_all_views_count(monkeypatch):
    views = [(ENCODERS.load("tiny3d")(in_channels=c), (8, c, 2, 16, 16)) for c in (2, 2, 3)]
    pretend_times(monkeypatch, lambda choice, n, c: {("fp32", 2): 1, ("fp32", 3): 2}.get((choice[0], c), 1.5))
    assert choose_precision(TrainingSettings(), views[2:], CPU).dtype_name == "bf16"
    assert choose_precision(TrainingSettings(), views, CPU).seconds["fp32"] == 4  # twice 1, and 2


def test_a_view_that_stands_still_is_timed_without_its_gradient():
    encoders = [ENCODERS.load("tiny3d")(in_channels=2, widths=(4, 4, 4, width)) for width in (4, 8)]
    encoders[0].requires_grad_(False)
    trials = [(encoder, (2, 2, 2, 16, 16)) for encoder in encoders]
    seconds = choose_precision(TrainingSettings(), trials, CPU).seconds
    assert seconds  # of whatever was not hopeless, plain float32 or not
    assert all(value > 0 for value in seconds.values())
    assert choose_precision(TrainingSettings(), trials[:1], CPU).rejected == {}
