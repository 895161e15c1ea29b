"""Is every loss a number? Asked before the update on a CPU, one step later on a GPU, so that nothing waits for it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, distributed

from coview.methods import LossOutput
from coview.training.checkpoint import Position
from coview.training.distributed import Processes


class Arriving:
    """A few numbers on their way from a device: reading them waits for them, and for nothing that was begun after.

    Args:
        values: a tensor of any device.
    """

    def __init__(self, values: Tensor) -> None:
        self._values, self._event = values, None
        if values.is_cuda:
            self._values = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
            self._values.copy_(values, non_blocking=True)
            self._event = torch.cuda.Event()
            self._event.record()

    def read(self) -> Any:
        """Return them as plain numbers, nested as the tensor was."""
        if self._event is not None:
            self._event.synchronize()
        return self._values.tolist()


@dataclass(frozen=True)
class BadStep:
    """A step whose loss was inf or nan.

    Attributes:
        at: where in the run it was.
        parts: names of the parts of the loss that are not finite; none where it was another process's.
        is_updated: whether the weights have been updated with it since.
    """

    at: Position
    parts: tuple[str, ...]
    is_updated: bool


class FiniteWatch:
    """Looks at the loss of every step.

    Args:
        processes: that train together: one bad loss is all of theirs.
        is_late: tell of a step when the next one is looked at, or when asked, whichever is first; not given: on a GPU.
    """

    def __init__(self, processes: Processes, *, is_late: bool | None = None) -> None:
        self.is_late = processes.device.type == "cuda" if is_late is None else is_late
        self._processes = processes
        self._seen: tuple[Position, Arriving, Mapping[str, Tensor]] | None = None

    @torch.no_grad()
    def observe(self, output: LossOutput, at: Position) -> BadStep | None:
        """Look at a loss that no update was made with yet; return the bad step, this one or where late the one before.

        Args:
            output: of the method.
            at: where the step is.
        """
        found = self.settle()
        flag = torch.isfinite(output.total).float()
        if self._processes.world_size > 1:
            distributed.all_reduce(flag, op=distributed.ReduceOp.MIN)
        parts = {name: value.detach() for name, value in output.parts.items()}
        self._seen = replace(at), Arriving(flag), parts
        if self.is_late:
            return found
        found = self.settle()
        return None if found is None else replace(found, is_updated=False)

    def settle(self) -> BadStep | None:
        """Return the last step that was looked at if it was bad and was not told yet. Waits for the device."""
        seen, self._seen = self._seen, None
        if seen is None:
            return None
        at, flag, parts = seen
        if flag.read():
            return None
        bad = tuple(name for name, value in parts.items() if not bool(torch.isfinite(value)))
        return BadStep(at, bad, is_updated=True)
