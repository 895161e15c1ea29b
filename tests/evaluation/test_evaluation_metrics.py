"""How metrics read and which value is better."""

import math

from coview.evaluation.metrics import metric


def test_shares_are_shown_in_per_cent():
    assert metric("R@1").text(0.4126) == "41.3"
    assert metric("R@1").text(0.4126, 0.02) == "41.3 ± 2.0"
    assert metric("R@1").text(math.nan, 0.02) == "-"


def test_entropy_is_shown_as_it_is_and_less_is_better():
    entropy = metric("mean entropy")
    assert entropy.text(1.4, 0.05, plus_minus=" +- ") == "1.40 +- 0.05"
    assert entropy.better(1.4, 1.6)
    assert not metric("NMI").better(0.625, 0.678)


def test_no_number_is_never_the_better_one():
    assert metric("R@1").better(0.0, math.nan)
    assert not metric("R@1").better(math.nan, 0.0)
    assert not metric("R@1").better(math.nan, math.nan)
