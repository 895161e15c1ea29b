"""Operations beyond crop, flip, colour and blur: each draws once a clip and is applied to every view it concerns."""

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from coview.config import AugmentSettings, parse
from coview.config.types import Fraction
from coview.errors import UserError
from coview.registry import Registry


class Operation(abc.ABC):
    """A random change to the encoder's input. Final classes are rows of `AUGMENTATIONS`.

    Args:
        settings: an instance of the class's `Settings`.
    """

    Settings: ClassVar[type[Any]]
    """Frozen dataclass of its settings; every field has a default and a line of meaning."""

    def __init__(self, settings: Any) -> None:
        self.settings = settings

    def concerns(self, view: str) -> bool:
        """Return whether the operation touches a view; by default it touches all."""
        return True

    @abc.abstractmethod
    def draw(self, generator: np.random.Generator, *, num_frames: int) -> Any:
        """Draw what happens to one clip, the same for all its views; always the same number of draws.

        Args:
            generator: depends on the seed, the epoch, the video and the clip alone.
            num_frames: T.
        """

    @abc.abstractmethod
    def apply(self, clip: Tensor, drawn: Any, *, view: str) -> Tensor:
        """Change one clip of one view.

        Args:
            clip: (C, T, size, size) float32, normalised around 0, on the model's device; may be changed in place.
            drawn: what `draw` returned for this clip.
            view: its name.

        Returns:
            The changed clip, of the same shape.
        """


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

    def apply(self, clip: Tensor, drawn: tuple[float, float, float] | None, *, view: str) -> Tensor:
        """Set the box of (C, T, size, size) to 0, the mean of the normalised values."""
        if drawn is not None:
            left, top, side = (round(share * clip.shape[-1]) for share in drawn)
            clip[..., top : top + side, left : left + side] = 0
        return clip


AUGMENTATIONS: Registry[type[Operation]] = Registry("augmentation", {"erase": "coview.augmentation.operations:Erase"})


def build_operations(settings: AugmentSettings) -> tuple[Operation, ...]:
    """Build the further operations that settings name.

    Raises:
        UserError: one without a name, an unknown one, or a setting that it does not have.
    """
    operations = []
    for place, given in enumerate(settings.operations):
        options = dict(given)
        name = options.pop("name", None)
        if not isinstance(name, str):
            raise UserError(f"augment.operations[{place}] has no name; name one of: {', '.join(AUGMENTATIONS)}")
        kind = AUGMENTATIONS.load(name)
        source = f"augmentation {name}"
        operations.append(kind(parse(kind.Settings, options, source=source, prefix=f"augment.operations[{place}].")))
    return tuple(operations)


def apply_operations(
    clips: Mapping[str, Tensor],
    operations: Sequence[Operation],
    generators: Sequence[np.random.Generator],
    *,
    num_frames: int,
) -> dict[str, Tensor]:
    """Apply operations, in their order, to a batch.

    Args:
        clips: view name -> (B, M, C, T, size, size).
        operations: what to do.
        generators: B*M, one a clip.
        num_frames: T.
    """
    changed = dict(clips)
    for operation in operations:
        drawn = [operation.draw(generator, num_frames=num_frames) for generator in generators]
        for view, batch in changed.items():
            if operation.concerns(view):
                flat = batch.flatten(0, 1)
                for place, one in enumerate(drawn):
                    flat[place] = operation.apply(flat[place], one, view=view)
                changed[view] = flat.view_as(batch)
    return changed
