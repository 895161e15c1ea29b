"""A method of one's own: SimCLR (Chen et al. 2020) on clips, with InfoNCE, for one view or several side by side.

    coview pretrain examples/simclr.yaml --data data/mine --out runs/simclr --plugin examples.simclr

In Python, import this file; then `coview.pretrain("examples/simclr.yaml", data="data/mine", out="runs/simclr")`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

import coview
from coview.config import Positive, PositiveFloat
from coview.datatypes import ViewBatch
from coview.encoders import ProjectionHead
from coview.losses import InfoNCELoss
from coview.methods import LossOutput, Method, Progress, Stage


@dataclass(frozen=True)
class SimCLRSettings:
    """Settings of `simclr`."""

    temperature: PositiveFloat = 0.1
    """tau, the cosines are divided by it."""
    projection_size: Positive = 128
    """Size of z, the output of the projection head."""
    epochs: Positive = 100
    """Passes over the training videos."""


@coview.register("method", "simclr")
class SimCLR(Method):
    """SimCLR: a clip must find the other clip of its video among all clips of the batch, in each view by itself."""

    Settings: ClassVar[type[SimCLRSettings]] = SimCLRSettings
    clips_per_video: ClassVar[int | None] = 2
    takes_blocks: ClassVar[bool] = False

    def __init__(self, encoders: Mapping[str, nn.Module], *, num_blocks: int = 1, **settings: Any) -> None:
        super().__init__(encoders, num_blocks=num_blocks, **settings)
        size = self.settings.projection_size
        self.heads = nn.ModuleDict({view: ProjectionHead(width, size) for view, width in self.feature_sizes.items()})
        self.loss = InfoNCELoss(temperature=self.settings.temperature, own_negatives=True)

    def stages(self) -> tuple[Stage, ...]:
        """Return the only stage, in which all views learn."""
        trainable = tuple(f"{kind}.{view}" for kind in ("encoders", "heads") for view in self.views)
        return (Stage("together", self.views, trainable, self.settings.epochs),)

    def forward(self, batch: ViewBatch | Mapping[str, Tensor], progress: Progress | None = None) -> LossOutput:
        """Return the mean InfoNCE of the views; clips of every view are (B, 2, C, T, size, size)."""
        batch, progress = self.receive(batch, progress)
        losses, features = {}, {}
        for view in progress.stage.views:
            pooled = self.pool(self.encode(view, batch.clips[view].flatten(0, 1)))  # (B*2, D)
            z = self.heads[view](pooled).unflatten(0, (-1, 2))  # (B, 2, projection_size)
            losses[f"{view}/info-nce"] = self.loss(z[:, 0], z[:, 1])
            features[view] = z[:, 0].detach()
        return LossOutput(
            total=torch.stack(list(losses.values())).mean(),
            parts={name: loss.detach() for name, loss in losses.items()},
            chance_level=dict.fromkeys(losses, math.log(2 * batch.num_videos - 1)),  # that of one process
            features=features,
        )
