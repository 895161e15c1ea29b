"""InfoNCE of one view with a momentum encoder and a queue of old keys: the instance baseline."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from torch import Tensor, nn

from coview.config.types import Positive
from coview.datatypes import ViewBatch
from coview.losses.global_batch import world_size
from coview.losses.info_nce import info_nce_loss
from coview.methods.base import LossOutput, Progress, Stage
from coview.methods.momentum import KeyQueue, MomentumCopy, MomentumMethod, MomentumSettings


@dataclass(frozen=True)
class InfoNCESettings(MomentumSettings):
    """Settings of `infonce`."""

    epochs: Positive = 300
    """Passes over the training videos, of each view."""


class InfoNCE(MomentumMethod):
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

    def __init__(self, encoders: Mapping[str, nn.Module], *, num_blocks: int = 1, **settings: Any) -> None:
        super().__init__(encoders, num_blocks=num_blocks, **settings)
        self.queue = KeyQueue(1, self.queue_length, self.settings.projection_size)

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
