"""Supervised classification: fine-tuning of pre-trained encoders, or training from random weights beside it."""

import json
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, cast

import numpy as np
import torch
from torch import Tensor, nn

from coview.config.types import Count, Fraction, Positive
from coview.datasets.splits import few_of_each_class
from coview.datatypes import VideoEntry, ViewBatch
from coview.errors import UserError
from coview.methods.base import ClassificationHead, LossOutput, Method, Progress, Sizes, Stage
from coview.methods.dense_predictor import DensePredictor, build_predictors, encode_blocks

logger = logging.getLogger(__name__)

DROPOUT: Mapping[ClassificationHead, float] = {"features": 0.9, "context": 0.7}
"""Before the linear layer: ViCC's and CoCon's."""


@dataclass(frozen=True)
class ClassifySettings:
    """Settings of `classify`."""

    head: ClassificationHead = "features"
    """features: pooled encoder feature, dropout, linear layer (ViCC); context: the aggregation's state after the last
    block, pooled over its cells, dropout, linear layer (CoCon)."""
    classes: tuple[str, ...] = ()
    """Names of the classes; videos of others are left out. Not set: all that the training videos have."""
    labels: Positive | None = None
    """Training videos of each class, drawn at random; a class with fewer gives all it has. Not set: all videos."""
    draw: Count = 0
    """Which draw that is; a draw of more labels holds the same draw of fewer."""
    dropout: Fraction | None = None
    """Share of the feature that is zeroed before the linear layer. Not set: 0.9 for features, 0.7 for context."""
    context_dropout: Fraction = 0.1
    """context: share of the hidden state of the aggregation that is zeroed at each step, as in pre-training."""
    epochs: Positive = 100
    """Passes over the training videos, for each view."""


