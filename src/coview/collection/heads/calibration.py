"""Logits -> probabilities that come true as often as they say.

Of classes that exclude each other: one temperature (Guo et al. 2017, https://arxiv.org/abs/1706.04599). A bias a class
besides would follow how often the other recordings show a class, which is less often where this one does: with few
recordings the head would say anything but what it sees. Else a sigmoid a class (Platt 1999). Both are pulled towards
doing nothing, so that a handful of labels does not promise certainty.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from coview.collection.heads.logistic import Numbers, sigmoid, softmax


@dataclass(frozen=True)
class Calibration:
    """What is done to logits.

    Attributes:
        scale: (K,) they are multiplied with.
        shift: (K,) added then.
        is_exclusive: softmax follows, else a sigmoid each.
    """

    scale: Numbers
    shift: Numbers
    is_exclusive: bool

    @classmethod
    def none(cls, outputs: int, *, is_exclusive: bool) -> "Calibration":
        """Return the one that does nothing."""
        return cls(np.ones(outputs), np.zeros(outputs), is_exclusive)

    def probabilities(self, logits: Numbers) -> Numbers:
        """Return (n, K) for logits (n, K)."""
        scaled = logits * self.scale + self.shift
        return softmax(scaled) if self.is_exclusive else sigmoid(scaled)


def fit_calibration(logits: Numbers, targets: NDArray[np.bool_], *, is_exclusive: bool) -> Calibration:
    """Fit the calibration of logits of rows that their weights were not fitted to.

    Args:
        logits: (n, K).
        targets: (n, K).
        is_exclusive: whether the outputs exclude each other.
    """
    outputs = logits.shape[1]
    if len(logits) == 0:
        return Calibration.none(outputs, is_exclusive=is_exclusive)
    wanted = targets.astype(np.float64)

    def exclusive_loss(given: Numbers) -> tuple[float, Numbers]:
        scale = np.exp(given[0])
        chances = softmax(logits * scale)
        total = -np.log(np.maximum(chances[targets], 1e-12)).sum() + given[0] ** 2 / 2
        return float(total), np.array([((chances - wanted) * logits).sum() * scale + given[0]])

    def loss(given: Numbers) -> tuple[float, Numbers]:
        logs, shift = given[:outputs], given[outputs:]
        scale = np.exp(logs)
        chances = sigmoid(logits * scale + shift)
        slope = chances - wanted  # (n, K)
        likely = np.where(targets, chances, 1.0 - chances)
        total = -np.log(np.maximum(likely, 1e-12)).sum() + (given**2).sum() / 2
        return float(total), np.concatenate([(slope * logits).sum(axis=0) * scale + logs, slope.sum(axis=0) + shift])

    if is_exclusive:
        found = minimize(exclusive_loss, np.zeros(1), jac=True, method="L-BFGS-B").x
        return Calibration(np.full(outputs, np.exp(found[0])), np.zeros(outputs), is_exclusive)
    found = minimize(loss, np.zeros(2 * outputs), jac=True, method="L-BFGS-B").x
    return Calibration(np.exp(found[:outputs]), found[outputs:], is_exclusive)


def best_thresholds(probabilities: Numbers, targets: NDArray[np.bool_]) -> Numbers:
    """Return (K,) the probability from which on a class is taken to be there: where F1 is largest.

    Args:
        probabilities: (n, K) of rows that were not learnt from.
        targets: (n, K).

    Returns:
        0.5 for a class without a row.
    """
    found = np.full(probabilities.shape[1], 0.5)
    for place in range(probabilities.shape[1]):
        order = np.argsort(-probabilities[:, place], kind="stable")
        sorted_chances, right = probabilities[order, place], np.cumsum(targets[order, place])
        if len(right) == 0 or right[-1] == 0:
            continue
        scores = 2 * right / (np.arange(1, len(right) + 1) + right[-1])
        is_last = np.append(sorted_chances[1:] < sorted_chances[:-1], True)  # equal ones are taken together
        best = int(np.where(is_last, scores, -1.0).argmax())
        below = sorted_chances[best + 1] if best + 1 < len(right) else 0.0
        found[place] = np.clip((sorted_chances[best] + below) / 2, 0.05, 0.95)
    return found
