"""Random erasing: a box of the clip is gone in every frame."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from coview.augmentation.operations import Operation
from coview.config.types import Fraction
from coview.views.base import View


@dataclass(frozen=True)
class EraseSettings:
    """Settings of `erase`."""

    probability: Fraction = 0.5
    """How often a box is erased."""
    area: tuple[Fraction, Fraction] = (0.02, 0.2)
    """Share of the picture's area that the box covers, least and most."""


class Erase(Operation):
    """Random erasing: a square box of the picture, the same in all frames and views, becomes 0 (Zhong et al. 2020)."""

    Settings: ClassVar[type[Any]] = EraseSettings

    def draw(self, generator: np.random.Generator, *, num_frames: int) -> tuple[float, float, float] | None:
        """Return left, top and side of the box as fractions of the picture; None: nothing is erased."""
        coin, area, x, y = generator.random(4)
        least, most = self.settings.area
        side = float(np.sqrt(least + (most - least) * area))
        if coin >= self.settings.probability:
            return None
        return float(x * (1 - side)), float(y * (1 - side)), side

    def apply(self, clip: Tensor, drawn: tuple[float, float, float] | None, *, view: View) -> Tensor:
        """Set the box of (C, T, size, size) to 0, the mean of the normalised values."""
        if drawn is not None:
            left, top, side = (round(share * clip.shape[-1]) for share in drawn)
            clip[..., top : top + side, left : left + side] = 0
        return clip
