"""What repeats is found with its period; noise and wandering are not taken for repetition."""

import math

import numpy as np
import pytest

from coview.analysis.repetition import autocorrelation, repetition, strongest_lag


def periodic(count, period, *, seed, noise=0.0, drift=0.0, size=32):
    """Features that go round a loop of two harmonics, with noise and an even drift."""
    generator = np.random.default_rng(seed)
    axes, time = generator.normal(size=(4, size)), np.arange(count)
    turn = 2 * np.pi * time[:, None] / period
    loop = np.cos(turn) * axes[0] + np.sin(turn) * axes[1] + 0.5 * np.cos(2 * turn) * axes[2]
    made = loop + drift * time[:, None] / count * axes[3] + noise * generator.normal(size=(count, size))
    return made.astype(np.float32)


@pytest.mark.parametrize("period", [3, 4.5, 6, 8])
@pytest.mark.parametrize("drift", [0.0, 5.0])
def test_a_period_is_found(period, drift):
    found = repetition(periodic(18, period, seed=1, noise=0.5, drift=drift))
    assert found.period == pytest.approx(period, abs=0.15)
    assert found.repetitions == pytest.approx(18 / period, abs=0.25)
    assert found.confidence > 0.8


def test_noise_and_wandering_repeat_nothing():
    generator = np.random.default_rng(0)
    noise = [repetition(generator.normal(size=(18, 32)).astype(np.float32)) for _ in range(20)]
    walks = [repetition(np.cumsum(generator.normal(size=(18, 32)), axis=0).astype(np.float32)) for _ in range(20)]
    assert max(found.confidence for found in noise) < 0.4
    assert np.mean([found.confidence for found in noise]) < 0.05
    assert max(found.confidence for found in walks) < 0.1


def test_one_way_and_standing_still_repeat_nothing():
    line = np.outer(np.arange(18), [1.0, 2.0, 3.0]).astype(np.float32)
    for features in (line, np.ones((18, 4), np.float32)):
        found = repetition(features)
        assert found.confidence == 0
        assert math.isnan(found.period)
        assert math.isnan(found.repetitions)


def test_autocorrelation_against_plain_loops():
    features = periodic(9, 3, seed=2, noise=1.0, drift=2.0, size=4)
    time = np.arange(9.0)
    rest = np.stack([column - np.polyval(np.polyfit(time, column, 1), time) for column in features.T.astype(float)], 1)
    power = sum(rest[i] @ rest[i] for i in range(9)) / 9
    expected = [sum(rest[i] @ rest[i + lag] for i in range(9 - lag)) / (9 - lag) / power for lag in range(5)]
    np.testing.assert_allclose(autocorrelation(features), expected, atol=1e-5)


def test_the_shortest_of_nearly_equal_peaks_is_taken():
    assert strongest_lag(np.array([1.0, 0.0, -0.5, 0.4, 0.0, -0.5, 0.5, 0.0])) == (3, pytest.approx(0.9))
    assert strongest_lag(np.array([1.0, 0.0, -0.5, 0.1, 0.0, -0.5, 0.9, 0.0])) == (6, pytest.approx(1.4))
    assert strongest_lag(np.array([1.0, 0.5, 0.2, 0.0, -0.1, -0.2])) == (0, 0.0)
