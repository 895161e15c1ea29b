"""Cooperation of views: agree on who is like whom (L_sync), and on which instance is which (L_sim)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import combinations
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from coview.datatypes import check_shape, unit
from coview.losses.global_batch import gather_with_gradient, rank
from coview.losses.info_nce import InfoNCELoss

Discrepancy = Literal["l2", "l1"]
"""l2: mean squared difference (CoCon, eq. 2); l1: mean absolute difference (the released code)."""


@dataclass(frozen=True)
class Cooperation:
    """The two losses and how the views stand to each other; sums or means over unordered pairs of views.

    How they stand is computed when it is first asked for: with many instances it takes as long as the losses.

    Attributes:
        sync: scalar, L_sync, summed over pairs.
        sim: scalar, L_sim, summed over pairs.
        everyone: V tensors (m, D), detached, the unit features of all instances of the global batch.
        agreement: scalar, detached, mean correlation of the similarity matrices of two views, in [-1, 1].
        positive_distance: scalar, detached, mean D of the same instance in two views, in [0, 2].
        negative_distance: scalar, detached, mean D of different instances in two views, in [0, 2].
    """

    sync: Tensor
    sim: Tensor
    everyone: Sequence[Tensor]

    @property
    def agreement(self) -> Tensor:
        """How alike the views' likenesses are."""
        return self._meters[0]

    @property
    def positive_distance(self) -> Tensor:
        """How far an instance is from itself."""
        return self._meters[1]

    @property
    def negative_distance(self) -> Tensor:
        """How far an instance is from others."""
        return self._meters[2]

    @cached_property
    def _meters(self) -> tuple[Tensor, Tensor, Tensor]:
        return _meters(self.everyone, list(combinations(range(len(self.everyone)), 2)))


def pooled_blocks(maps: Tensor, *, max_pool_from: int = 2) -> Tensor:
    """Pool block maps to one instance feature each, h: unit cells, max-pool 2 x 2, mean of the rest, unit.

    Args:
        maps: (B, N, D, S, S), unit per cell or not. A map of one cell is taken as it is.
        max_pool_from: the least S for which there is a maximum; the cells of smaller maps are averaged (released
            code: 3, so that 2 x 2 cells are).

    Returns:
        (B*N, D) float32, unit. Source: CoCon, appendix A.4 ("stacked max pool layers").
    """
    cells = unit(maps.float().flatten(0, 1), dim=1)  # (B*N, D, S, S)
    if min(cells.shape[-2:]) >= max(2, max_pool_from):
        cells = functional.max_pool2d(cells, 2)
    return unit(cells.mean(dim=(2, 3)))  # (B*N, D)


def sync_loss(own: Tensor, other: Tensor, *, discrepancy: Discrepancy = "l2") -> Tensor:
    """Return L_sync of one pair of views: how far their similarity matrices differ (CoCon, eq. 2).

    Args:
        own: (n, m) cosines of this process's n instances with all m of the global batch, in one view.
        other: (n, m) the same in another view.
        discrepancy: see `Discrepancy`.
    """
    difference = own - other
    return difference.square().mean() if discrepancy == "l2" else difference.abs().mean()


def sim_loss(cosines: Tensor, positives: Tensor) -> Tensor:
    """Return L_sim of one pair of views (CoCon, eq. 3), positives and negatives weighted equally.

    0.5 * mean over positives of D + 0.5 * mean over negatives of max(0, 1 - D), where D = 1 - cosine. Without any
    negative, in a global batch of one instance, that half is 0.

    Args:
        cosines: (n, m) of this process's n instances in one view with all m in the other.
        positives: (n,) for each row, the column of the same instance.
    """
    positive = cosines.gather(1, positives[:, None])  # (n, 1)
    pushes = cosines.clamp_min(0).sum() - positive.clamp_min(0).sum()
    num_negatives = cosines.numel() - len(positives)
    return 0.5 * (1 - positive).mean() + 0.5 * pushes / max(1, num_negatives)


