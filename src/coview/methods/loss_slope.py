"""Has a loss done its rapid fall? Means over windows of steps, compared with the steepest fall so far."""

import math

import torch
from torch import Tensor, nn

WINDOWS = 20
"""Windows a stage is cut into."""
SLOWED = 0.3
"""A fall from one window to the next below this share of the steepest one counts as slow."""


class LossSlope(nn.Module):
    """Watches the loss of a stage; its state is part of the checkpoint and the same on every process.

    The device is asked once a window. The steepest fall counts as the rapid evolution after which ViCC (appendix
    B.2) introduces its queue.
    """

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("window_sum", torch.zeros((), dtype=torch.float64))
        self.window_sum: Tensor
        self._forget()

    def _forget(self) -> None:
        self.count, self.last_mean, self.last_fall, self.steepest_fall = 0, math.inf, 0.0, 0.0

    def start_anew(self) -> None:
        """Forget the stage before."""
        self.window_sum.zero_()
        self._forget()

    def observe(self, loss: Tensor, *, num_steps: int) -> None:
        """Take in the loss of one step, a detached scalar, of a stage of `num_steps`."""
        self.window_sum += loss
        self.count += 1
        if self.count < max(1, num_steps // WINDOWS):
            return
        mean = float(self.window_sum) / self.count
        if self.last_mean < math.inf:
            self.last_fall = self.last_mean - mean
            self.steepest_fall = max(self.steepest_fall, self.last_fall)
        self.last_mean, self.count = mean, 0
        self.window_sum.zero_()

    @property
    def steepness(self) -> float:
        """The newest fall over the steepest one: at most 1; 1 before there was any."""
        return self.last_fall / self.steepest_fall if self.steepest_fall > 0 else 1.0

    @property
    def has_slowed(self) -> bool:
        """Whether the loss has fallen and now falls slowly, or rises."""
        return self.steepness < SLOWED

    def get_extra_state(self) -> Tensor:
        """Return what a checkpoint needs beside the sum."""
        return torch.tensor([self.count, self.last_mean, self.last_fall, self.steepest_fall], dtype=torch.float64)

    def set_extra_state(self, state: Tensor) -> None:
        """Put back what `get_extra_state` returned."""
        count, self.last_mean, self.last_fall, self.steepest_fall = state.tolist()
        self.count = int(count)
