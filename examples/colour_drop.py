r"""An augmentation of one's own: keep one colour of a clip and drop the others, so that hue alone gives nothing away.

    coview pretrain small --data data/mine --out runs/drop --plugin examples.colour_drop \
        --augment.operations '[{name: colour-drop, probability: 0.5}]'

In Python, import this file; then `ClipAugmentation(size=112, operations=[{"name": "colour-drop"}])`.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

import coview
from coview.augmentation.operations import Operation
from coview.config.types import Fraction
from coview.views import View


@dataclass(frozen=True)
class ColourDropSettings:
    """Settings of `colour-drop`."""

    probability: Fraction = 0.5
    """How often a clip loses two of its colours."""


@coview.register("augmentation", "colour-drop")
class ColourDrop(Operation):
    """Colour drop: one of red, green and blue takes the place of all three, in every frame of the clip."""

    Settings: ClassVar[type[Any]] = ColourDropSettings

    def concerns(self, view: View) -> bool:
        """Return whether the view is one of colours."""
        return view.is_colour

    def draw(self, generator: np.random.Generator, *, num_frames: int) -> int | None:
        """Return the channel that is kept; None: all are."""
        coin, channel = generator.random(), int(generator.integers(3))
        return channel if coin < self.settings.probability else None

    def apply(self, clip: Tensor, drawn: int | None, *, view: View) -> Tensor:
        """Put the kept channel of (C, T, size, size) in the place of all."""
        return clip if drawn is None else clip[drawn].expand_as(clip).clone()
