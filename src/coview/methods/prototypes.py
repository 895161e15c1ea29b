"""What sits on an encoder for prototypical contrasting: a projection to a small unit feature, and prototypes."""

import torch
from torch import Tensor, nn

from coview.datatypes import unit
from coview.encoders import Encoder

IDLE_ROUNDS = 10
"""A prototype counts as used if it was nearest to one of the last IDLE_ROUNDS * K features."""


class ProjectionHead(nn.Module):
    """Linear -> ReLU -> linear, then unit length (ViCC, section 4.1, after SimCLR). Left out after pre-training.

    Args:
        feature_size: D of the encoder, also the width in between.
        projection_size: of z.
    """

    def __init__(self, feature_size: int, projection_size: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(feature_size, feature_size),
            nn.ReLU(inplace=True),
            nn.Linear(feature_size, projection_size),
        )

    def forward(self, pooled: Tensor) -> Tensor:
        """Map pooled features (n, D) to z (n, projection_size), float32, unit; computed in float32."""
        with torch.autocast(pooled.device.type, enabled=False):
            return unit(self.layers(pooled.float()))


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
        """Take in the nearest prototype of some features, (n,) int64."""
        self.idle += len(nearest)
        self.idle[nearest] = 0

    def share_in_use(self) -> Tensor:
        """Return the share of prototypes that have been nearest to a feature lately, a scalar."""
        return (self.idle < IDLE_ROUNDS * len(self.idle)).float().mean()


class ProjectedEncoder(Encoder):
    """An encoder followed by its projection head: pooled features are z.

    Args:
        encoder: f.
        head: the projection on top of it.
    """

    def __init__(self, encoder: Encoder, head: ProjectionHead) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head
        self.in_channels = encoder.in_channels
        last = head.layers[-1]
        assert isinstance(last, nn.Linear)
        self.feature_size = last.out_features

    def forward(self, clips: Tensor) -> Tensor:
        """Map clips (B, C, T, H, W) to z as a map of one cell (B, projection_size, 1, 1, 1)."""
        return self.pooled(clips)[:, :, None, None, None]

    def pooled(self, clips: Tensor) -> Tensor:
        """Map clips (B, C, T, H, W) to z (B, projection_size), unit."""
        projected: Tensor = self.head(self.encoder.pooled(clips))
        return projected
