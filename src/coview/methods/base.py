"""The contract between a method and whoever trains it: encoders, stages(), forward, after_step. Nothing else."""

import abc
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from coview.config.parsing import parse
from coview.datatypes import VideoEntry, ViewBatch
from coview.encoders.base import Encoder
from coview.errors import UserError
from coview.wording import counted

ClassificationHead = Literal["features", "context"]
"""features: the encoder's pooled feature; context: that of an aggregation over the blocks of a clip."""


@dataclass(frozen=True)
class Stage:
    """One stretch of training, with its own optimiser and learning-rate schedule.

    Attributes:
        name: unique in the run, fit for a file name ("rgb", "together", "cycle1-flow").
        views: the views whose clips this stage needs.
        trainable: dotted names of the submodules of the method that learn ("encoders.rgb"), as `get_submodule` takes
            them; `<kind>.<view>`, so that a view can have a learning rate of its own. Every other parameter is
            frozen, and its module in eval mode, for the length of the stage.
        epochs: passes over the training videos.
        frozen_epochs: name in `trainable` -> epochs at the start of the stage in which it stays frozen all the same.
    """

    name: str
    views: tuple[str, ...]
    trainable: tuple[str, ...]
    epochs: int
    frozen_epochs: Mapping[str, int] = field(default_factory=dict)

    @property
    def trained_views(self) -> tuple[str, ...]:
        """The views whose encoders learn in this stage."""
        return tuple(view for view in self.views if f"encoders.{view}" in self.trainable)

    def trainable_at(self, epoch: int) -> tuple[str, ...]:
        """Return the names in `trainable` that learn in an epoch of this stage."""
        return tuple(name for name in self.trainable if epoch >= self.frozen_epochs.get(name, 0))


@dataclass(frozen=True)
class Progress:
    """Where in the run a step is; counts start at 0.

    Attributes:
        stage: the stage.
        stage_index: its place in `stages()`.
        epoch: epoch within the stage.
        step: optimiser step within the stage.
        num_steps: optimiser steps of the whole stage; 0 where nobody knows.
    """

    stage: Stage
    stage_index: int = 0
    epoch: int = 0
    step: int = 0
    num_steps: int = 0


@dataclass(frozen=True)
class Limit:
    """Bounds within which a meter is sound; out of them for a while, the run gives a named warning.

    Attributes:
        name: of the warning, two or three words ("dead prototypes").
        advice: what is wrong and what to do, the rest of the sentence.
        low: least sound value.
        high: largest sound value.
    """

    name: str
    advice: str
    low: float = -math.inf
    high: float = math.inf


@dataclass(frozen=True)
class Sizes:
    """What a method may derive settings from that were not set.

    Attributes:
        batch_size: videos in the global batch.
        num_videos: to train on; None where that is not known.
        classes: names of the classes of the training videos, sorted; none where nothing is labelled.
    """

    batch_size: int
    num_videos: int | None = None
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class LossOutput:
    """What a forward pass gives.

    Attributes:
        total: scalar float32, the loss to descend.
        parts: name -> detached scalar, the terms of the total, for the log and to name a non-finite one.
        chance_level: part name -> its value when scores say nothing (the ln of the number of candidates).
        features: name -> (n, D) detached features of this batch, for the health meters.
        meters: name -> detached scalar, anything else worth a line in the log; see `MetersOnDemand`.
        limits: name of a meter -> within which bounds it is sound.
    """

    total: Tensor
    parts: Mapping[str, Tensor]
    chance_level: Mapping[str, float] = field(default_factory=dict)
    features: Mapping[str, Tensor] = field(default_factory=dict)
    meters: Mapping[str, Tensor] = field(default_factory=dict)
    limits: Mapping[str, Limit] = field(default_factory=dict)


class MetersOnDemand(Mapping[str, Tensor]):
    """Meters that are computed when they are read, which is at the steps that go into the log.

    Args:
        meters: name -> how to compute it, without a collective and from tensors that later steps leave alone.
    """

    def __init__(self, meters: Mapping[str, Callable[[], Tensor]]) -> None:
        self._meters = dict(meters)

    def __getitem__(self, name: str) -> Tensor:
        return self._meters[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._meters)

    def __len__(self) -> int:
        return len(self._meters)


