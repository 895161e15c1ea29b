"""The aggregation function g: a recurrent unit that walks over blocks, with the same weights in every cell."""

import torch
from torch import Tensor, nn

from coview.datatypes import unit


class ConvGRU(nn.Module):
    """One-layer convolutional GRU with kernel 1 x 1 (Ballas et al. 2016; CoCon, A.4), weak on purpose.

    A 1 x 1 convolution is a linear map of each cell, so cells may lie in any leading axes and D comes last. Dropout
    falls on the hidden state at each step, and the state is scaled back to unit length.

    Args:
        feature_size: D, of inputs and of the hidden state.
        dropout: probability of zeroing an element of the hidden state.
    """

    def __init__(self, feature_size: int, *, dropout: float = 0.1) -> None:
        super().__init__()
        self.feature_size = feature_size
        self.reset = nn.Linear(2 * feature_size, feature_size)
        self.update = nn.Linear(2 * feature_size, feature_size)
        self.candidate = nn.Linear(2 * feature_size, feature_size)
        self.dropout = nn.Dropout(dropout)
        initialise_orthogonally(self)

    def step(self, inputs: Tensor, hidden: Tensor) -> Tensor:
        """Take in one block.

        Args:
            inputs: (..., D), the block's cells.
            hidden: (..., D), unit per cell, or zeros before the first block.

        Returns:
            (..., D) float32, the next hidden state, unit per cell.
        """
        both = torch.cat([inputs, hidden], dim=-1)  # (..., 2*D)
        update = torch.sigmoid(self.update(both))
        reset = torch.sigmoid(self.reset(both))
        candidate = torch.tanh(self.candidate(torch.cat([inputs, hidden * reset], dim=-1)))
        mixed = hidden * (1 - update) + candidate * update
        return unit(self.dropout(mixed.float()))

    def forward(self, blocks: Tensor) -> Tensor:
        """Walk over blocks (B, N, ..., D) from an empty state; return c_1 .. c_N, (B, N, ..., D) float32, unit."""
        hidden = torch.zeros_like(blocks[:, 0], dtype=torch.float32)
        states = []
        for block in blocks.unbind(dim=1):
            hidden = self.step(block, hidden)
            states.append(hidden)
        return torch.stack(states, dim=1)  # (B, N, ..., D)


def initialise_orthogonally(module: nn.Module) -> None:
    """Draw every linear map anew as an orthogonal matrix, with zero bias (the released code of DPC and CoCon)."""
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.orthogonal_(part.weight)
            nn.init.zeros_(part.bias)
