import pytest
import torch

from coview.methods.loss_slope import SLOWED, WINDOWS, LossSlope

STEPS = WINDOWS * 2  # windows of two steps


def watch(means: list[float]) -> LossSlope:
    slowdown = LossSlope()
    for mean in means:
        for offset in (-0.5, 0.5):
            slowdown.observe(torch.tensor(mean + offset), num_steps=STEPS)
    return slowdown


@pytest.mark.parametrize(
    ("means", "steepness"),
    [
        ([], 1.0),
        ([5.0], 1.0),
        ([5.0, 4.0], 1.0),
        ([5.0, 4.0, 3.5], 0.5),
        ([5.0, 4.0, 3.9], 0.1),
        ([5.0, 4.0, 4.5], -0.5),
        ([5.0, 5.5, 6.0], 1.0),  # it has not fallen yet
        ([5.0, 5.5, 4.5, 3.5], 1.0),
    ],
)
def test_steepness_compares_the_newest_fall_with_the_steepest(means, steepness):
    slowdown = watch(means)
    assert slowdown.steepness == pytest.approx(steepness, abs=1e-6)
    assert slowdown.has_slowed == (steepness < SLOWED)


def test_state_survives_in_the_middle_of_a_window():
    whole, first = watch([5.0, 4.0]), watch([5.0])
    first.observe(torch.tensor(3.5), num_steps=STEPS)
    again = LossSlope()
    again.load_state_dict({name: value.clone() for name, value in first.state_dict().items()})
    again.observe(torch.tensor(4.5), num_steps=STEPS)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    again.start_anew()
    assert again.steepness == 1.0
    assert again.window_sum == 0


def test_a_short_stage_has_windows_of_one_step():
    slowdown = LossSlope()
    for loss in (3.0, 2.0, 2.0):
        slowdown.observe(torch.tensor(loss), num_steps=3)
    assert slowdown.has_slowed