def encode_at_once(encoder: nn.Module, clips: Tensor) -> Tensor:
    """Return the feature maps of clips (n, C, T, H, W), all in one call."""
    maps: Tensor = encoder(clips)
    return maps


class Method(nn.Module, abc.ABC):
    """An objective over views: a module built from encoders that turns clips into a loss, in anybody's loop.

    A subclass gives `Settings`, `stages` and `forward`, and where it needs them `after_step`, `pool`,
    `resolve_settings` and `select_videos`. Its `forward` begins with `receive` and encodes by `encode`, so that the
    trainer can encode in chunks. All that later steps depend on is in its state dict. It knows nothing of run
    configs, folders or the trainer; see examples/own_loop.py and examples/simclr.py.

    Example:
        method = CoCon({"rgb": tiny3d(), "flow": tiny3d(in_channels=2)}, num_blocks=4)
        for stage in method.stages():
            method.begin_stage(stage)
            optimiser = torch.optim.Adam(p for p in method.parameters() if p.requires_grad)
            for clips in batches:  # view -> (B, C, T, H, W) float32
                method(clips).total.backward()
                optimiser.step()
                optimiser.zero_grad()
                method.after_step()

    Args:
        encoders: view name -> `coview.encoders.Encoder`, or any module that maps clips (n, C, T, H, W) to feature maps
            (n, D, T', S, S) and tells its D as `feature_size`.
        num_blocks: N, the blocks that make a clip, for methods that take clips apart.
        settings: fields of the subclass's `Settings`.

    Attributes:
        settings: an instance of `Settings`.
        views: names, in the order of `encoders`.
        encoders: view name -> encoder; what an encoder learns is saved under `encoders.<view>`.
        feature_sizes: view name -> D.

    Raises:
        UserError: an unknown setting, a value out of range, or views that do not suit the method.
    """

    Settings: ClassVar[type[Any]]
    """Frozen dataclass of the method's own settings, every field with a default and a line of meaning."""
    clips_per_video: ClassVar[int | None] = 1
    """M that it needs; None: any."""
    takes_blocks: ClassVar[bool] = True
    """Whether a clip may be several blocks."""
    classification_head: ClassificationHead = "features"
    """What a fine-tuned classifier of its encoders reads; see `coview.methods.classify`."""

    def __init__(self, encoders: Mapping[str, nn.Module], *, num_blocks: int = 1, **settings: Any) -> None:
        super().__init__()
        if not isinstance(encoders, Mapping) or not encoders:
            raise UserError(
                f"{type(self).__name__} takes encoders as view name -> module, such as "
                f"{{'rgb': tiny3d()}}; got {type(encoders).__name__}"
            )
        self.settings = parse(self.Settings, settings, source=type(self).__name__)
        self.views = tuple(encoders)
        self.encoders = nn.ModuleDict(encoders)
        self.feature_sizes = {view: int(encoder.feature_size) for view, encoder in encoders.items()}  # type: ignore[arg-type]
        self.num_blocks = num_blocks
        self.encode_with: Callable[[nn.Module, Tensor], Tensor] = encode_at_once
        self._own_progress: Progress | None = None

    @classmethod
    def select_videos(cls, settings: Any, entries: Sequence[VideoEntry], *, seed: int) -> Sequence[VideoEntry]:
        """Return those of the training videos that the method can learn from, in their order; by default all.

        Args:
            settings: the method's own.
            entries: ready training videos.
            seed: of the run, for a method that draws some of them.

        Raises:
            UserError: there is nothing to learn from.
        """
        return entries

    @classmethod
    def resolve_settings(cls, settings: Any, sizes: Sizes) -> Any:
        """Return the settings with those that were not set derived from the run's sizes; by default as they are."""
        return settings

    @abc.abstractmethod
    def stages(self) -> tuple[Stage, ...]:
        """Return the stages of the whole run, in order."""

    @abc.abstractmethod
    def forward(self, batch: ViewBatch | Mapping[str, Tensor], progress: Progress | None = None) -> LossOutput:
        """Return the loss of one batch. Under several processes the batch is this process's part of the global one.

        Args:
            batch: view name -> clips (B, C, T, size, size) or, with M clips a video, (B, M, C, T, size, size), float
                and normalised around 0; or the same as a `ViewBatch`.
            progress: where in the run the step is; not given: in the stage that `begin_stage` began, else the last.
        """

    @staticmethod
    def pool(maps: Tensor) -> Tensor:
        """Turn feature maps (n, D, T', S, S) into the features (n, D) that videos are compared by: here their means.

        A method whose loss sees maps in another way pools them in that way.
        """
        return maps.float().mean(dim=(2, 3, 4))  # (n, D)

    def after_step(self) -> None:
        """Do what follows an optimiser step (re-normalise prototypes, advance a queue); nothing by default."""

    def encode(self, view: str, clips: Tensor) -> Tensor:
        """Return the feature maps (n, D, T', S, S) of one view's clips (n, C, T, H, W)."""
        return self.encode_with(self.encoders[view], clips)

    def begin_stage(self, stage: Stage | str, *, num_steps: int = 0) -> None:
        """Make a stage the one that calls without `progress` are in: let its submodules learn, freeze the others.

        Args:
            stage: one of `stages()`, or its name.
            num_steps: optimiser steps it will have, for what depends on that; 0: unknown.
        """
        stages = self.stages()
        names = [one.name for one in stages]
        name = stage if isinstance(stage, str) else stage.name
        if name not in names:
            raise UserError(f"{type(self).__name__} has no stage {name!r}; it has: {', '.join(names)}")
        index = names.index(name)
        freeze_all_but(self, stages[index].trainable)
        self._own_progress = Progress(stages[index], index, step=-1, num_steps=num_steps)

    def receive(self, batch: ViewBatch | Mapping[str, Tensor], progress: Progress | None) -> tuple[ViewBatch, Progress]:
        """Return what a forward pass was given as a `ViewBatch` and a `Progress`; each call without one is a step.

        Raises:
            UserError: clips of a view of the stage are missing, have other channels than its encoder takes, or are not
                as many a video as the method takes.
        """
        if not isinstance(batch, ViewBatch):
            batch = ViewBatch.of(batch)
        if progress is None:
            if self._own_progress is None:
                stages = self.stages()
                self._own_progress = Progress(stages[-1], len(stages) - 1, step=-1)
            before = self._own_progress
            step = max(0, before.step + int(torch.is_grad_enabled()))
            progress = self._own_progress = Progress(
                before.stage, before.stage_index, before.epoch, step, before.num_steps
            )
        missing = [view for view in progress.stage.views if view not in batch.clips]
        if missing:
            raise UserError(
                f"stage {progress.stage.name!r} of {type(self).__name__} needs clips of {', '.join(missing)}; "
                f"the batch has {', '.join(batch.clips) or 'none'}"
            )
        for view in progress.stage.views:
            channels = getattr(self.encoders[view], "in_channels", None)
            if channels is not None and batch.clips[view].shape[2] != channels:
                raise UserError(
                    f"clips of {view} have {batch.clips[view].shape[2]} channels, its encoder takes {channels}"
                )
            shape, wanted = tuple(batch.clips[view].shape), self.clips_per_video
            if wanted is not None and shape[1] != wanted:
                raise UserError(
                    f"{type(self).__name__} takes {counted(wanted, 'clip')} of a video: clips of {view} must be "
                    f"(B, {wanted}, C, T, size, size), got {shape}"
                )
        return batch, progress


def freeze_all_but(method: nn.Module, trainable: Iterable[str]) -> None:
    """Let only the named submodules learn: the rest gets no gradient and runs in eval mode.

    Eval mode matters as much as the gradient: a frozen encoder in train mode keeps changing its running statistics.
    """
    method.requires_grad_(False)
    method.eval()
    for name in trainable:
        module = method.get_submodule(name)
        module.requires_grad_(True)
        module.train()


def freeze_layers(method: nn.Module, count: int) -> None:
    """Let the first `count` layers of every encoder stand still, in eval mode: a whole encoder where it has no more."""
    if count == 0:
        return
    for encoder in getattr(method, "encoders", nn.ModuleDict()).children():
        layers = encoder.layers_in_order() if isinstance(encoder, Encoder) else tuple(encoder.children())
        still = (encoder,) if count >= len(layers) else layers[:count]
        for layer in still:
            layer.requires_grad_(False)
            layer.eval()


def reached_views(stages: Sequence[Stage], stage_index: int) -> tuple[str, ...]:
    """Return the views whose encoders a run has begun to train when it stands in this stage."""
    return tuple(dict.fromkeys(view for stage in stages[: stage_index + 1] for view in stage.trained_views))
