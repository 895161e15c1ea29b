"""Linear logistic regression with classes that weigh alike: numbers in, numbers out."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

Numbers = NDArray[np.float64]
_STRENGTH = 30.0
"""Inverse of the penalty on weights, of features with variance 1 / D; see `fit_logistic`."""
_PRIOR_ROWS = 10.0
"""The spread of one feature counts as that of all features would in this many rows: few rows say little of one."""
_STEPS = {"maxiter": 200, "maxcor": 20, "ftol": 1e-8}
"""Of L-BFGS. With this tolerance logits are within 0.001 of the optimum's; products are of 32-bit numbers."""


@dataclass(frozen=True)
class Linear:
    """Weights of a linear layer.

    Attributes:
        weight: (D, K).
        bias: (K,).
    """

    weight: Numbers
    bias: Numbers

    def logits(self, features: NDArray[Any]) -> Numbers:
        """Return (n, K) for features (n, D)."""
        return np.asarray(features @ self.weight + self.bias, dtype=np.float64)


def balanced_weights(targets: NDArray[np.bool_]) -> Numbers:
    """Return (n, K) how much each row counts for each output, n in all for each of them.

    Of outputs that exclude each other (each row has one) this is a weight a row, the same sum for each class; else the
    rows with a class and those without it have the same sum.
    """
    count, positive = len(targets), targets.sum(axis=0)  # (K,)
    with np.errstate(divide="ignore"):
        on, off = count / (2 * positive), count / (2 * (count - positive))
    return np.where(targets, on, off)


def fit_logistic(
    features: NDArray[Any], targets: NDArray[np.bool_], *, is_exclusive: bool, near: Linear | None = None
) -> Linear:
    """Fit weights by L-BFGS: the sum of weighted log losses plus |weight|^2 / (2 * 30).

    Features are centred and divided by their spread and by sqrt(D) first; the result takes them as they are.

    Args:
        features: (n, D).
        targets: (n, K) what each row shows; exactly one where `is_exclusive`.
        is_exclusive: softmax over the outputs, else a sigmoid each.
        near: the weights of a fit to nearly the same rows, from which fewer steps lead to the one optimum.
    """
    inputs = np.asarray(features, dtype=np.float64)
    mean, spread = inputs.mean(axis=0), _spread(inputs)
    scale = 1 / (spread * np.sqrt(inputs.shape[1]))  # (D,)
    scaled = ((inputs - mean) * scale).astype(np.float32)  # half as much to read in every step
    if is_exclusive:
        rows = len(targets) / (targets.shape[1] * np.maximum(targets.sum(axis=0), 1))
        weights = (targets @ rows)[:, None]  # (n, 1)
    else:
        weights = balanced_weights(targets)
    size, outputs = inputs.shape[1], targets.shape[1]
    wanted = targets.astype(np.float64)

    def loss(flat: Numbers) -> tuple[float, Numbers]:
        weight, bias = flat[: size * outputs].reshape(size, outputs), flat[size * outputs :]
        logits = (scaled @ weight.astype(np.float32)).astype(np.float64) + bias
        chances, losses = _log_loss(logits, wanted, is_exclusive=is_exclusive)
        slope = weights * (chances - wanted)  # (n, K)
        total = float((weights * losses).sum() + (weight**2).sum() / (2 * _STRENGTH))
        by_weight = scaled.T @ slope.astype(np.float32) + weight / _STRENGTH
        return total, np.concatenate([by_weight.ravel(), slope.sum(axis=0)])

    start = np.zeros(size * outputs + outputs)
    if near is not None:
        start = np.concatenate([(near.weight / scale[:, None]).ravel(), near.bias + mean @ near.weight])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options=_STEPS).x
    weight = found[: size * outputs].reshape(size, outputs) * scale[:, None]
    return Linear(weight, found[size * outputs :] - mean @ weight)


def _spread(inputs: Numbers) -> Numbers:
    variance = inputs.var(axis=0)
    pulled = (len(inputs) * variance + _PRIOR_ROWS * variance.mean()) / (len(inputs) + _PRIOR_ROWS)
    return np.asarray(np.sqrt(np.maximum(pulled, 1e-12)))


def _log_loss(logits: Numbers, wanted: Numbers, *, is_exclusive: bool) -> tuple[Numbers, Numbers]:
    """Return probabilities (n, K) and the loss of each row (n, 1), or of each row and output (n, K)."""
    if is_exclusive:
        shifted = logits - logits.max(axis=1, keepdims=True)
        total = np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        return np.exp(shifted - total), total - (shifted * wanted).sum(axis=1, keepdims=True)
    return sigmoid(logits), np.logaddexp(0.0, logits) - wanted * logits


def sigmoid(logits: Numbers) -> Numbers:
    """Return 1 / (1 + exp(-x))."""
    return np.asarray(np.exp(-np.logaddexp(0.0, -logits)))


def softmax(logits: Numbers) -> Numbers:
    """Return the softmax over the last axis."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))
