"""Features of the last batches, kept so that Sinkhorn sees more samples than one batch holds."""

import torch
from torch import Tensor, nn


class FeatureQueue(nn.Module):
    """The newest Q features of each view slot, newest first; the same on every process. Part of the checkpoint.

    How full it is, and whether it has begun, are plain numbers on the host, so that reading them never waits for the
    device; they travel as the module's extra state.

    Args:
        slots: view slots (two clips of two streams: 4).
        length: Q, features a slot holds; 0: none.
        size: of a feature.
    """

    def __init__(self, slots: int, length: int, size: int) -> None:
        super().__init__()
        self.length = length
        self.filled = 0
        self.has_begun = False
        self.steepness_at_start = 0.0
        self.register_buffer("features", torch.zeros(slots, length, size))
        self.features: Tensor

    def rows(self, slot: int) -> Tensor:
        """Return the features of a slot, (filled, size)."""
        return self.features[slot, : self.filled]

    @torch.no_grad()
    def push(self, features: Tensor) -> None:
        """Add features (slots in use, n, size) of one batch; the oldest make room."""
        used = len(features)
        joined = torch.cat([features.to(self.features.dtype), self.features[:used]], dim=1)
        self.features[:used] = joined[:, : self.length]
        self.filled = min(self.length, self.filled + features.shape[1])

    def begin(self, steepness: float) -> None:
        """Take features from now on; `steepness` says how fast the loss was falling, 1 as fast as ever."""
        self.has_begun, self.steepness_at_start = True, steepness

    def start_anew(self) -> None:
        """Empty the queue and wait again to begin."""
        self.features.zero_()
        self.filled, self.has_begun, self.steepness_at_start = 0, False, 0.0

    def get_extra_state(self) -> Tensor:
        """Return what a checkpoint needs beside the features."""
        return torch.tensor([self.filled, int(self.has_begun), self.steepness_at_start], dtype=torch.float64)

    def set_extra_state(self, state: Tensor) -> None:
        """Put back what `get_extra_state` returned."""
        filled, has_begun, self.steepness_at_start = state.tolist()
        self.filled, self.has_begun = int(filled), bool(has_begun)
