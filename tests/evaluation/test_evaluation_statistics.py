"""Standard errors and the statistics of a comparison against plain loops, counting, statsmodels and known answers."""

import itertools
import math

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar as mcnemar_of_statsmodels
from statsmodels.stats.multitest import multipletests

from coview.evaluation.statistics import bootstrap_error, holm, mcnemar, paired_intervals


def by_counting(only_one, only_other):
    """Go through every way in which the videos that differ could have fallen."""
    both = only_one + only_other
    ways = [sum(way) for way in itertools.product((0, 1), repeat=both)]
    far = abs(only_one - both / 2)
    return sum(abs(way - both / 2) >= far for way in ways) / len(ways)


@pytest.mark.parametrize(("one", "other"), [(0, 1), (3, 3), (1, 6), (5, 0), (2, 7), (8, 4)])
def test_mcnemar_by_counting(one, other):
    assert mcnemar(one, other) == pytest.approx(by_counting(one, other))
    assert mcnemar(other, one) == mcnemar(one, other)
    assert mcnemar(one, other) == pytest.approx(mcnemar_of_statsmodels([[5, one], [other, 7]], exact=True).pvalue)


def test_mcnemar_of_runs_that_never_differ():
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(25, 9) == pytest.approx(0.009, abs=5e-4)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []


@pytest.mark.parametrize("seed", range(3))
def test_holm_is_statsmodels(seed):
    p_values = np.random.default_rng(seed).uniform(0, 0.2, 9).tolist()
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])


def test_standard_error_of_independent_videos_is_the_binomial_one():
    hits = np.arange(150) % 10 < 3
    expected = np.sqrt(0.3 * 0.7 / 150)
    assert bootstrap_error(hits, [str(place) for place in range(150)]) == pytest.approx(expected, rel=0.1)


def test_standard_error_grows_where_groups_succeed_together():
    hits = np.repeat(np.arange(15) % 3 == 0, 10)
    groups = np.repeat(np.arange(15), 10).astype(str)
    assert bootstrap_error(hits, groups) == pytest.approx(np.sqrt(1 / 3 * 2 / 3 / 15), rel=0.15)


def test_certainty_is_never_claimed_of_one_group_nor_where_all_are_right():
    assert np.isnan(bootstrap_error(np.ones(20, bool), ["x"] * 20))
    assert np.isnan(bootstrap_error(np.zeros(0, bool), []))
    for hits in (np.ones(3, bool), np.zeros(3, bool)):
        assert bootstrap_error(hits, ["a", "b", "c"]) == pytest.approx(np.sqrt(0.2 * 0.8 / 5))


def plain_intervals(gains, groups, classes, wanted, *, draws):
    """Draw groups one by one."""
    generator = np.random.default_rng(1)
    own = {name: [] for name in sorted(set(groups))}
    for gain, group, label in zip(gains, groups, classes, strict=True):
        own[group] += [gain] if wanted in (None, label) else []
    means = []
    for _ in range(draws):
        values = [gain for name in generator.choice(list(own), size=len(own)) for gain in own[name]]
        means += [sum(values) / len(values)] if values else []
    return np.percentile(means, [2.5, 97.5])


def test_intervals_equal_plain_loops():
    generator = np.random.default_rng(0)
    groups = [f"g{number // 4}" for number in range(60)]
    classes = ["run" if number % 3 else "sit" for number in range(60)]
    gains = generator.choice([-1.0, 0.0, 1.0], size=60, p=[0.1, 0.5, 0.4])
    overall, by_class = paired_intervals(gains, groups=groups, classes=classes)
    np.testing.assert_allclose(overall, plain_intervals(gains, groups, classes, None, draws=1500), atol=0.05)
    assert set(by_class) == {"run", "sit"}
    for name, found in by_class.items():
        np.testing.assert_allclose(found, plain_intervals(gains, groups, classes, name, draws=1500), atol=0.08)
    assert overall == paired_intervals(gains, groups=groups, classes=classes)[0]


def test_videos_of_one_group_are_one_voice():
    """Ten equal videos of a group say as much as one."""
    few = np.array([1.0, 0.0, 1.0, -1.0])
    single = paired_intervals(few, groups=list("abcd"), classes=["x"] * 4)[0]
    many = paired_intervals(np.repeat(few, 10), groups=list(np.repeat(list("abcd"), 10)), classes=["x"] * 40)[0]
    assert many == pytest.approx(single)
    assert single[0] < 0 < single[1]


def test_nothing_is_said_of_a_single_group():
    overall, by_class = paired_intervals(np.array([1.0, 1.0, 0.0]), groups=["a", "a", "b"], classes=["x", "x", "y"])
    assert overall == (0.0, 1.0)
    assert all(math.isnan(end) for name in ("x", "y") for end in by_class[name])
