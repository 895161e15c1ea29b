"""Prototypes of prototypical contrasting: unit vectors that features are compared with."""

import torch
from torch import Tensor, nn

from coview.datatypes import unit
from coview.losses.global_batch import gather_with_gradient

IDLE_ROUNDS = 10
"""A prototype counts as used if it was nearest to one of the last IDLE_ROUNDS * K features."""


class Prototypes(nn.Module):
    """K unit vectors C that features are compared with, and how long each has been nearest to none.

    Args:
        count: K.
        size: of z.
    """

    def __init__(self, count: int, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(count, size))
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)  # as nn.Linear
        self.weight.data = unit(self.weight.data)
        self.register_buffer("idle", torch.zeros(count, dtype=torch.int64))
        self.idle: Tensor

    def forward(self, features: Tensor) -> Tensor:
        """Return the cosines of unit features (n, size) with the prototypes, (n, K) float32."""
        with torch.autocast(features.device.type, enabled=False):
            return features.float() @ self.weight.T

    @torch.no_grad()
    def renormalise(self) -> None:
        """Bring the prototypes back to unit length after a step; frozen ones stay bit for bit."""
        if self.weight.requires_grad:
            self.weight.copy_(unit(self.weight))

    @torch.no_grad()
    def note_nearest(self, nearest: Tensor) -> None:
        """Take in the nearest prototype of some features of this process, (n,) int64, and of every other one's."""
        everyones = gather_with_gradient(nearest)  # (processes * n,)
        self.idle += len(everyones)
        self.idle[everyones] = 0

    def share_in_use(self) -> Tensor:
        """Return the share of prototypes that have been nearest to a feature lately, a scalar."""
        return (self.idle < IDLE_ROUNDS * len(self.idle)).float().mean()
