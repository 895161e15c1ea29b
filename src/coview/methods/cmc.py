"""Contrastive multiview coding: a clip in one view must find the same clip in every other view. Nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from coview.config.types import Positive, PositiveFloat
from coview.datatypes import ViewBatch
from coview.encoders.heads import ProjectionHead
from coview.errors import UserError
from coview.methods.base import LossOutput, Method, Progress, Stage
from coview.methods.projected_clips import contrast_clips, project_clips


@dataclass(frozen=True)
class CMCSettings:
    """Settings of `cmc`."""

    epochs: Positive = 100
    """Passes over the training videos."""
    temperature: PositiveFloat = 0.07
    """tau, the cosines are divided by it."""
    projection_size: Positive = 128
    """Size of z, what views are compared by."""


class CMC(Method):
    """Contrastive multiview coding (Tian et al. 2020) of two or more views, a baseline of CoCon (Table 6).

    The "full graph" of views: for each ordered pair, InfoNCE of one clip a video in one view with the same clip in the
    other. It is `joint` without pairs inside a view and without wrong answers from the asking view.

    | symbol | here |
    |---|---|
    | f, z | `encoders.<view>`, `heads.<view>` |
    | tau | `method.temperature` |

    Deviations: wrong answers are the other videos of the global batch in place of a memory bank; the mean over pairs
    of views in place of their sum; a head of two linear maps in place of one.
    """

    Settings: ClassVar[type[CMCSettings]] = CMCSettings
    settings: CMCSettings
    takes_blocks: ClassVar[bool] = False

    def __init__(self, encoders: Mapping[str, nn.Module], *, num_blocks: int = 1, **settings: Any) -> None:
        super().__init__(encoders, num_blocks=num_blocks, **settings)
        if len(self.views) < 2:
            raise UserError(f"method cmc needs at least two views, got {', '.join(self.views)}")
        size = self.settings.projection_size
        self.heads = nn.ModuleDict({view: ProjectionHead(width, size) for view, width in self.feature_sizes.items()})

    def stages(self) -> tuple[Stage, ...]:
        """Return the only stage, in which all views learn."""
        trainable = tuple(f"{kind}.{view}" for view in self.views for kind in ("encoders", "heads"))
        return (Stage("together", self.views, trainable, self.settings.epochs),)

    def forward(self, batch: ViewBatch | Mapping[str, Tensor], progress: Progress | None = None) -> LossOutput:
        """Return the mean InfoNCE of all ordered pairs of views; clips are (B, 1, C, T, size, size)."""
        batch, progress = self.receive(batch, progress)
        clips = project_clips(self, self.heads, batch, progress.stage.views)
        return contrast_clips(self, clips, own_negatives=False)
