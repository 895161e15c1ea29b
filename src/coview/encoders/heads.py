"""Small networks that sit on top of features."""

import torch
from torch import Tensor, nn

from coview.datatypes import unit
from coview.encoders.base import Encoder
from coview.encoders.convgru import initialise_orthogonally


class Predictor(nn.Module):
    """The predictive function phi: 1 x 1 convolution -> ReLU -> 1 x 1 convolution (CoCon, A.4).

    Written as linear maps of each cell, so cells may lie in any leading axes and D comes last.

    Args:
        feature_size: D, in, between and out.
    """

    def __init__(self, feature_size: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(feature_size, feature_size),
            nn.ReLU(inplace=True),
            nn.Linear(feature_size, feature_size),
        )
        initialise_orthogonally(self)

    def forward(self, context: Tensor) -> Tensor:
        """Map contexts (..., D) to predicted features (..., D)."""
        predicted: Tensor = self.layers(context)
        return predicted


class ProjectionHead(nn.Module):
    """Linear -> ReLU -> linear, then unit length (ViCC, section 4.1, after SimCLR). Left out after pre-training.

    Args:
        feature_size: D of the encoder.
        projection_size: of z.
        hidden_size: width in between; not given: D.
        has_norm: layer normalisation before the ReLU.
    """

    def __init__(
        self, feature_size: int, projection_size: int = 128, *, hidden_size: int | None = None, has_norm: bool = False
    ) -> None:
        super().__init__()
        width = hidden_size or feature_size
        norm = [nn.LayerNorm(width)] if has_norm else []
        self.layers = nn.Sequential(
            nn.Linear(feature_size, width),
            *norm,
            nn.ReLU(inplace=True),
            nn.Linear(width, projection_size),
        )

    def forward(self, pooled: Tensor) -> Tensor:
        """Map pooled features (n, D) to z (n, projection_size), float32, unit; computed in float32."""
        with torch.autocast(pooled.device.type, enabled=False):
            return unit(self.layers(pooled.float()))


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
