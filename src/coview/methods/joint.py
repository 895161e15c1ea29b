"""Joint contrast: all views learn at once, and every clip of a video, in any view, must find every other one."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, cast

from torch import Tensor, nn

from coview.config.types import Count, Fraction, Positive, PositiveFloat
from coview.datatypes import ViewBatch
from coview.encoders.heads import ProjectionHead
from coview.errors import UserError
from coview.methods.base import LossOutput, Method, Progress, Stage
from coview.methods.dense_predictor import (
    DensePredictor,
    average_time,
    build_predictors,
    check_predicted_blocks,
    pool_block_maps,
    score_prediction,
)
from coview.methods.leading_views import check_leading_views
from coview.methods.projected_clips import contrast_clips, project_clips
from coview.methods.teacher import TeacherSettings, TeacherTerm

TOGETHER = "together"


@dataclass(frozen=True)
class JointSettings(TeacherSettings):
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
    own_negatives: bool = True
    """Other videos are wrong answers as the asking view shows them, too. Where a view has one clip of a video
    and follows another view, these wrong answers have kept it from learning at all."""
    leading_views: tuple[str, ...] = ()
    """Views that the others follow and that follow none: their encoders learn from clips of their own alone. So a view
    that learns well by itself, as flow does, teaches a weaker one without becoming like it."""
    predict_blocks: Count = 0
    """P, how many of the last blocks of a clip each leading view predicts from those before, as `cpc` does; 0: none."""
    predict_temperature: PositiveFloat = 0.07
    """tau of that prediction."""
    predict_dropout: Fraction = 0.1
    """Share of the hidden state of its aggregation that is zeroed at each step."""


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
    (as in SimCLR, Chen et al. 2020; the pairs of views are those of CMC, Tian et al. 2020). The second sum is left out
    without `method.own_negatives`.

    A clip of N > 1 blocks is N questions: each block must find the same block of the other clip, among the blocks of
    other videos. Of pairs of two views, a leading view's encoder gets no gradient; it learns from pairs of its own
    clips, and with P > 0 from dense prediction: L + sum over leading views of L_cpc (`methods.cpc`, CoCon's eq. 1).
    Then features are pooled as there.

    | symbol | here |
    |---|---|
    | encoder, head | `encoders.<view>`, `heads.<view>` (linear, layer norm, ReLU, linear) |
    | z | `methods.projected_clips.project_clips` |
    | tau | `method.temperature` |
    | l | `losses.info_nce_loss`, with or without `own_negatives` |
    | M, N | `clip.clips_per_video`, `clip.num_blocks` |
    | P | `method.predict_blocks`, of `method.leading_views` |

    With a teacher f_t, frozen, that sees the clips of one view, each view's z also learns which other clips the teacher
    finds alike: L + weight * mean over views v, clips m and their blocks of
    `losses.similarity_distillation_loss(z^vm, f_t(x^m))`.
    That distils a large network into a small one, or lets it speak as one more view.

    The log has, beside each view's part of L, its uniformity, the alignment of the clips of a video (both Wang and
    Isola 2020), and how often a view's clip finds its video in another view's; the chance level is ln(1 + 2 N (B - 1)).
    """

    Settings: ClassVar[type[JointSettings]] = JointSettings
    settings: JointSettings
    clips_per_video: ClassVar[int | None] = None

    def __init__(self, encoders: Mapping[str, nn.Module], *, num_blocks: int = 1, **settings: Any) -> None:
        super().__init__(encoders, num_blocks=num_blocks, **settings)
        own = self.settings
        self._check_leading_views()
        self._teacher = TeacherTerm(own, self.views, temperature=own.temperature, num_blocks=num_blocks)
        self.heads = nn.ModuleDict(
            {
                view: ProjectionHead(width, own.projection_size, hidden_size=own.hidden_size, has_norm=True)
                for view, width in self.feature_sizes.items()
            }
        )
        predicting = {view: encoders[view] for view in own.leading_views if own.predict_blocks}
        self.predictors = build_predictors(predicting, predict_blocks=own.predict_blocks, dropout=own.predict_dropout)

    def stages(self) -> tuple[Stage, ...]:
        """Return the only stage, in which all views learn."""
        trainable = [f"{kind}.{view}" for view in self.views for kind in ("encoders", "heads")]
        trainable += [f"predictors.{view}" for view in self.predictors]
        return (Stage(TOGETHER, self.views, tuple(trainable), self.settings.epochs),)

    def forward(self, batch: ViewBatch | Mapping[str, Tensor], progress: Progress | None = None) -> LossOutput:
        """Return L and each view's part of it; clips of every view are (B, M, C, N*L, size, size).

        Raises:
            UserError: a single clip of a single view, or of a leading view that predicts nothing.
        """
        batch, progress = self.receive(batch, progress)
        self._check_that_leading_views_learn(batch)
        own = self.settings
        seen = project_clips(self, self.heads, batch, progress.stage.views, leading_views=own.leading_views)
        found = contrast_clips(self, seen, own_negatives=own.own_negatives, same_clip=own.same_clip_pairs)
        for view in self.predictors:
            found = self._add_prediction(found, view, seen.maps[view])
        students = {
            view: [
                block
                for clip in seen.clips
                if clip.view == view
                for block in clip.z.unflatten(0, (-1, self.num_blocks)).unbind(1)
            ]
            for view in seen.pooled
        }
        return self._teacher.add_to(found, students, batch, progress.stage)

    def pool(self, maps: Tensor) -> Tensor:  # type: ignore[override]
        """Turn feature maps (n, D, T', S, S) into features (n, D): means, or as `cpc` pools where views predict."""
        return pool_block_maps(maps) if self.predictors else super().pool(maps)

    def _add_prediction(self, found: LossOutput, view: str, maps: Tensor) -> LossOutput:
        """Add L_cpc of one view to the loss; its maps are (B*M*N, D, T', S, S)."""
        score = score_prediction(
            cast(DensePredictor, self.predictors[view]),
            average_time(maps, num_blocks=self.num_blocks),
            temperature=self.settings.predict_temperature,
        ).score
        return replace(
            found,
            total=found.total + score.loss,
            parts={**found.parts, f"{view}/cpc": score.loss.detach()},
            chance_level={**found.chance_level, f"{view}/cpc": score.chance_level},
            meters={**found.meters, f"{view}/accuracy": score.accuracy},
        )

    def _check_leading_views(self) -> None:
        own = self.settings
        check_leading_views(own.leading_views, self.views)
        if own.predict_blocks:
            check_predicted_blocks(num_blocks=self.num_blocks, predict_blocks=own.predict_blocks)
            if not own.leading_views:
                raise UserError(
                    f"method.predict_blocks is {own.predict_blocks} and method.leading_views is empty: leading views "
                    "predict; name one, or leave method.predict_blocks at 0"
                )

    def _check_that_leading_views_learn(self, batch: ViewBatch) -> None:
        for view in self.settings.leading_views:
            if view not in self.predictors and batch.clips[view].shape[1] < 2:
                raise UserError(
                    f"method.leading_views has {view!r}, whose single clip of a video has nothing to learn from; set "
                    "clip.clips_per_video to 2, or method.predict_blocks"
                )
