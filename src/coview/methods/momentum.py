"""Momentum contrast, the part that `infonce` and `coclr` share: slow copies that give keys, and queues of old keys."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn

from coview.config.types import Fraction, Positive, PositiveFloat
from coview.encoders.heads import ProjectionHead
from coview.losses.global_batch import gather_with_gradient
from coview.methods.base import Method, Progress, Sizes
from coview.methods.feature_queue import FeatureQueue

QUEUE = 2048
"""Q where there are videos enough (CoCLR's, which trains InfoNCE so)."""


class MomentumCopy(nn.Module):
    """A copy of an encoder and its head that follows them slowly (He et al. 2020, MoCo). Always in eval mode.

    Encoders may get other weights after a method was built (`start_from`): let the copy `follow` with momentum 0 at the
    first step of a stage.

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
        """Return z (n, size) of clips (n, C, T, H, W), without gradient; of unit length where the head's output is."""
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


@dataclass(frozen=True)
class MomentumSettings:
    """What the methods with slow copies have in common."""

    temperature: PositiveFloat = 0.07
    """tau, the cosines are divided by it."""
    projection_size: Positive = 128
    """Size of z, what clips are compared by."""
    momentum: Fraction = 0.999
    """How much of itself the key encoder keeps in a step; runs of few steps need less."""
    queue: Positive | None = None
    """Q, old keys that are compared with. Not set: 2048, at most half the training videos."""


class MomentumMethod(Method):
    """A method that compares clips with the keys of slow copies and with a queue of old ones.

    Attributes:
        heads: view name -> projection head.
        copies: view name -> `MomentumCopy` of encoder and head.
        queue_length: Q.
        queue: what forward passes note and `after_step` queues; a subclass makes it, with its slots.
    """

    settings: MomentumSettings
    queue: KeyQueue
    clips_per_video: ClassVar[int | None] = 2
    takes_blocks: ClassVar[bool] = False

    def __init__(self, encoders: Mapping[str, nn.Module], *, num_blocks: int = 1, **settings: Any) -> None:
        super().__init__(encoders, num_blocks=num_blocks, **settings)
        self.settings = own = self.resolve_settings(self.settings, Sizes(batch_size=1))
        assert own.queue is not None
        self.queue_length: int = own.queue
        size = own.projection_size
        self.heads = nn.ModuleDict({view: ProjectionHead(width, size) for view, width in self.feature_sizes.items()})
        self.copies = nn.ModuleDict({view: MomentumCopy(self.encoders[view], self.heads[view]) for view in self.views})

    @classmethod
    def resolve_settings(cls, settings: Any, sizes: Sizes) -> Any:
        """Return the settings with Q derived where it was not set, so that few of its keys are of the asking video."""
        length = QUEUE if sizes.num_videos is None else max(1, min(QUEUE, sizes.num_videos // 2))
        return replace(settings, queue=settings.queue or length)

    @torch.no_grad()
    def after_step(self) -> None:
        """Queue the keys, and let the copy of the view that learns follow; at a stage's first step it takes all."""
        progress = self.queue.advance()
        if progress is not None:
            view = progress.stage.views[0]
            kept = self.settings.momentum if progress.step > 0 else 0.0
            copied = cast(MomentumCopy, self.copies[view])
            copied.follow(self.encoders[view], self.heads[view], momentum=kept)
