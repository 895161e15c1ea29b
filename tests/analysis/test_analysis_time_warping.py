"""The best path against every path there is, and on matrices whose answer is plain."""

import itertools

import numpy as np
import pytest

from coview.analysis.time_warping import other_orders, warp


def every_path(rows, columns):
    """Yield all monotone paths from (0, 0) to the last cell."""

    def onward(path):
        i, j = path[-1]
        if (i, j) == (rows - 1, columns - 1):
            yield path
        for di, dj in ((1, 1), (1, 0), (0, 1)):
            if i + di < rows and j + dj < columns:
                yield from onward([*path, (i + di, j + dj)])

    yield from onward([(0, 0)])


def cost_of(path, costs):
    total = 2 * costs[path[0]]
    for before, here in itertools.pairwise(path):
        is_both = here[0] > before[0] and here[1] > before[1]
        total += (2 if is_both else 1) * costs[here]
    return total / sum(costs.shape)


@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (4, 1), (4, 5), (5, 4)])
def test_no_path_is_cheaper(shape):
    costs = np.random.default_rng(sum(shape)).random(shape)
    found = warp(costs)
    assert found.cost == pytest.approx(min(cost_of(path, costs) for path in every_path(*shape)))
    assert cost_of(list(found.path), costs) == pytest.approx(found.cost)


def test_a_pause_in_one_of_them_is_waited_for():
    """Events 0 1 2 against 0 0 1 2 2: the path follows equal events and costs nothing."""
    first, second = np.array([0, 1, 2]), np.array([0, 0, 1, 2, 2])
    found = warp(np.abs(first[:, None] - second[None]).astype(float))
    assert found.cost == 0
    assert found.path == ((0, 0), (0, 1), (1, 2), (2, 3), (2, 4))


def test_equal_costs_go_straight():
    assert warp(np.ones((3, 3))).path == ((0, 0), (1, 1), (2, 2))
    assert warp(np.ones((3, 3))).cost == 1


def test_other_orders_are_all_shifts_forward_and_backward():
    costs = np.random.default_rng(0).random((3, 3))
    orders = [(2, 0, 1), (1, 2, 0), (2, 1, 0), (0, 2, 1), (1, 0, 2)]
    expected = sorted(warp(costs[:, list(order)]).cost for order in orders)
    assert sorted(other_orders(costs)) == pytest.approx(expected)
