"""CoCLR: what is near a video in the other view counts as the same, by turns."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn

from coview.config.types import Count, Positive
from coview.datatypes import ViewBatch
from coview.errors import UserError
from coview.losses.global_batch import world_size
from coview.losses.info_nce import info_nce_loss
from coview.methods.base import LossOutput, Progress, Stage
from coview.methods.momentum import KeyQueue, MomentumCopy, MomentumMethod, MomentumSettings


@dataclass(frozen=True)
class CoCLRSettings(MomentumSettings):
    """Settings of `coclr`."""

    single_view_epochs: Count = 300
    """Passes of the first stages, each view by itself with InfoNCE; 0: none, for runs that start from `infonce`."""
    cycles: Positive = 2
    """How often each view then learns from the other."""
    cross_view_epochs: Positive = 100
    """Passes of each of those stages."""
    positives: Positive = 5
    """k, queued videos nearest in the other view that are right answers."""


class CoCLR(MomentumMethod):
    """Co-training of two views (Han et al. 2020, CoCLR), what ViCC is compared with.

    After InfoNCE in each view, one view learns while the other stands still, in turns. Right answers are another clip
    of the video, queued clips of the same video, and the k queued videos that the other view finds nearest.

    | symbol | here |
    |---|---|
    | f1, f2 | `encoders.<view>`, then `heads.<view>` |
    | k, Q, m | `method.positives`, `method.queue`, `method.momentum` |
    | P, eq. 3 | `losses.info_nce_loss` with `extra_positives` |

    Deviations: as in `infonce`. Positives are mined once the queue is full.
    """

    Settings: ClassVar[type[CoCLRSettings]] = CoCLRSettings
    settings: CoCLRSettings

    def __init__(self, encoders: Mapping[str, nn.Module], *, num_blocks: int = 1, **settings: Any) -> None:
        super().__init__(encoders, num_blocks=num_blocks, **settings)
        if len(self.views) != 2:
            raise UserError(f"method coclr needs two views, got {', '.join(self.views)}")
        self.queue = KeyQueue(
            2, self.queue_length, self.settings.projection_size + 1
        )  # own key, other view's z; each with the video's number

    def stages(self) -> tuple[Stage, ...]:
        """Return a stage for each view alone, then `cycles` times one for each view beside the other, frozen one."""
        own = self.settings
        stages = [Stage(view, (view,), self._trainable(view), own.single_view_epochs) for view in self.views]
        for cycle in range(1, own.cycles + 1):
            for view, other in (self.views, self.views[::-1]):
                name = f"cycle{cycle}-{view}"
                stages.append(Stage(name, (view, other), self._trainable(view), own.cross_view_epochs))
        return tuple(stage for stage in stages if stage.epochs > 0)

    def _trainable(self, view: str) -> tuple[str, ...]:
        return (f"encoders.{view}", f"heads.{view}")

    def forward(self, batch: ViewBatch | Mapping[str, Tensor], progress: Progress | None = None) -> LossOutput:
        """Return the loss of the stage's first view; clips of every view are (B, 2, C, T, size, size)."""
        batch, progress = self.receive(batch, progress)
        view, *others = progress.stage.views
        is_learning = self.encoders[view].training
        clips = batch.clips[view]
        pooled = self.pool(self.encode(view, clips[:, 0]))  # (B, D)
        queries = self.heads[view](pooled)
        keys = cast(MomentumCopy, self.copies[view]).keys(self, clips[:, 1])
        seen_by = self._seen_by_other(others[0], batch) if others else torch.zeros_like(keys)
        videos = batch.entry_indices.to(keys.device)
        old, old_seen = self.queue.rows(progress)  # (filled, size + 1) each
        positives = self._positives(videos, seen_by, old, old_seen, mines=bool(others) and self.queue.is_full(progress))
        loss = info_nce_loss(
            queries,
            keys,
            temperature=self.settings.temperature,
            extra_keys=old[:, :-1],
            extra_positives=positives if others else None,
        )
        if is_learning:
            number = videos[:, None].float()  # exact up to 2^24 videos
            self.queue.note([torch.cat([rows, number], dim=1) for rows in (keys, seen_by)], progress)
        part = f"{view}/info-nce"
        return LossOutput(
            total=loss,
            parts={part: loss.detach()},
            chance_level={} if others else {part: math.log(len(keys) * world_size() + len(old))},
            features={view: pooled.detach()},
            meters={
                "clips/cosine": (queries * keys).sum(dim=1).mean().detach(),
                "positives/mined": positives.float().sum(dim=1).mean(),
            },
        )

    @torch.no_grad()
    def _seen_by_other(self, other: str, batch: ViewBatch) -> Tensor:
        """Return z (B, size) of the other, frozen view for the clips that give keys."""
        if self.encoders[other].training:  # it would keep changing its statistics
            raise UserError(f"the encoder of {other} is frozen in this stage but in train mode; call begin_stage first")
        z: Tensor = self.heads[other](self.pool(self.encode(other, batch.clips[other][:, 1])))
        return z

    @torch.no_grad()
    def _positives(self, videos: Tensor, seen_by: Tensor, old: Tensor, old_seen: Tensor, *, mines: bool) -> Tensor:
        """Return which queued keys are right answers, (B, filled) bool.

        Args:
            videos: (B,) numbers.
            seen_by: (B, size), the videos in the other view.
            old: (filled, size + 1), queued keys and the numbers of their videos.
            old_seen: (filled, size + 1), the same in the other view.
            mines: add the k nearest of other videos in the other view.
        """
        is_same = videos[:, None] == old[:, -1].long()  # (B, filled)
        if not mines:
            return is_same
        near = (seen_by @ old_seen[:, :-1].T).masked_fill(is_same, -torch.inf)
        nearest = near.topk(min(self.settings.positives, near.shape[1]), dim=1).indices
        return is_same.scatter(1, nearest, True)
