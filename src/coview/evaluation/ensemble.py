"""Which views speak together, and how loudly: the ensembles of a run's views."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from coview.errors import UserError
from coview.registry import did_you_mean
from coview.views import VIEWS

MEAN_OF_VIEWS, WEIGHTED_VIEWS = "mean of views", "weighted views"
DEFAULT_WEIGHTS = {"rgb": 2.0, "flow": 2.0, "segmentation": 1.0, "pose": 1.0}
"""Of CoCon's ensemble of four views."""


def ensembles(views: Sequence[str], weights: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Return the ensembles of some views: all alike and, where it differs from that, weighted.

    Args:
        views: names; one view alone makes no ensemble.
        weights: view name -> weight, 0 to leave a view out; a view without one weighs 1, a weight of a view that is
            not here does nothing.

    Returns:
        Ensemble name -> view name -> share; shares add up to 1.

    Raises:
        UserError: a weight of something that is no view, or nothing has any weight.
    """
    known = dict.fromkeys([*views, *VIEWS, *DEFAULT_WEIGHTS])
    for name in weights:
        if name not in known:
            raise UserError(
                f"weights: {name!r} is no view{did_you_mean(name, known) or '.'} Known: {', '.join(known)}."
            )
    if len(views) < 2:
        return {}
    chosen = [weights.get(view, 1.0) for view in views]
    if min(chosen) < 0 or max(chosen) <= 0:
        raise UserError(f"weights of {', '.join(views)} are {chosen}; they must be 0 or more, and one above 0")
    found = {MEAN_OF_VIEWS: dict.fromkeys(views, 1 / len(views))}
    if len(set(chosen)) > 1:
        found[WEIGHTED_VIEWS] = {view: weight / sum(chosen) for view, weight in zip(views, chosen, strict=True)}
    return found


def in_words(shares: Mapping[str, float]) -> str:
    """Return "rgb 33%, flow 33%, segmentation 17%, pose 17%"."""
    return ", ".join(f"{view} {share:.0%}" for view, share in shares.items())


def mixed(parts: Mapping[str, NDArray[np.float32]], shares: Mapping[str, float]) -> NDArray[np.float32]:
    """Return the weighted mean of what each view says, such as its (n, C) probabilities, in the same shape."""
    total = np.sum([parts[view] * np.float32(share) for view, share in shares.items()], axis=0)
    return np.asarray(total, dtype=np.float32)
