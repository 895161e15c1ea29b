"""Meters of contrastive losses on numbers that can be checked by hand."""

import math

import pytest
import torch

from coview.losses.sphere import alignment, retrieval, uniformity

AXES = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])


def test_alignment_is_the_mean_squared_distance_of_unit_rows():
    turned = torch.tensor([[0.0, 7.0], [0.0, 2.0], [3.0, 0.0]])  # at 90, 0 and 180 degrees
    assert alignment(AXES, turned).item() == pytest.approx((2 + 0 + 4) / 3)


def test_uniformity_by_hand():
    # squared distances 2, 2 and 4
    expected = math.log((2 * math.exp(-4) + math.exp(-8)) / 3)
    assert uniformity(5 * AXES).item() == pytest.approx(expected, rel=1e-5)
    assert uniformity(torch.ones(4, 3)).item() == pytest.approx(0, abs=1e-5)
    assert uniformity(torch.ones(1, 3)).item() == 0


def test_retrieval_counts_queries_that_find_their_own_key():
    keys = torch.tensor([[1.0, 0.1], [0.9, 0.2], [-1.0, 0.0]])  # the second query is nearer to the second key still
    assert retrieval(AXES, keys).item() == pytest.approx(1.0)
    assert retrieval(AXES, keys.flip(0)).item() == pytest.approx(1 / 3)


def test_shapes_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match="other"):
        alignment(AXES, AXES[:2])
    with pytest.raises(ValueError, match="keys"):
        retrieval(AXES, AXES[:, :1])
