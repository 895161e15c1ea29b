"""How values read and which is better."""

import math

from coview.evaluation.metrics.base import Scale


def test_shares_are_shown_in_per_cent():
    assert Scale().text(0.4126) == "41.3"
    assert Scale().text(0.4126, 0.02) == "41.3 ± 2.0"
    assert Scale().text(0.4126, math.nan) == "41.3"
    assert Scale().text(math.nan, 0.02) == "-"


def test_entropy_is_shown_as_it_is_and_less_is_better():
    entropy = Scale(higher_is_better=False, unit="nats")
    assert entropy.text(1.4, 0.05) == "1.40 ± 0.05"
    assert entropy.better(1.4, 1.6)
    assert not Scale().better(0.625, 0.678)


def test_no_number_is_never_the_better_one():
    assert Scale().better(0.0, math.nan)
    assert not Scale().better(math.nan, 0.0)
    assert not Scale().better(math.nan, math.nan)
