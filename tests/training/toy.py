"""A method and a feed small enough to train in milliseconds, with dropout, batch norm and two stages."""

import dataclasses
from collections.abc import Generator, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from coview.datatypes import ViewBatch, random_generator
from coview.encoders import Encoder
from coview.methods import LossOutput, Method, Progress, Stage


@dataclass(frozen=True)
class ToySettings:
    """None."""

    epochs: int = 2
    explode_at: int = -1


class ToyEncoder(Encoder):
    """One convolution with batch norm and dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.in_channels, self.feature_size = 2, 8
        self.layers = nn.Sequential(nn.Conv3d(2, 8, 1), nn.BatchNorm3d(8), nn.ReLU(), nn.Dropout(0.2))

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        return self.layers(clips)


class ToyMethod(Method):
    """Pulls the mean feature of each view towards the mean of its clip; stage "b" trains b alone, then both."""

    Settings = ToySettings

    def __init__(self, settings: ToySettings = ToySettings()) -> None:  # noqa: B008
        super().__init__({"a": ToyEncoder(), "b": ToyEncoder()}, **dataclasses.asdict(settings))
        self.num_after_steps = 0

    def stages(self) -> tuple[Stage, ...]:
        return (
            Stage("b", ("b",), ("encoders.b",), self.settings.epochs),
            Stage("both", ("a", "b"), ("encoders.a", "encoders.b"), self.settings.epochs),
        )

    def forward(self, batch: ViewBatch, progress: Progress) -> LossOutput:
        parts = {}
        for view in progress.stage.views:
            clips = batch.clips[view][:, 0]
            parts[f"{view}/error"] = (
                (self.encoders[view].pooled(clips) - clips.mean(dim=(1, 2, 3, 4))[:, None]).square().mean()
            )
        total = torch.stack(list(parts.values())).sum()
        if progress.step == self.settings.explode_at:
            total = total * float("nan")
            parts = {name: value * float("nan") for name, value in parts.items()}
        return LossOutput(total, {name: value.detach() for name, value in parts.items()})

    def after_step(self) -> None:
        self.num_after_steps += 1


class ToyFeed:
    """Four batches of six videos an epoch, each a function of (epoch, step)."""

    steps_per_epoch = 4

    def __init__(self, *, num_validation: int = 1, rank: int = 0, world_size: int = 1) -> None:
        self.num_validation, self.rank, self.world_size = num_validation, rank, world_size

    def _batch(self, views: Sequence[str], *keys: int) -> ViewBatch:
        draw = random_generator(*keys)
        clips = {view: torch.from_numpy(draw.normal(size=(6, 1, 2, 3, 4, 4)).astype("float32")) for view in ("a", "b")}
        part = slice(self.rank * 6 // self.world_size, (self.rank + 1) * 6 // self.world_size)
        return ViewBatch({view: clips[view][part] for view in views}, torch.arange(6)[part])

    def training(self, views: Sequence[str], *, epoch: int, first_step: int) -> Generator[ViewBatch]:
        for step in range(first_step, self.steps_per_epoch):
            yield self._batch(views, 1, epoch, step)

    def validation(self, views: Sequence[str]) -> Generator[ViewBatch]:
        for step in range(self.num_validation):
            yield self._batch(views, 2, 0, step)
