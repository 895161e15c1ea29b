"""Persons between two frames that were looked at."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from coview.views.persons.detectors.base import Persons

SAME_PERSON = 0.15
"""Largest mean distance of keypoints, as a share of the picture, at which two persons count as one who has moved."""

Keypoints = NDArray[np.float32]  # (R, 17, 3)


def between(before: Persons, after: Persons, *, share: float) -> Persons:
    """Return the persons at a time between two frames.

    Keypoints of a person who is in both move in a straight line; who is in one only is there in the half that is
    nearer to it. The nearer mask is taken as it is.

    Args:
        before: persons of the earlier frame.
        after: of the later one.
        share: how far from one to the other, 0 to 1.
    """
    nearer = before if share < 0.5 else after
    if before.keypoints is None or after.keypoints is None:
        return nearer
    assert nearer.keypoints is not None
    first, second = _same_persons(before.keypoints, after.keypoints)
    moving = before.keypoints[first] * (1 - share) + after.keypoints[second] * share
    matched = first if nearer is before else second
    alone = np.delete(nearer.keypoints, matched, axis=0)
    return Persons(np.concatenate([moving.astype(np.float32), alone]), nearer.mask)


def _same_persons(before: Keypoints, after: Keypoints) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows of those who are in both: pairs with the least distance in all, none of them far apart."""
    apart = np.linalg.norm(before[:, None, :, :2] - after[None, :, :, :2], axis=-1).mean(axis=-1)  # (R, R')
    first, second = linear_sum_assignment(apart)
    is_near = apart[first, second] <= SAME_PERSON
    return first[is_near], second[is_near]
