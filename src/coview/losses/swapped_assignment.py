"""Swapped assignment: what one view of a video is assigned to, the other views of it must predict."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from coview.datatypes import check_shape
from coview.losses.sinkhorn import sinkhorn

PredictWith = Literal["all", "other"]
"""all: every other view predicts; other: only views of the other stream than the assignment's (ViCC, Table 2)."""
AssignFrom = Literal["all", "other"]
"""all: every view is assigned; other: only those of the stream that does not learn (ViCC, Table 2)."""


@dataclass(frozen=True)
class Swap:
    """One assignment and who predicts it, as places in a list of views.

    Attributes:
        assigned: the view whose assignment is the target.
        predictors: the views that predict it, at least one.
    """

    assigned: int
    predictors: tuple[int, ...]


def swaps(
    streams: Sequence[str], *, own: str, predict_with: PredictWith = "all", assign_from: AssignFrom = "all"
) -> tuple[Swap, ...]:
    """Return who predicts whose assignment.

    "Only t predicts" is read as the other stream than the assignment's: read as the frozen stream alone, no gradient
    would ever reach the encoder that is to learn.

    Args:
        streams: of each view, the stream it comes from, such as ("rgb", "rgb", "flow", "flow").
        own: the stream that learns.
        predict_with: which views predict.
        assign_from: which views are assigned.

    Raises:
        ValueError: a choice that leaves an assignment without a predictor, or no assignment.
    """
    chosen = [a for a, stream in enumerate(streams) if assign_from == "all" or stream != own]
    found = []
    for a in chosen:
        others = [p for p in range(len(streams)) if p != a]
        kept = tuple(p for p in others if predict_with == "all" or streams[p] != streams[a])
        found.append(Swap(a, kept))
    if not found or not all(swap.predictors for swap in found):
        raise ValueError(f"views {tuple(streams)} leave nothing to predict, or nobody to predict it")
    return tuple(found)


def swapped_assignment_loss(
    scores: Sequence[Tensor],
    assignments: Sequence[Tensor],
    who: Sequence[Swap] | None = None,
    *,
    temperature: float = 0.1,
) -> Tensor:
    """Return the swapped-assignment loss (ViCC, eq. 2-3 and 7-9, with the weights of its pseudocode).

    The mean over assignments of the mean over their predictors of the cross-entropy between assignment and softmax
    of the predictor's scores: 12 terms of 1/4 * 1/3 for two clips of two streams, 2 of 1/2 for one stream. Scores
    that say nothing lose ln K. The mean over processes is the loss of the global batch.

    Args:
        scores: of each view, (B, K) cosines with the prototypes.
        assignments: of each view, (B, K) float32 without gradient, rows sum to 1; unused ones may be empty.
        who: who predicts whose assignment; not given: every view predicts those of all others.
        temperature: tau, the scores are divided by it.
    """
    if who is None:
        who = swaps([""] * len(scores), own="")
    with torch.autocast(scores[0].device.type, enabled=False):
        needed = {p for swap in who for p in swap.predictors}
        logs = {p: functional.log_softmax(scores[p].float() / temperature, dim=1) for p in needed}
        losses = []
        for swap in who:
            target = assignments[swap.assigned]
            check_shape("assignments", target, *scores[swap.assigned].shape)
            terms = [-(target * logs[p]).sum(dim=1).mean() for p in swap.predictors]
            losses.append(torch.stack(terms).mean())
        return torch.stack(losses).mean()


class SwappedAssignmentLoss(nn.Module):
    """`swapped_assignment_loss` of clips that each predict the assignments of all others, Sinkhorn included.

    Args:
        temperature: tau of the predictions.
        epsilon: weight of the entropy in the assignments.
        iterations: of Sinkhorn.
    """

    def __init__(self, *, temperature: float = 0.1, epsilon: float = 0.05, iterations: int = 3) -> None:
        super().__init__()
        self.temperature, self.epsilon, self.iterations = temperature, epsilon, iterations

    def forward(self, scores: Sequence[Tensor], queue_scores: Sequence[Tensor] | None = None) -> Tensor:
        """Return the loss, a scalar.

        Args:
            scores: of each clip, (B, K) cosines with the prototypes; at least two clips.
            queue_scores: of each clip, (Q, K), those of earlier features; not given: assignments of the batch alone.
        """
        queues = [None] * len(scores) if queue_scores is None else queue_scores
        assigned = [
            sinkhorn(own.detach(), queue_scores=queue, epsilon=self.epsilon, iterations=self.iterations)
            for own, queue in zip(scores, queues, strict=True)
        ]
        return swapped_assignment_loss(scores, assigned, temperature=self.temperature)
