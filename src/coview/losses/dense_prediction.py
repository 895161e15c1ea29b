"""Dense prediction: each predicted cell must find its own future cell among all of the global batch."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from coview.datatypes import check_shape
from coview.losses.global_batch import gather_with_gradient, rank, world_size

LOGITS_AT_ONCE = 2**25
"""Scores held at a time (128 MiB in float32); beyond that, backward computes each group of rows again."""


@dataclass(frozen=True)
class DensePrediction:
    """What comes of comparing predictions with the future.

    Attributes:
        loss: scalar float32, the mean cross-entropy of this process's predictions.
        accuracy: scalar float32, detached, the share of them whose own target scores highest.
        num_candidates: how many cells each prediction chooses among; scores that say nothing lose ln of it.
    """

    loss: Tensor
    accuracy: Tensor
    num_candidates: int

    @property
    def chance_level(self) -> float:
        """The loss when all scores are equal."""
        return math.log(self.num_candidates)


def dense_prediction(
    predicted: Tensor, target: Tensor, *, temperature: float, logits_at_once: int = LOGITS_AT_ONCE
) -> DensePrediction:
    """Score predicted features against the true ones (CoCon, eq. 1; Han et al. 2019, eq. 3).

    Cross-entropy of each predicted cell's dot products, over the temperature, with every cell of the P future blocks
    of all videos of the global batch; the right answer is the same video, block and cell. The mean over all, so that
    the value does not grow with the batch. Gradient flows through the targets too, of every process. Computed in
    float32 whatever the input's type or the surrounding autocast.

    Args:
        predicted: (B, P, S, S, D) unit per cell.
        target: (B, P, S, S, D) unit per cell, the same order.
        temperature: tau.
        logits_at_once: bound on the scores held in memory at a time; the value does not depend on it.
    """
    check_shape("target", target, *predicted.shape)
    with torch.autocast(predicted.device.type, enabled=False):
        anchors = predicted.float().flatten(0, -2) / temperature  # (n, D), n = B*P*S*S
        candidates = gather_with_gradient(target.float().flatten(0, -2))  # (processes * n, D)
        answers = torch.arange(len(anchors), device=anchors.device) + rank() * len(anchors)  # (n,)
        losses, hits = _score(anchors, candidates, answers, logits_at_once=logits_at_once)
        return DensePrediction(losses.mean(), hits.float().mean(), len(candidates))


def dense_prediction_loss(predicted: Tensor, target: Tensor, *, temperature: float = 0.005) -> Tensor:
    """Return the loss of `dense_prediction` alone, scalar float32."""
    return dense_prediction(predicted, target, temperature=temperature).loss


def num_candidates(target: Tensor) -> int:
    """Return how many cells a prediction chooses among: those of `target` (B, P, S, S, D) on all processes."""
    return world_size() * target.shape[:-1].numel()


def _score(anchors: Tensor, candidates: Tensor, answers: Tensor, *, logits_at_once: int) -> tuple[Tensor, Tensor]:
    """Return each anchor's cross-entropy and whether it hit, (n,) and (n,), a bounded number of rows at a time."""
    rows = max(1, logits_at_once // len(candidates))
    if rows >= len(anchors):
        return _score_rows(anchors, candidates, answers)
    scored = [
        checkpoint(_score_rows, some, candidates, right, use_reentrant=False, preserve_rng_state=False)
        for some, right in zip(anchors.split(rows), answers.split(rows), strict=True)
    ]
    losses, hits = zip(*scored, strict=True)
    return torch.cat(losses), torch.cat(hits)


def _score_rows(anchors: Tensor, candidates: Tensor, answers: Tensor) -> tuple[Tensor, Tensor]:
    logits = anchors @ candidates.T  # (rows, processes * n)
    return functional.cross_entropy(logits, answers, reduction="none"), logits.argmax(dim=1) == answers


class DensePredictionLoss(nn.Module):
    """`dense_prediction_loss` as a module.

    Args:
        temperature: tau.
    """

    def __init__(self, *, temperature: float = 0.005) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, predicted: Tensor, target: Tensor) -> Tensor:
        """Return the loss of predictions (B, P, S, S, D) against what came, both unit per cell: a scalar."""
        return dense_prediction_loss(predicted, target, temperature=self.temperature)
