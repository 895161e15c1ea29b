"""ViCC: what a clip is assigned to must be predicted by other clips of the video, then by the other stream too."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, ClassVar, cast

import torch
from einops import rearrange
from torch import Tensor, nn

from coview.datatypes import ViewBatch
from coview.encoders.base import Encoder
from coview.encoders.heads import ProjectedEncoder, ProjectionHead
from coview.errors import UserError
from coview.losses.global_batch import gather_with_gradient, mean_over_processes, rank, world_size
from coview.losses.sinkhorn import assignment_entropy, sinkhorn
from coview.losses.swapped_assignment import swapped_assignment_loss, swaps
from coview.methods.base import Limit, LossOutput, Method, Progress, Sizes, Stage
from coview.methods.feature_queue import FeatureQueue
from coview.methods.loss_slope import LossSlope
from coview.methods.prototypes import Prototypes
from coview.methods.teacher import TeacherTerm
from coview.methods.vicc_settings import PAPER_BATCH, ViCCSettings, resolve_settings

CLIPS = 2
LATEST_QUEUE_SHARE = 2 / 3
"""A queue that waits for the loss to slow down begins at this share of the stage at the latest."""
LIMITS = {
    "prototypes/used": Limit(
        "dead prototypes",
        "most prototypes have long been nearest to no clip; use fewer (method.prototypes), or let them learn later "
        "(method.frozen_prototypes_epochs)",
        low=0.3,
    ),
    "queue/steepness": Limit(
        "queue too early",
        "the loss was still falling fast when the queue began, so it holds outdated features; raise "
        "method.single_stream_queue_from or method.cross_stream_queue_from, or leave them out",
        high=0.5,
    ),
}


@dataclass(frozen=True)
class _Seen:
    """What one forward pass leaves for after the step: z of every view slot (slots, B, size), the loss, where."""

    features: Tensor
    loss: Tensor
    progress: Progress


class ViCC(Method):
    """Video cross-stream prototypical contrasting (Toering et al. 2022) of two views, "streams" in the paper.

    Two clips of a video are assigned to prototypes, all prototypes getting an equal share of the batch, and each clip
    must predict the other's assignment. Then one stream learns beside the other, frozen one: clips of both are
    assigned to the prototypes of the stream that learns, and each assignment is predicted by the three other clips.
    So rgb learns to group videos as flow does, and the reverse, in turns. With a teacher, z of the stream that learns
    also learns which other videos it finds alike (`methods.teacher.TeacherTerm`), in stages with clips of its view.

    | symbol | here |
    |---|---|
    | f_s | `encoders.<view>`, then `heads.<view>` |
    | C_s, K | `prototypes.<view>`, `method.prototypes` |
    | tau, epsilon | `method.temperature`, `method.epsilon` |
    | q | `losses.sinkhorn` of this batch and the queue |
    | l, L | `losses.swapped_assignment` |

    Deviations: eq. 8 as printed has a slip; terms are those of the pseudocode. Where Table 2 lets only t predict, the
    stream other than the assignment's predicts, since a frozen t alone would give the encoder no gradient. Batch
    statistics span all processes in place of the paper's batch shuffle (`method.shuffle_groups` for that).
    """

    Settings: ClassVar[type[ViCCSettings]] = ViCCSettings
    settings: ViCCSettings
    clips_per_video: ClassVar[int | None] = CLIPS
    takes_blocks: ClassVar[bool] = False

    def __init__(self, encoders: Mapping[str, nn.Module], *, num_blocks: int = 1, **settings: Any) -> None:
        super().__init__(encoders, num_blocks=num_blocks, **settings)
        self.settings = own = resolve_settings(self.settings, Sizes(PAPER_BATCH))
        _check(own, self.views)
        size, (count, length) = own.projection_size, (own.prototypes, own.queue)
        assert count is not None
        assert length is not None
        self._teacher = TeacherTerm(own, self.views, temperature=own.temperature)
        self.heads = nn.ModuleDict({view: ProjectionHead(width, size) for view, width in self.feature_sizes.items()})
        self.prototypes = nn.ModuleDict({view: Prototypes(count, size) for view in self.views})
        self.queue = FeatureQueue(CLIPS * len(self.views), length, size)
        self.slowdown = LossSlope()
        self._seen: list[_Seen] = []

    @classmethod
    def resolve_settings(cls, settings: ViCCSettings, sizes: Sizes) -> ViCCSettings:
        """Return the settings with K, Q and the epochs of frozen prototypes derived where they were not set."""
        return resolve_settings(settings, sizes)

    def stages(self) -> tuple[Stage, ...]:
        """Return a stage for each view alone, then `cycles` times one for each view beside the other, frozen one."""
        settings = self.settings
        frozen = settings.frozen_prototypes_epochs or 0
        stages = [
            Stage(view, (view,), self._trainable(view), settings.single_stream_epochs, {f"prototypes.{view}": frozen})
            for view in self.views
            if settings.single_stream_epochs > 0
        ]
        for cycle in range(1, settings.cycles + 1):
            for own in self.views:
                (other,) = (view for view in self.views if view != own)
                name, trainable = f"cycle{cycle}-{own}", self._trainable(own)
                stages.append(Stage(name, (own, other), trainable, settings.cross_stream_epochs))
        return tuple(stages)

    def _trainable(self, view: str) -> tuple[str, ...]:
        return tuple(f"{kind}.{view}" for kind in ("encoders", "heads", "prototypes"))

    def forward(self, batch: ViewBatch | Mapping[str, Tensor], progress: Progress | None = None) -> LossOutput:
        """Return the loss of the stage's first view, beside the second, frozen one in a cross-stream stage.

        Clips of every view are (B, 2, C, T, size, size).
        """
        batch, progress = self.receive(batch, progress)
        own, *others = progress.stage.views
        settings, prototypes = self.settings, cast(Prototypes, self.prototypes[own])
        pooled, features = self._learning_clips(own, batch.clips[own])
        for view in others:
            features = [*features, *self._frozen_clips(view, batch.clips[view])]
        streams = [view for view in (own, *others) for _ in range(CLIPS)]
        is_learning = self.encoders[own].training
        scores = [prototypes(z) for z in features]  # slots x (B, K)
        uses_queue = is_learning and progress.step > 0 and self.queue.filled > 0
        assignments = [
            sinkhorn(
                values.detach(),
                queue_scores=self._queue_scores(prototypes, slot) if uses_queue else None,
                epsilon=settings.epsilon,
                iterations=settings.sinkhorn_iterations,
            )
            for slot, values in enumerate(scores)
        ]
        options = {"predict_with": settings.predict_with, "assign_from": settings.assign_from} if others else {}
        who = swaps(streams, own=own, **options)
        loss = swapped_assignment_loss(scores, assignments, who, temperature=settings.temperature)
        if is_learning:
            self._keep(_Seen(torch.stack([z.detach() for z in features]), loss.detach(), progress))
        meters = self._meters(own, features, assignments)
        part = f"{own}/swapped"
        output = LossOutput(
            total=loss,
            parts={part: loss.detach()},
            chance_level={part: math.log(scores[0].shape[1])},
            features={own: pooled.detach()},
            meters=meters,
            limits={name: limit for name, limit in LIMITS.items() if name in meters},
        )
        return self._teacher.add_to(output, {own: features[:CLIPS]}, batch, progress.stage)

    def _learning_clips(self, view: str, clips: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Encode (B, 2, C, T, H, W) of the stream that learns: pooled features (2*B, D) and z of each clip (B, size).

        One clip after the other, so that no batch statistics are taken over both clips of a video.
        """
        pooled: list[Tensor] = []
        projected: list[Tensor] = []
        for number, clip in enumerate(clips.unbind(dim=1)):
            has_gradient = number == 0 or self.settings.second_clip_gradient
            with torch.set_grad_enabled(torch.is_grad_enabled() and has_gradient):
                pooled.append(self._pooled(view, clip))
                projected.append(self.heads[view](pooled[-1]))
        return torch.cat(pooled), projected

    def _pooled(self, view: str, clips: Tensor) -> Tensor:
        """Return pooled features (B, D) of clips (B, C, T, H, W), in shuffled groups where that is set."""
        groups = min(self.settings.shuffle_groups, len(clips))
        if groups == 1 or not self.encoders[view].training:
            return self._pool(view, clips)
        order = torch.randperm(len(clips)).to(clips.device)
        rows = torch.cat([self._pool(view, clips[group]) for group in order.chunk(groups)])
        return rows[order.argsort()]

    def _pool(self, view: str, clips: Tensor) -> Tensor:
        """Return pooled features (n, D) of clips (n, C, T, H, W)."""
        return self.encode(view, clips).float().mean(dim=(2, 3, 4))

    @torch.no_grad()
    def _frozen_clips(self, view: str, clips: Tensor) -> list[Tensor]:
        """Encode (B, 2, C, T, H, W) of the frozen stream: z of each clip, (B, size)."""
        if self.encoders[view].training:  # it would keep changing its statistics
            raise UserError(f"the encoder of {view} is frozen in this stage but in train mode; call begin_stage first")
        z: Tensor = self.heads[view](self._pool(view, rearrange(clips, "b m c t h w -> (b m) c t h w")))
        return list(rearrange(z, "(b m) d -> m b d", m=CLIPS).unbind())

    @torch.no_grad()
    def _queue_scores(self, prototypes: Prototypes, slot: int) -> Tensor:
        """Return the scores of this process's share of the queue with today's prototypes, (about Q/processes, K)."""
        scores: Tensor = prototypes(self.queue.rows(slot)[rank() :: world_size()])
        return scores

    @torch.no_grad()
    def _meters(self, own: str, features: Sequence[Tensor], assignments: Sequence[Tensor]) -> dict[str, Tensor]:
        """Return how prototypes are used, how sure assignments are and how far views agree."""
        hard = [q.argmax(dim=1) for q in assignments]
        meters = {
            "prototypes/used": cast(Prototypes, self.prototypes[own]).share_in_use(),
            "assignments/entropy": torch.stack([assignment_entropy(q) for q in assignments]).mean(),
            "assignments/agreement": torch.stack([(a == b).float().mean() for a, b in combinations(hard, 2)]).mean(),
            "clips/cosine": (features[0] * features[1]).sum(dim=1).mean(),
        }
        if len(features) > CLIPS:
            pairs = zip(features[:CLIPS], features[CLIPS:], strict=True)
            meters["streams/cosine"] = torch.stack([(a * b).sum(dim=1).mean() for a, b in pairs]).mean()
        if self.queue.has_begun:
            meters["queue/filled"] = features[0].new_tensor(self.queue.filled / self.queue.length)
            meters["queue/steepness"] = features[0].new_tensor(self.queue.steepness_at_start)
        return meters

    def _keep(self, seen: _Seen) -> None:
        """Keep what `after_step` needs; a batch in several parts gives several."""
        if self._seen and self._seen[0].progress != seen.progress:
            self._seen = []
        self._seen.append(seen)

    @torch.no_grad()
    def after_step(self) -> None:
        """Re-normalise the prototypes that learn, note which are in use, begin and advance the queue."""
        if not self._seen:
            return
        seen, self._seen = self._seen, []
        progress = seen[0].progress
        if progress.step == 0:
            self._start_stage()
        prototypes = cast(Prototypes, self.prototypes[progress.stage.views[0]])
        features = torch.cat([one.features for one in seen], dim=1)  # (slots, B, size)
        prototypes.note_nearest(prototypes(features[:CLIPS].flatten(0, 1)).argmax(dim=1))
        prototypes.renormalise()
        if self.queue.length == 0:
            return
        if not self.queue.has_begun:
            loss = mean_over_processes(torch.stack([one.loss for one in seen]).mean())
            self.slowdown.observe(loss, num_steps=progress.num_steps)
            if self._is_time_for_queue(progress):
                self.queue.begin(self.slowdown.steepness)
        if self.queue.has_begun:
            everyone = gather_with_gradient(features.transpose(0, 1).contiguous())  # (global B, slots, size)
            self.queue.push(everyone.transpose(0, 1))

    def _start_stage(self) -> None:
        self.queue.start_anew()
        self.slowdown.start_anew()
        for prototypes in self.prototypes.values():
            cast(Prototypes, prototypes).idle.zero_()

    def _is_time_for_queue(self, progress: Progress) -> bool:
        """Whether the queue of this stage shall begin: at its epoch, or when the loss has done its rapid fall."""
        own, *others = progress.stage.views
        settings = self.settings
        epoch = settings.cross_stream_queue_from if others else settings.single_stream_queue_from.get(own)
        if epoch is not None:
            return progress.epoch >= epoch
        return self.slowdown.has_slowed or progress.step >= LATEST_QUEUE_SHARE * progress.num_steps

    def projected(self, view: str) -> Encoder:
        """Return a view's encoder with its projection head on top: what is compared with prototypes."""
        return ProjectedEncoder(cast(Encoder, self.encoders[view]), cast(ProjectionHead, self.heads[view]))

    def prototype_cosines(self, view: str, projected: Tensor) -> Tensor:
        """Return the cosines of z (n, size) with each of a view's prototypes: (n, K)."""
        cosines: Tensor = self.prototypes[view](projected)
        return cosines


def _check(settings: ViCCSettings, views: Sequence[str]) -> None:
    """Raise UserError unless views and stages suit ViCC."""
    named = ", ".join(views)
    if len(views) > 2 or (len(views) < 2 and settings.cycles > 0):
        raise UserError(f"method vicc needs two views, or one with method.cycles 0; got {named}")
    if settings.single_stream_epochs == settings.cycles == 0:
        raise UserError("method.single_stream_epochs and method.cycles are both 0: nothing would be trained")
    foreign = [view for view in settings.single_stream_queue_from if view not in views]
    if foreign:
        raise UserError(f"method.single_stream_queue_from names {', '.join(foreign)}; the views are {named}")
