"""InfoNCE: each query must find its own key among all keys of the global batch."""

from functools import partial
from itertools import permutations

import torch
from torch import Tensor, nn
from torch.nn import functional

from coview.datatypes import check_shape
from coview.losses.global_batch import gather_with_gradient, rank


def info_nce_loss(
    queries: Tensor,
    keys: Tensor,
    *,
    temperature: float = 0.1,
    own_negatives: bool = False,
    rows_per_video: int = 1,
    extra_keys: Tensor | None = None,
    extra_positives: Tensor | None = None,
) -> Tensor:
    """Return the contrastive loss of queries and keys of the same instances (van den Oord et al. 2018; ViCC, eq. 1).

    The mean over queries of the cross-entropy of their cosines with all keys, divided by the temperature; the right
    answer is the key of the same row. Keys come from all processes, with gradient, so that the mean over processes is
    the loss of the global batch. Computed in float32 whatever the input's type or the surrounding autocast. Scores
    that say nothing lose ln of the number of keys. With `extra_positives` a query has several right answers, and what
    counts is the share of all of them together (CoCLR: Han et al. 2020, eq. 3).

    Args:
        queries: (n, D), scaled to unit length here.
        keys: (n, D), row i the same instance as row i of the queries: another clip or another view of it.
        temperature: tau, above 0.
        own_negatives: count the other queries of the global batch among the wrong answers, too.
        rows_per_video: so many rows in turn are of one video; its other rows are neither right nor wrong answers.
        extra_keys: (m, D), further wrong answers that are the same on every process, such as a queue; no gradient.
        extra_positives: (n, m) bool, which of the extra keys are right answers to a query after all; not given: none.

    Raises:
        ValueError: shapes that do not fit, a temperature that is not above 0, or rows that are no whole videos.
    """
    check_shape("keys", keys, *queries.shape)
    if temperature <= 0:
        raise ValueError(f"temperature is {temperature}, expected above 0")
    if rows_per_video < 1 or len(queries) % rows_per_video:
        raise ValueError(f"{len(queries)} rows are no whole number of videos of {rows_per_video} rows")
    with torch.autocast(queries.device.type, enabled=False):
        queries, keys = (functional.normalize(rows.float(), dim=1) for rows in (queries, keys))
        answers = torch.arange(len(queries), device=queries.device) + rank() * len(queries)  # (n,)
        logits = [queries @ gather_with_gradient(keys).T]  # (n, all)
        right = [torch.zeros_like(logits[0], dtype=torch.bool).scatter_(1, answers[:, None], True)]
        videos = torch.arange(logits[0].shape[1], device=queries.device) // rows_per_video  # (all,)
        of_own_video = videos[answers][:, None] == videos  # (n, all)
        if own_negatives:
            others = queries @ gather_with_gradient(queries).T  # (n, all)
            logits.append(others.masked_fill(of_own_video, -torch.inf))
            right.append(torch.zeros_like(right[0]))
        logits[0] = logits[0].masked_fill(of_own_video & ~right[0], -torch.inf)
        if extra_keys is not None:
            check_shape("extra_keys", extra_keys, None, queries.shape[1])
            logits.append(queries @ functional.normalize(extra_keys.detach().float(), dim=1).T)  # (n, m)
        scores = torch.cat(logits, dim=1) / temperature  # (n, candidates)
        if extra_keys is None or extra_positives is None:
            return functional.cross_entropy(scores, answers)
        check_shape("extra_positives", extra_positives, len(queries), len(extra_keys))
        positives = torch.cat([*right, extra_positives], dim=1)  # (n, candidates)
        return (scores.logsumexp(1) - scores.masked_fill(~positives, -torch.inf).logsumexp(1)).mean()


class InfoNCELoss(nn.Module):
    """`info_nce_loss` of every clip or view of the same instances against every other one (SimCLR: Chen et al. 2020).

    Args:
        temperature: tau.
        own_negatives: whether the other rows of the same side count as wrong answers, too.
        rows_per_video: so many rows in turn are of one video; its other rows are neither right nor wrong answers.
    """

    def __init__(self, *, temperature: float = 0.1, own_negatives: bool = False, rows_per_video: int = 1) -> None:
        super().__init__()
        self.loss = partial(
            info_nce_loss, temperature=temperature, own_negatives=own_negatives, rows_per_video=rows_per_video
        )

    def forward(self, *sides: Tensor) -> Tensor:
        """Return the mean over all ordered pairs of sides, each (n, D), row i of each the same instance: a scalar.

        Raises:
            ValueError: fewer than two sides, or shapes that differ.
        """
        if len(sides) < 2:
            raise ValueError(f"InfoNCE of {len(sides)} side, expected at least 2")
        losses = [self.loss(queries, keys) for queries, keys in permutations(sides, 2)]
        return torch.stack(losses).mean()
