"""What the loop is fed: augmented batches of one epoch from any step on, and the validation batches."""

from collections.abc import Generator, Sequence
from typing import Protocol

from coview.datatypes import ViewBatch


class Feed(Protocol):
    """Batches for the trainer, always this process's part of the global batch."""

    @property
    def steps_per_epoch(self) -> int:
        """Global batches in an epoch."""

    def training(self, views: Sequence[str], *, epoch: int, first_step: int) -> Generator[ViewBatch]:
        """Yield the batches of an epoch from `first_step` on; the same ones however often it is asked."""

    def validation(self, views: Sequence[str]) -> Generator[ViewBatch]:
        """Yield the held-out batches, every time the same."""
