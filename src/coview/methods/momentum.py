"""Momentum contrast, the part that `infonce` and `coclr` share: slow copies that give keys, and queues of old keys."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from coview.losses.global_batch import gather_with_gradient
from coview.methods.base import Method, Progress
from coview.methods.feature_queue import FeatureQueue


class MomentumCopy(nn.Module):
    """A copy of an encoder and its head that follows them slowly (He et al. 2020, MoCo). Always in eval mode.

    Args:
        encoder: f.
        head: maps pooled features to z.
    """

    def __init__(self, encoder: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.encoder, self.head = copy.deepcopy(encoder), copy.deepcopy(head)
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> "MomentumCopy":
        """Stay in eval mode, so that keys have no statistics of their batch that would give a pair away."""
        return super().train(False)

    @torch.no_grad()
    def follow(self, encoder: nn.Module, head: nn.Module, *, momentum: float) -> None:
        """Become momentum * itself + (1 - momentum) * the original; buffers are copied."""
        for own, original in ((self.encoder, encoder), (self.head, head)):
            for mine, its in zip(own.parameters(), original.parameters(), strict=True):
                mine.data.lerp_(its.data, 1 - momentum)
            for kept, given in zip(own.buffers(), original.buffers(), strict=True):
                kept.copy_(given)

    @torch.no_grad()
    def keys(self, method: Method, clips: Tensor) -> Tensor:
        """Return z (n, size) of clips (n, C, T, H, W), unit, without gradient."""
        z: Tensor = self.head(method.pool(method.encode_with(self.encoder, clips)))
        return z


@dataclass(frozen=True)
class _Seen:
    """What a forward pass leaves for after the step: rows (B, slots, size) to be queued, where in the run."""

    rows: Tensor
    progress: Progress


class KeyQueue(nn.Module):
    """A `FeatureQueue` of one stage: what forward passes see is kept, and queued once the step is done.

    Args:
        slots: rows of a video that belong together.
        length: Q.
        size: of a row.
    """

    def __init__(self, slots: int, length: int, size: int) -> None:
        super().__init__()
        self.queue = FeatureQueue(slots, length, size)
        self._seen: list[_Seen] = []

    def rows(self, progress: Progress) -> Tensor:
        """Return what is queued, (slots, filled, size); nothing at the first step of a stage."""
        filled = self.queue.filled if progress.step > 0 else 0
        return self.queue.features[:, :filled].clone()

    def is_full(self, progress: Progress) -> bool:
        """Whether the queue holds all it can."""
        return progress.step > 0 and self.queue.filled == self.queue.length

    def note(self, rows: Sequence[Tensor], progress: Progress) -> None:
        """Keep one row a slot of each video, (B, size) each, until the step is done; a batch may come in parts."""
        if self._seen and self._seen[0].progress != progress:
            self._seen = []
        self._seen.append(_Seen(torch.stack([row.detach().float() for row in rows], dim=1), progress))

    @torch.no_grad()
    def advance(self) -> Progress | None:
        """Queue what was noted, of all processes; return where in the run that was, None where nothing was noted."""
        if not self._seen:
            return None
        seen, self._seen = self._seen, []
        progress = seen[0].progress
        if progress.step == 0:
            self.queue.start_anew()
        everyone = gather_with_gradient(torch.cat([one.rows for one in seen]))  # (global B, slots, size)
        self.queue.push(everyone.transpose(0, 1))
        return progress


@torch.no_grad()
def follow_after_step(
    copies: nn.ModuleDict, method: Method, heads: nn.ModuleDict, progress: Progress, *, momentum: float
) -> None:
    """Let the copy of the view that learns follow; after a stage's first step it takes all, as weights may be new."""
    view = progress.stage.views[0]
    kept = momentum if progress.step > 0 else 0.0
    cast(MomentumCopy, copies[view]).follow(method.encoders[view], heads[view], momentum=kept)