class Classifier(nn.Module):
    """Dropout -> linear layer; its class names are part of its weights.

    Args:
        feature_size: D.
        classes: C names, in the order of the scores.
        dropout: share of a feature that is zeroed.
    """

    def __init__(self, feature_size: int, classes: Sequence[str], *, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(feature_size, len(classes))
        self.register_buffer("names", torch.tensor(list(json.dumps(list(classes)).encode()), dtype=torch.uint8))

    def forward(self, features: Tensor) -> Tensor:
        """Map features (B, D) to scores before softmax (B, C), float32."""
        scores: Tensor = self.linear(self.dropout(features))
        return scores.float()


class Classify(Method):
    """Classification of each view by itself from labels, encoder and all (CoCon, section 4; ViCC, section 4.1).

    Each view has a classifier of its own, trained in a stage of its own, so that views can vote by the mean of their
    softmax. Everything below the linear layer learns, the aggregation g too. Begun with `start_from` a run it is
    fine-tuning; without, training from random weights, which is what fine-tuning has to beat.

    | symbol | here |
    |---|---|
    | f, g | `encoders.<view>`, `predictors.<view>.aggregate` |
    | F | g of the unit cells of f, after the last block |
    | dropout, linear | `classifiers.<view>` |

    Deviations: none of the papers says how the linear layer begins: as `nn.Linear` does. phi, which has no part in
    classification, stands idle in `predictors.<view>.predict`, so that g and phi load and save as one.
    """

    Settings: ClassVar[type[ClassifySettings]] = ClassifySettings

    def __init__(self, encoders: Mapping[str, nn.Module], *, num_blocks: int = 1, **settings: Any) -> None:
        super().__init__(encoders, num_blocks=num_blocks, **settings)
        own = self.settings
        if len(set(own.classes)) < max(2, len(own.classes)):
            given = ", ".join(own.classes) or "none"
            raise UserError(f"method.classes must name two different classes or more, got: {given}")
        self.classes, self.classification_head = tuple(own.classes), own.head
        self._places = {name: place for place, name in enumerate(self.classes)}
        self.predictors = nn.ModuleDict()
        if own.head == "context":
            self.predictors = build_predictors(encoders, predict_blocks=1, dropout=own.context_dropout)
        dropout = DROPOUT[own.head] if own.dropout is None else own.dropout
        self.classifiers = nn.ModuleDict(
            {view: Classifier(size, self.classes, dropout=dropout) for view, size in self.feature_sizes.items()}
        )

    @classmethod
    def select_videos(
        cls, settings: ClassifySettings, entries: Sequence[VideoEntry], *, seed: int
    ) -> tuple[VideoEntry, ...]:
        """Return the videos with a label of this run's classes, of each class as many as wanted.

        Raises:
            UserError: they have no label, or all have the same.
        """
        unlabelled = sum(entry.label is None for entry in entries)
        known = [entry for entry in entries if entry.label in (settings.classes or {e.label for e in entries})]
        chosen = [entry for entry in known if entry.label is not None]
        names, targets = np.unique([entry.label or "" for entry in chosen], return_inverse=True)
        if len(names) < 2:
            found = f"all {len(chosen)} are of class {str(names[0])!r}" if len(names) else "none has one"
            only = f" (of the classes {', '.join(settings.classes)})" if settings.classes else ""
            raise UserError(
                f"method classify learns from labels of two classes or more{only}, and of the {len(entries)} training "
                f"videos {found}; labels come from class folders or the lists given to coview prepare"
            )
        if unlabelled:
            logger.info("left out: %d of %d training videos without a label", unlabelled, len(entries))
        foreign = len(entries) - unlabelled - len(chosen)
        if foreign:
            logger.info("left out: %d of %d training videos of other classes", foreign, len(entries))
        if settings.labels is None:
            return tuple(chosen)
        kept = few_of_each_class(targets, settings.labels, seed=seed, draw=settings.draw)
        logger.info("labels: %d of %d training videos, draw %d", len(kept), len(chosen), settings.draw)
        return tuple(chosen[place] for place in kept)

    @classmethod
    def resolve_settings(cls, settings: ClassifySettings, sizes: Sizes) -> ClassifySettings:
        """Return the settings with the classes of the training videos where none were named."""
        return settings if settings.classes else replace(settings, classes=sizes.classes)

    def stages(self) -> tuple[Stage, ...]:
        """Return one stage a view, named after it."""
        return tuple(Stage(view, (view,), self._trainable(view), self.settings.epochs) for view in self.views)

    def _trainable(self, view: str) -> tuple[str, ...]:
        context = [f"predictors.{view}.aggregate"] if view in self.predictors else []
        return (f"encoders.{view}", *context, f"classifiers.{view}")

    def class_scores(self, view: str, clips: Tensor) -> Tensor:
        """Return scores before softmax (B, C) of clips (B, C, N*L, size, size) of one view."""
        scores: Tensor = self.classifiers[view](self._features(view, clips))
        return scores

    def _features(self, view: str, clips: Tensor) -> Tensor:
        """Return what the classifier of a view reads in clips (B, C, N*L, size, size): (B, D) float32."""
        blocks = encode_blocks(partial(self.encode, view), clips, num_blocks=self.num_blocks)  # (B, N, D, S, S)
        if view not in self.predictors:
            return blocks.mean(dim=(1, 3, 4))  # (B, D)
        contexts = cast(DensePredictor, self.predictors[view]).contexts(blocks)  # (B, N, S, S, D)
        return contexts[:, -1].mean(dim=(1, 2))  # (B, D)

    def forward(self, batch: ViewBatch | Mapping[str, Tensor], progress: Progress | None = None) -> LossOutput:
        """Return the cross-entropy of the stage's view; its clips are (B, 1, C, N*L, size, size), all labelled."""
        batch, progress = self.receive(batch, progress)
        (view,) = progress.stage.views
        clips = batch.clips[view][:, 0]
        targets = torch.tensor([self._places[str(label)] for label in batch.labels], device=clips.device)  # (B,)
        features = self._features(view, clips)
        scores: Tensor = self.classifiers[view](features)
        loss = nn.functional.cross_entropy(scores, targets)
        part = f"{view}/cross-entropy"
        return LossOutput(
            total=loss,
            parts={part: loss.detach()},
            chance_level={part: math.log(len(self.classes))},
            features={view: features.detach()},
            meters={f"{view}/top-1": (scores.argmax(dim=1) == targets).float().mean()},
        )
