"""Learning rates at the steps where they can be worked out by hand."""

import math

import pytest

from coview.config import OptimiserSettings, ScheduleSettings
from coview.training.schedules import Plateau, learning_rate_factor, scaled_learning_rates

ADAM = OptimiserSettings(learning_rate=0.1)


def factor(step: int, reductions: int = 0, **settings) -> float:
    return learning_rate_factor(ScheduleSettings(**settings), ADAM, step=step, num_steps=101, reductions=reductions)


def test_cosine_begins_at_one_passes_the_mean_and_ends_at_the_final_rate():
    values = [factor(step, name="cosine", final_learning_rate=0.02) for step in (0, 50, 100)]
    assert values == pytest.approx([1.0, 0.6, 0.2])


def test_cosine_of_a_single_step_is_the_full_rate():
    settings = ScheduleSettings(name="cosine")
    assert learning_rate_factor(settings, ADAM, step=0, num_steps=1) == 1.0


def test_warmup_grows_linearly_to_the_full_rate():
    values = [factor(step, name="constant", warmup_steps=3) for step in range(5)]
    assert values == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0])


def test_plateau_multiplies_once_a_reduction():
    assert [factor(7, n, name="plateau", factor=0.1) for n in range(3)] == pytest.approx([1.0, 0.1, 0.01])


def test_plateau_falls_no_further_than_its_final_rate():
    rates = [0.1 * factor(7, cuts, name="plateau", factor=0.1, final_learning_rate=2e-4) for cuts in range(6)]
    assert rates == pytest.approx([0.1, 0.01, 1e-3, 2e-4, 2e-4, 2e-4])
    assert factor(7, 3, name="plateau", final_learning_rate=0.5) == 1.0  # a floor above the rate does not raise it


def test_steps_multiply_at_each_share_of_the_stage():
    settings = ScheduleSettings(name="steps", factor=0.1, milestones=(0.5, 0.7))
    at = {step: learning_rate_factor(settings, ADAM, step=step, num_steps=200) for step in (0, 99, 100, 139, 140, 199)}
    assert list(at.values()) == pytest.approx([1.0, 1.0, 0.1, 0.1, 0.01, 0.01])


def test_plateau_waits_for_patience_and_starts_counting_again():
    plateau = Plateau()
    reductions = []
    for loss in [5.0, 4.0, 4.5, 4.2, 4.1, 4.0, 3.0, 3.1]:
        plateau.observe(loss, patience=2)
        reductions.append(plateau.reductions)
    # 4.5, 4.2 are within patience, 4.1 is one too many; equal to the best is no improvement
    assert reductions == [0, 0, 0, 0, 1, 1, 1, 1]
    assert plateau.best == 3.0


def test_plateau_state_survives():
    plateau = Plateau()
    for loss in (2.0, 3.0):
        plateau.observe(loss, patience=5)
    assert Plateau(**plateau.state_dict()) == plateau


def test_a_cosine_may_have_its_end_beyond_the_stage():
    """The released code of ViCC: 300 epochs of a cosine over 500."""
    settings = ScheduleSettings(name="cosine", final_learning_rate=0.01, horizon_epochs=500)
    for step in (0, 100, 299):
        found = learning_rate_factor(settings, ADAM, step=step, num_steps=300, epochs=300)
        expected = 0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * step / 499))
        assert found == pytest.approx(expected)
    short = ScheduleSettings(name="cosine", horizon_epochs=2)
    assert learning_rate_factor(short, ADAM, step=9, num_steps=10, epochs=5) == pytest.approx(0.0)


def test_rates_are_scaled_with_the_batch_once():
    given = OptimiserSettings(name="lars", learning_rate=0.6, reference_batch=192)
    schedule = ScheduleSettings(name="cosine", final_learning_rate=6e-4)
    schedule, scaled = scaled_learning_rates(schedule, given, batch_size=48)
    assert scaled.learning_rate == pytest.approx(0.15)
    assert schedule.final_learning_rate == pytest.approx(1.5e-4)
    assert scaled_learning_rates(schedule, scaled, batch_size=48) == (schedule, scaled)


@pytest.mark.parametrize(("name", "expected"), [("adam", 1e-3), ("sgd", 1e-2), ("lars", 0.6 * 16 / 192)])
def test_a_rate_that_is_not_set_is_derived(name, expected):
    _, settled = scaled_learning_rates(ScheduleSettings(), OptimiserSettings(name=name), batch_size=16)
    assert settled.learning_rate == pytest.approx(expected)
    kept = OptimiserSettings(name=name, learning_rate=0.3)
    assert scaled_learning_rates(ScheduleSettings(), kept, batch_size=16)[1] == kept
