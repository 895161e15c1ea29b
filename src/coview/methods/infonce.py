"""InfoNCE of one view with a momentum encoder and a queue of old keys: the instance baseline."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn

from coview.config.types import Fraction, Positive, PositiveFloat
from coview.datatypes import ViewBatch
from coview.encoders.heads import ProjectionHead
from coview.losses.global_batch import world_size
from coview.losses.info_nce import info_nce_loss
from coview.methods.base import LossOutput, Method, Progress, Sizes, Stage
from coview.methods.momentum import KeyQueue, MomentumCopy, follow_after_step

QUEUE = 2048
"""Q where there are videos enough (CoCLR's, which trains InfoNCE so)."""


@dataclass(frozen=True)
class InfoNCESettings:
    """Settings of `infonce`."""

    epochs: Positive = 300
    """Passes over the training videos, of each view."""
    temperature: PositiveFloat = 0.07
    """tau, the cosines are divided by it."""
    projection_size: Positive = 128
    """Size of z, what clips are compared by."""
    momentum: Fraction = 0.999
    """How much of itself the key encoder keeps in a step; runs of few steps need less."""
    queue: Positive | None = None
    """Q, old keys that are wrong answers. Not set: 2048, at most half the training videos."""


class InfoNCE(Method):
    """InfoNCE of each view by itself, as momentum contrast (He et al. 2020): ViCC's eq. 1 and baseline of Table 1.

    A clip must find another clip of its video, seen by a slowly following copy of the encoder, among the other videos
    of the batch and a queue of old ones. One stage a view.

    | symbol | here |
    |---|---|
    | f, z_i | `encoders.<view>`, `heads.<view>`, the first clip |
    | z_j | `copies.<view>`, the second clip |
    | tau, Q, m | `method.temperature`, `method.queue`, `method.momentum` |

    Deviations: the other keys of the batch are wrong answers beside the queue; keys are normalised by the running
    statistics of the copy, so that no shuffling of batches is needed.
    """

    Settings: ClassVar[type[InfoNCESettings]] = InfoNCESettings
    settings: InfoNCESettings
    clips_per_video: ClassVar[int | None] = 2
    takes_blocks: ClassVar[bool] = False

    def __init__(self, encoders: Mapping[str, nn.Module], *, num_blocks: int = 1, **settings: Any) -> None:
        super().__init__(encoders, num_blocks=num_blocks, **settings)
        self.settings = own = self.resolve_settings(self.settings, Sizes(batch_size=1))
        assert own.queue is not None
        size = own.projection_size
        self.heads = nn.ModuleDict({view: ProjectionHead(width, size) for view, width in self.feature_sizes.items()})
        self.copies = nn.ModuleDict({view: MomentumCopy(self.encoders[view], self.heads[view]) for view in self.views})
        self.queue = KeyQueue(1, own.queue, size)

    @classmethod
    def resolve_settings(cls, settings: InfoNCESettings, sizes: Sizes) -> InfoNCESettings:
        """Return the settings with Q derived where it was not set."""
        return replace(settings, queue=settings.queue or queue_length(sizes))

    def stages(self) -> tuple[Stage, ...]:
        """Return a stage for each view by itself."""
        return tuple(
            Stage(view, (view,), (f"encoders.{view}", f"heads.{view}"), self.settings.epochs) for view in self.views
        )

    def forward(self, batch: ViewBatch | Mapping[str, Tensor], progress: Progress | None = None) -> LossOutput:
        """Return the loss of the stage's view; its clips are (B, 2, C, T, size, size)."""
        batch, progress = self.receive(batch, progress)
        (view,) = progress.stage.views
        is_learning = self.encoders[view].training
        clips = batch.clips[view]
        pooled = self.pool(self.encode(view, clips[:, 0]))  # (B, D)
        queries = self.heads[view](pooled)
        keys = cast(MomentumCopy, self.copies[view]).keys(self, clips[:, 1])
        (old,) = self.queue.rows(progress)  # (filled, size)
        loss = info_nce_loss(queries, keys, temperature=self.settings.temperature, extra_keys=old)
        if is_learning:
            self.queue.note([keys], progress)
        part = f"{view}/info-nce"
        return LossOutput(
            total=loss,
            parts={part: loss.detach()},
            chance_level={part: math.log(len(keys) * world_size() + len(old))},
            features={view: pooled.detach()},
            meters={"clips/cosine": (queries * keys).sum(dim=1).mean().detach()},
        )

    @torch.no_grad()
    def after_step(self) -> None:
        """Let the copy of the stage's encoder follow, and queue the keys."""
        progress = self.queue.advance()
        if progress is not None:
            follow_after_step(self.copies, self, self.heads, progress, momentum=self.settings.momentum)


def queue_length(sizes: Sizes) -> int:
    """Return Q: 2048, at most half the videos, so that few keys of the queue are of the video that asks."""
    return QUEUE if sizes.num_videos is None else max(1, min(QUEUE, sizes.num_videos // 2))
