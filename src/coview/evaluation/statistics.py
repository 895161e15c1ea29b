"""How sure is a score, or the difference of two? Bootstrap over groups, McNemar's test, Holm; numbers in and out."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
_DRAWS, _DRAWS_A_ROUND = 2000, 100


def bootstrap_error(hits: NDArray[np.bool_], groups: Sequence[str], *, seed: int = 0) -> float:
    """Return the standard error of the mean of `hits` (q,) over bootstrap draws of whole groups.

    Videos of one group come from one source and succeed or fail together; drawing single videos would promise more
    certainty than there is. Where every video is a hit, or none, the draws are all alike and would promise certainty:
    there the error is that of a share of 1 / (G + 2) (Agresti and Coull, 1998).

    Returns:
        nan where all videos are of one group: nothing can be said of the spread between groups.
    """
    _, codes = np.unique(np.asarray(groups), return_inverse=True)
    found = np.bincount(codes, weights=hits.astype(np.float64))  # (G,)
    sizes = np.bincount(codes)
    if len(sizes) < 2:
        return float("nan")
    if hits.all() or not hits.any():
        share = 1 / (len(sizes) + 2)
        return math.sqrt(share * (1 - share) / (len(sizes) + 2))
    means = [(draws @ found) / (draws @ sizes) for draws in draw_groups(len(sizes), _DRAWS, seed=seed)]
    return float(np.std(np.concatenate(means)))


def draw_groups(count: int, draws: int, *, seed: int) -> Iterator[NDArray[np.int64]]:
    """Yield (draws, G): how often each group is drawn; in portions, so that 13,000 groups need megabytes."""
    generator = np.random.default_rng(seed)
    for _ in range(draws // _DRAWS_A_ROUND):
        yield generator.multinomial(count, np.full(count, 1 / count), size=_DRAWS_A_ROUND)


def paired_intervals(
    gains: NDArray[np.float64],
    *,
    groups: Sequence[str],
    classes: Sequence[str],
    seed: int = 0,
    draws: int = _DRAWS,
) -> tuple[tuple[float, float], dict[str, tuple[float, float]]]:
    """Return 95% percentile intervals of a mean gain, over all videos and for each class.

    Whole groups of videos are drawn anew, the same ones for both runs: videos of one group come from one source and
    succeed or fail together.

    Args:
        gains: (q,) hit of the one run minus hit of the other: -1, 0 or 1.
        groups: q group names.
        classes: q class names.
        seed: of the draws.
        draws: how many, a multiple of 100.

    Returns:
        (low, high) over all videos, and class name -> (low, high); nan for a class whose videos are all of one group,
        of which nothing can be said.
    """
    _, group_of = np.unique(np.asarray(groups), return_inverse=True)
    names, class_of = np.unique(np.asarray(classes), return_inverse=True)
    num_groups, num_classes = int(group_of.max()) + 1, len(names)
    sums, sizes = np.zeros((num_groups, num_classes + 1)), np.zeros((num_groups, num_classes + 1))
    np.add.at(sums, (group_of, class_of), gains)
    np.add.at(sizes, (group_of, class_of), 1.0)
    sums[:, -1], sizes[:, -1] = sums.sum(axis=1), sizes.sum(axis=1)  # the last column: all videos
    means = []
    for drawn in draw_groups(num_groups, draws, seed=seed):
        weight = drawn @ sizes  # (draws, C + 1)
        means.append(np.divide(drawn @ sums, weight, out=np.full_like(weight, np.nan), where=weight > 0))
    tail = 50 * (1 - LEVEL)
    few = (sizes > 0).sum(axis=0) < 2
    stacked = np.where(few, 0.0, np.concatenate(means))
    low, high = np.nanpercentile(stacked, [tail, 100 - tail], axis=0)
    low, high = np.where(few, np.nan, low), np.where(few, np.nan, high)
    by_class = {str(name): (float(low[place]), float(high[place])) for place, name in enumerate(names)}
    return (float(low[-1]), float(high[-1])), by_class


def mcnemar(only_one: int, only_other: int) -> float:
    """Return the two-sided p-value of McNemar's exact test.

    Args:
        only_one: videos that the one run alone is right about.
        only_other: videos that the other run alone is right about.

    Returns:
        The chance of a division at least as uneven if either were equally likely; 1 where the two never differ.
    """
    from scipy.stats import binom

    both = only_one + only_other
    return min(1.0, 2 * float(binom.cdf(min(only_one, only_other), both, 0.5))) if both else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p-values: of many tests at once, how sure one may be of each."""
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda place: p_values[place])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted
