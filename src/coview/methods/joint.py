"""Joint contrast: all views learn at once, and every clip of a video, in any view, must find every other one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from coview.config.types import Positive, PositiveFloat
from coview.datatypes import ViewBatch
from coview.encoders.heads import ProjectionHead
from coview.methods.base import LossOutput, Method, Progress, Stage
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
        self._teacher = TeacherTerm(own, self.views, temperature=own.temperature)
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
        clips, pooled = project_clips(self, self.heads, batch, progress.stage.views)
        found = contrast_clips(self, clips, pooled, own_negatives=True, same_clip=self.settings.same_clip_pairs)
        students = {view: [clip.z for clip in clips if clip.view == view] for view in pooled}
        return self._teacher.add_to(found, students, batch, progress.stage)
