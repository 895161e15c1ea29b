"""The contract of an encoder: a feature map, its size, and the pooled feature."""

import abc
from typing import Protocol

from torch import Tensor, nn


class Encoder(nn.Module, abc.ABC):
    """A network f from clips to feature maps.

    Attributes:
        in_channels: C, channels of a clip.
        feature_size: D, channels of the feature map.
    """

    in_channels: int
    feature_size: int

    @abc.abstractmethod
    def forward(self, clips: Tensor) -> Tensor:
        """Map clips (B, C, T, H, W) to a feature map (B, D, T', S, S)."""

    def pooled(self, clips: Tensor) -> Tensor:
        """Map clips (B, C, T, H, W) to one feature each (B, D): the mean of the map over time and space."""
        feature_map: Tensor = self(clips)
        return feature_map.mean(dim=(2, 3, 4))  # (B, D)


class EncoderFactory(Protocol):
    """What a row of `coview.encoders.ENCODERS` points to."""

    def __call__(self, *, in_channels: int) -> Encoder:
        """Build the encoder with random weights for clips of `in_channels` channels."""
