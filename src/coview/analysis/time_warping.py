"""Dynamic time warping: the cheapest way to walk through two sequences side by side. Numbers in, numbers out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Warping:
    """The best monotone path through a matrix of costs.

    Attributes:
        path: (row, column) from (0, 0) to the last of both; each step goes on by one row, one column, or both.
        cost: mean cost along it, where a step on both sides counts twice, so that all paths weigh the same.
    """

    path: tuple[tuple[int, int], ...]
    cost: float


def warp(costs: NDArray[np.float64]) -> Warping:
    """Find the path of least cost; of equal steps back, the one on both sides is taken.

    Source: Sakoe and Chiba (1978), symmetric form, slope constraint none.

    Args:
        costs: (n, m), of matching row i with column j; n, m >= 1.
    """
    rows, columns = costs.shape
    best = np.full((rows + 1, columns + 1), np.inf)
    best[0, 0] = 0.0
    for i in range(rows):
        for j in range(columns):
            both = best[i, j] + 2 * costs[i, j]
            one = min(best[i, j + 1], best[i + 1, j]) + costs[i, j]
            best[i + 1, j + 1] = min(both, one)
    path = [(rows - 1, columns - 1)]
    while path[-1] != (0, 0):
        i, j = path[-1]
        both = best[i, j] + 2 * costs[i, j]
        up, left = best[i, j + 1] + costs[i, j], best[i + 1, j] + costs[i, j]
        path.append((i - 1, j - 1) if both <= min(up, left) else (i - 1, j) if up <= left else (i, j - 1))
    return Warping(tuple(reversed(path)), float(best[rows, columns]) / (rows + columns))


def other_orders(costs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the costs of the best paths, (2m - 1,), with the columns shifted round or in reverse.

    They keep what lies next to each other together, as random orders would not: a path finds more in a matrix that is
    mixed at random than in a smooth one.

    Args:
        costs: (n, m).
    """
    count = costs.shape[1]
    forward = [warp(np.roll(costs, shift, axis=1)).cost for shift in range(1, count)]
    backward = [warp(np.roll(costs[:, ::-1], shift, axis=1)).cost for shift in range(count)]
    return np.array(forward + backward)
