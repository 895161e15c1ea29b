"""Sinkhorn: features are shared out evenly over prototypes, in float32 log space, over all processes."""

import math

import torch
import torch.distributed as dist
from torch import Tensor

from coview.datatypes import check_shape
from coview.losses.global_batch import world_size


@torch.no_grad()
def sinkhorn(
    scores: Tensor, *, queue_scores: Tensor | None = None, epsilon: float = 0.05, iterations: int = 3
) -> Tensor:
    """Return the soft assignment of each sample to the prototypes (ViCC, eq. 4-6; Caron et al. 2020, SwaV).

    Of all ways to hand every sample out and give every prototype an equal share, the one that fits the scores best,
    smoothed by an entropy. Each iteration scales first the rows (prototypes) to 1/K, then the columns (samples) to
    1/(B+Q), where B and Q count over all processes; logarithms keep scores of any size from overflowing. No gradient.

    Args:
        scores: (B, K), cosines of this process's features with the prototypes.
        queue_scores: (Q, K), those of this process's share of the queue; shares may differ in size between processes.
        epsilon: weight of the entropy; the smaller, the harder the assignments.
        iterations: how often rows and columns are scaled, at least 1.

    Returns:
        (B, K) float32, of the batch alone; each row sums to 1.
    """
    if iterations < 1 or epsilon <= 0:
        raise ValueError(f"sinkhorn with {iterations} iterations and epsilon {epsilon}: both must be above 0")
    count, num_prototypes = scores.shape
    if queue_scores is not None:
        check_shape("queue_scores", queue_scores, None, num_prototypes)
        scores = torch.cat([scores, queue_scores.to(scores.dtype)])
    with torch.autocast(scores.device.type, enabled=False):
        scores = scores.float()
        # A constant changes nothing; without it the largest scores would overflow when they are divided.
        least = torch.finfo(torch.float32).min / 4
        logs = (scores - _largest(scores)).clamp_(min=least * min(1.0, epsilon)).div_(epsilon)  # (B+Q, K)
        for _ in range(iterations):
            logs -= _logsumexp_over_samples(logs)  # each row of the plan sums to 1, in place of 1/K
            logs = logs.log_softmax(dim=1)  # each column to 1, in place of 1/(B+Q)
        return logs[:count].exp()


def _largest(scores: Tensor) -> Tensor:
    """Return the largest score of all processes, a scalar."""
    largest = scores.amax()
    if world_size() > 1:
        dist.all_reduce(largest, op=dist.ReduceOp.MAX)
    return largest


def _logsumexp_over_samples(logs: Tensor) -> Tensor:
    """Return the logarithm of each prototype's sum over the samples of all processes, (K,)."""
    local = logs.logsumexp(dim=0)
    if world_size() == 1:
        return local
    largest = local.clone()
    dist.all_reduce(largest, op=dist.ReduceOp.MAX)
    total = (local - largest).exp()
    dist.all_reduce(total)
    return largest + total.log()


def assignment_entropy(assignments: Tensor) -> Tensor:
    """Return the mean entropy of assignments (B, K) as a share of ln K: 0 hard, 1 undecided; 0 for one prototype."""
    entropy = -(assignments * assignments.clamp_min(1e-30).log()).sum(dim=1).mean()
    return entropy / max(math.log(assignments.shape[1]), 1e-12)