def cooperation(
    features: Sequence[Tensor],
    *,
    discrepancy: Discrepancy = "l2",
    sim_temperature: float | None = None,
    num_blocks: int = 1,
) -> Cooperation:
    """Compare V >= 2 views of the same instances over the global batch, with gradient through every process.

    Computed in float32 whatever the input's type or the surrounding autocast. Each process takes its own rows of the
    matrices; the mean over processes is the value on the whole matrices.

    Args:
        features: V tensors (n, D), row i of each the same instance; scaled to unit length here.
        discrepancy: how similarity matrices are compared.
        sim_temperature: tau of an L_sim that neither paper has: an instance must find itself in the other view among
            the instances of other videos, in both directions (InfoNCE), so that near negatives weigh more. Not given:
            eq. 3, which pushes all negatives away alike.
        num_blocks: N, so many rows in turn are blocks of one video; only a temperature heeds it.

    Raises:
        ValueError: fewer than two views, or shapes that differ.
    """
    if len(features) < 2:
        raise ValueError(f"cooperation of {len(features)} view, expected at least 2")
    for rows in features[1:]:
        check_shape("features", rows, *features[0].shape)
    with torch.autocast(features[0].device.type, enabled=False):
        own = [unit(rows.float()) for rows in features]
        everyone = [gather_with_gradient(rows) for rows in own]  # V x (m, D)
        count = len(own[0])
        positives = torch.arange(count, device=own[0].device) + rank() * count
        within = [mine @ all_rows.T for mine, all_rows in zip(own, everyone, strict=True)]  # V x (n, m)
        pairs = list(combinations(range(len(own)), 2))
        sync = torch.stack([sync_loss(within[a], within[b], discrepancy=discrepancy) for a, b in pairs]).sum()
        if sim_temperature is None:
            sims = [sim_loss(own[a] @ everyone[b].T, positives) for a, b in pairs]
        else:
            contrast = InfoNCELoss(temperature=sim_temperature, rows_per_video=num_blocks)
            sims = [contrast(own[a], own[b]) for a, b in pairs]
        sim = torch.stack(sims).sum()
        return Cooperation(sync, sim, [rows.detach() for rows in everyone])


@torch.no_grad()
def _meters(everyone: Sequence[Tensor], pairs: Sequence[tuple[int, int]]) -> tuple[Tensor, Tensor, Tensor]:
    """Return agreement, mean positive and mean negative distance of V views of all m instances, V x (m, D), unit.

    Whole matrices, the same on every process: a correlation of rows is not the mean of those of its shares.
    """
    is_other = ~torch.eye(len(everyone[0]), dtype=torch.bool, device=everyone[0].device)
    within = [(rows @ rows.T)[is_other] for rows in everyone]  # V x (m * (m - 1),)
    agreement = torch.stack([_correlation(within[a], within[b]) for a, b in pairs]).mean()
    distances = 1 - torch.stack([everyone[a] @ everyone[b].T for a, b in pairs])  # (pairs, m, m)
    positive = distances[:, ~is_other].mean()
    negative = distances[:, is_other].mean() if is_other.any() else torch.zeros_like(positive)
    return agreement, positive, negative


def _correlation(one: Tensor, other: Tensor) -> Tensor:
    """Return Pearson's correlation of two vectors, 0 where one of them does not vary."""
    if one.numel() == 0:
        return one.new_zeros(())
    one, other = one - one.mean(), other - other.mean()
    lengths: Tensor = one.norm() * other.norm()
    return torch.dot(one, other) / lengths.clamp_min(1e-12)


class CooperationLoss(nn.Module):
    """lambda * (L_sync + alpha * L_sim) of V >= 2 views of the same instances (CoCon, eq. 2-3), summed over pairs.

    Args:
        weight: lambda.
        sync_weight: of L_sync.
        sim_weight: alpha.
        discrepancy: how similarity matrices are compared.
        sim_temperature: tau of L_sim; not given: eq. 3, which has none.
        num_blocks: N, so many rows in turn are blocks of one video; only a temperature heeds it.
    """

    def __init__(
        self,
        *,
        weight: float = 10.0,
        sync_weight: float = 1.0,
        sim_weight: float = 1.0,
        discrepancy: Discrepancy = "l2",
        sim_temperature: float | None = None,
        num_blocks: int = 1,
    ) -> None:
        super().__init__()
        self.weight, self.sync_weight, self.sim_weight = weight, sync_weight, sim_weight
        self.compare = partial(
            cooperation, discrepancy=discrepancy, sim_temperature=sim_temperature, num_blocks=num_blocks
        )

    def forward(self, features: Mapping[str, Tensor] | Sequence[Tensor]) -> Tensor:
        """Return the loss, a scalar, of the features (n, D) of each view, row i of each the same instance."""
        rows = list(features.values()) if isinstance(features, Mapping) else list(features)
        found = self.compare(rows)
        return self.weight * (self.sync_weight * found.sync + self.sim_weight * found.sim)
