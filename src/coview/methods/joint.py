"""Joint contrast: all views learn at once, and every clip of a video, in any view, must find every other one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from coview.config.types import Positive, PositiveFloat
from coview.datatypes import ViewBatch
from coview.encoders.heads import ProjectionHead
from coview.errors import UserError
from coview.losses.distillation import similarity_distillation_loss
from coview.methods.base import LossOutput, Method, Progress, Stage
from coview.methods.projected_clips import ProjectedClip, contrast_clips, contrast_pairs, project_clips
from coview.methods.teacher import FrozenTeacher

TOGETHER = "together"


@dataclass(frozen=True)
class JointSettings:
    """Settings of `joint`."""

    epochs: Positive = 100
    """Passes over the training videos."""
    temperature: PositiveFloat = 0.1
    """tau, the cosines are divided by it."""
    hidden_size: Positive = 256
    """Width of the projection heads in between."""
    projection_size: Positive = 128
    """Size of z, what clips are compared by."""
    same_clip_pairs: bool = True
    """Two views of one and the same clip are a pair, too. Without them, views meet across time alone, and what both
    show at one moment, as a pose or a place in the picture, is no way to find each other."""
    teacher: str | None = None
    """A frozen network that teaches every view: folder of a pretrained one (transformers' layout) or a file of
    `Run.save_encoder`. Read while the run is trained, never when it is opened."""
    teacher_view: str = "rgb"
    """The view whose clips the teacher sees."""
    teacher_weight: PositiveFloat = 1.0
    """Of the teacher's part in the loss, beside 1 for the views among themselves."""
    teacher_temperature: PositiveFloat = 0.1
    """tau_t, the teacher's cosines are divided by it."""


class Joint(Method):
    """Joint contrast of any number of views, with any number of clips a video (at least two clips in all).

    CoCon and ViCC let views teach each other in turns: views learn alone first, and in ViCC one then stands still
    while the other learns. Here there is one stage, nothing is frozen, and both pulls act at once: clips of different
    times tie what a view sees of a video together, clips of different views tie what the views see of it together.
    With (v, m) a view and one of its M clips, z = unit(head_v(mean of encoder_v(clip))), and i, k videos of the
    global batch::

        s(a, b) = a . b / tau
        l(v m -> w n) = -mean_i ln( exp s(z_i^vm, z_i^wn)
                                    / (sum_k exp s(z_i^vm, z_k^wn) + sum_{k != i} exp s(z_i^vm, z_k^vm)) )
        L = mean over all ordered pairs (v, m) != (w, n) of l; over those of m != n without `method.same_clip_pairs`

    So wrong answers are the other videos, as the answering clip's view shows them and as the asking clip's own does
    (as in SimCLR, Chen et al. 2020; the pairs of views are those of CMC, Tian et al. 2020).

    | symbol | here |
    |---|---|
    | encoder, head | `encoders.<view>`, `heads.<view>` (linear, layer norm, ReLU, linear) |
    | z | `methods.projected_clips.project_clips` |
    | tau | `method.temperature` |
    | l | `losses.info_nce_loss` with `own_negatives` |
    | M | `clip.clips_per_video` |

    With a teacher f_t, frozen, that sees the clips of one view, each view's z also learns which other clips the teacher
    finds alike: L + weight * mean over views v and clips m of `losses.similarity_distillation_loss(z^vm, f_t(x^m))`.
    That distils a large network into a small one, or lets it speak as one more view.

    The log has, beside each view's part of L, its uniformity, the alignment of the clips of a video (both Wang and
    Isola 2020), and how often a view's clip finds its video in another view's; the chance level is ln(2B - 1).
    """

    Settings: ClassVar[type[JointSettings]] = JointSettings
    settings: JointSettings
    clips_per_video: ClassVar[int | None] = None
    takes_blocks: ClassVar[bool] = False

    def __init__(self, encoders: Mapping[str, nn.Module], *, num_blocks: int = 1, **settings: Any) -> None:
        super().__init__(encoders, num_blocks=num_blocks, **settings)
        own = self.settings
        if own.teacher is not None and own.teacher_view not in self.views:
            raise UserError(f"teacher_view is {own.teacher_view!r}, expected one of: {', '.join(self.views)}")
        self._teacher = None if own.teacher is None else FrozenTeacher(own.teacher)
        self.heads = nn.ModuleDict(
            {
                view: ProjectionHead(width, own.projection_size, hidden_size=own.hidden_size, has_norm=True)
                for view, width in self.feature_sizes.items()
            }
        )

    def stages(self) -> tuple[Stage, ...]:
        """Return the only stage, in which all views learn."""
        trainable = tuple(f"{kind}.{view}" for view in self.views for kind in ("encoders", "heads"))
        return (Stage(TOGETHER, self.views, trainable, self.settings.epochs),)

    def forward(self, batch: ViewBatch | Mapping[str, Tensor], progress: Progress | None = None) -> LossOutput:
        """Return L and each view's part of it; clips of every view are (B, M, C, T, size, size).

        Raises:
            UserError: a single clip of a single view.
        """
        batch, progress = self.receive(batch, progress)
        views = progress.stage.views
        if self._teacher is None:
            return contrast_pairs(
                self, self.heads, batch, views, own_negatives=True, same_clip=self.settings.same_clip_pairs
            )
        clips, pooled = project_clips(self, self.heads, batch, views)
        found = contrast_clips(self, clips, pooled, own_negatives=True, same_clip=self.settings.same_clip_pairs)
        return self._with_teacher(found, clips, batch)

    def _with_teacher(self, output: LossOutput, clips: Sequence[ProjectedClip], batch: ViewBatch) -> LossOutput:
        """Add what the teacher asks of every clip."""
        assert self._teacher is not None
        own = self.settings
        seen = batch.clips[own.teacher_view]
        guides = self._teacher.features(seen.flatten(0, 1)).unflatten(0, seen.shape[:2])  # (B, M, E)
        losses: dict[str, list[Tensor]] = {}
        for clip in clips:
            loss = similarity_distillation_loss(
                clip.z,
                guides[:, min(clip.number, guides.shape[1] - 1)],
                temperature=own.temperature,
                teacher_temperature=own.teacher_temperature,
            )
            losses.setdefault(clip.view, []).append(loss)
        means = {view: torch.stack(found).mean() for view, found in losses.items()}
        taught = torch.stack(list(means.values())).mean()
        parts = {f"{view}/teacher": loss.detach() for view, loss in means.items()}
        return replace(output, total=output.total + own.teacher_weight * taught, parts={**output.parts, **parts})
