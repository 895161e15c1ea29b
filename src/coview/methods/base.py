"""The contract between a method and the trainer: views, encoders, stages(), forward, after_step. Nothing else."""

import abc
import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from coview.config import RunConfig, parse
from coview.datatypes import VideoEntry, ViewBatch

ClassificationHead = Literal["features", "context"]
"""features: the encoder's pooled feature; context: that of an aggregation over the blocks of a clip."""


@dataclass(frozen=True)
class Stage:
    """One stretch of training, with its own optimiser and learning-rate schedule.

    Attributes:
        name: unique in the run, fit for a file name ("rgb", "together", "cycle1-flow").
        views: the views whose clips this stage needs.
        trainable: dotted name of a submodule of the method, as `get_submodule` takes it ("encoders.rgb") -> factor on
            the learning rate. Every other parameter is frozen, and its module in eval mode, for the length of the
            stage.
        epochs: passes over the training videos.
        frozen_epochs: name in `trainable` -> epochs at the start of the stage in which it stays frozen all the same.
    """

    name: str
    views: tuple[str, ...]
    trainable: Mapping[str, float]
    epochs: int
    frozen_epochs: Mapping[str, int] = field(default_factory=dict)

    @property
    def trained_views(self) -> tuple[str, ...]:
        """The views whose encoders learn in this stage."""
        return tuple(view for view in self.views if f"encoders.{view}" in self.trainable)

    def learning(self, epoch: int) -> tuple[str, ...]:
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
        num_steps: optimiser steps of the whole stage.
    """

    stage: Stage
    stage_index: int
    epoch: int
    step: int
    num_steps: int


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
    """What a forward pass gives the trainer.

    Attributes:
        total: scalar float32, the loss to descend.
        parts: name -> detached scalar, the terms of the total, for the log and to name a non-finite one.
        uninformative: part name -> its value when scores say nothing (the ln of the number of candidates).
        features: name -> (n, D) detached features of this batch, for the health meters.
        meters: name -> detached scalar, anything else worth a line in the log.
        limits: name of a meter -> within which bounds it is sound.
    """

    total: Tensor
    parts: Mapping[str, Tensor]
    uninformative: Mapping[str, float] = field(default_factory=dict)
    features: Mapping[str, Tensor] = field(default_factory=dict)
    meters: Mapping[str, Tensor] = field(default_factory=dict)
    limits: Mapping[str, Limit] = field(default_factory=dict)


class Method(nn.Module, abc.ABC):
    """An objective over views.

    A subclass is built as `Method(settings, config, channels)`: its own settings, the run's, and the channels of
    each view as they enter the encoders.
    """

    Settings: ClassVar[type[Any]]
    """Frozen dataclass of the method's own settings, every field with a default and a line of meaning."""

    views: tuple[str, ...]
    encoders: nn.ModuleDict
    """View name -> `coview.encoders.Encoder`."""
    classification_head: ClassificationHead = "features"
    """What a fine-tuned classifier of its encoders reads; see `coview.methods.classify`."""

    @classmethod
    def learnable(cls, settings: Any, entries: Sequence[VideoEntry], *, seed: int) -> tuple[VideoEntry, ...]:
        """Return those of the training videos that the method can learn from, in their order; by default all.

        Args:
            settings: the method's own.
            entries: ready training videos.
            seed: of the run, for a method that draws some of them.

        Raises:
            UserError: there is nothing to learn from.
        """
        return tuple(entries)

    @classmethod
    def settled(cls, settings: Any, sizes: Sizes) -> Any:
        """Return the settings with those that were not set derived from the run's sizes; by default as they are."""
        return settings

    @abc.abstractmethod
    def stages(self) -> tuple[Stage, ...]:
        """Return the stages of the whole run, in order."""

    @abc.abstractmethod
    def forward(self, batch: ViewBatch, progress: Progress) -> LossOutput:
        """Return the loss of one batch. Under several processes the batch is this process's part of the global one."""

    @staticmethod
    def pool(maps: Tensor) -> Tensor:
        """Turn feature maps (n, D, T', S, S) into the features (n, D) that videos are compared by: here their means.

        A method whose loss sees maps in another way pools them in that way.
        """
        return maps.float().mean(dim=(2, 3, 4))  # (n, D)

    def after_step(self) -> None:
        """Do what follows an optimiser step (re-normalise prototypes, advance a queue); nothing by default."""


def reached_views(stages: Sequence[Stage], stage_index: int) -> tuple[str, ...]:
    """Return the views whose encoders a run has begun to train when it stands in this stage."""
    return tuple(dict.fromkeys(view for stage in stages[: stage_index + 1] for view in stage.trained_views))


def build_method(config: RunConfig, channels: Mapping[str, int]) -> Method:
    """Build the method a run asks for, with random weights from torch's current generator.

    Args:
        config: the run.
        channels: view name -> channels as they enter the encoder.

    Raises:
        UserError: unknown method, or a setting it does not have.
    """
    kind, settings = _method_of(config)
    return kind(settings, config, channels)


def settled_method(config: RunConfig, sizes: Sizes) -> dict[str, Any]:
    """Return `config.method` with the settings that were not set and the method derives; what was set is kept.

    Raises:
        UserError: as `build_method`.
    """
    kind, settings = _method_of(config)
    settled = kind.settled(settings, sizes)
    fields = (f.name for f in dataclasses.fields(settled))
    derived = {name: getattr(settled, name) for name in fields if getattr(settled, name) != getattr(settings, name)}
    return {**config.method, **derived}


def learnable_videos(config: RunConfig, entries: Sequence[VideoEntry]) -> tuple[VideoEntry, ...]:
    """Return the training videos that the method of a run can learn from.

    Raises:
        UserError: as `build_method`; or there is nothing to learn from.
    """
    kind, settings = _method_of(config)
    return kind.learnable(settings, entries, seed=config.seed)


def _method_of(config: RunConfig) -> tuple[type[Method], Any]:
    """Return the class of the method a run asks for and its settings."""
    from coview.methods import METHODS

    given = dict(config.method)
    kind = METHODS.load(str(given.pop("name", "")))
    return kind, parse(kind.Settings, given, source=f"method {config.method.get('name')}", prefix="method.")
