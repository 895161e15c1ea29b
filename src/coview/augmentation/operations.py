"""One list of augmentations: each operation draws once a clip and is applied to every view that it concerns.

Crop and flip come first and are not in the list: they decide which pixels of a stored picture are read, and every
view mirrors itself in its own way (`coview.views.base.View.render`).
"""

import abc
from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from coview.config import AugmentSettings, parse
from coview.errors import UserError
from coview.registry import Registry
from coview.views.base import View


class Operation(abc.ABC):
    """A random change to the encoder's input. Final classes are rows of `AUGMENTATIONS`.

    Args:
        settings: an instance of the class's `Settings`.
    """

    Settings: ClassVar[type[Any]]
    """Frozen dataclass of its settings; every field has a default and a line of meaning."""

    def __init__(self, settings: Any) -> None:
        self.settings = settings

    def concerns(self, view: View) -> bool:
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
    def apply(self, clip: Tensor, drawn: Any, *, view: View) -> Tensor:
        """Change one clip of one view.

        Args:
            clip: (C, T, size, size) float32, normalised around 0 as `view.scale` says, on the model's device; may be
                changed in place.
            drawn: what `draw` returned for this clip.
            view: whose clip it is.

        Returns:
            The changed clip, of the same shape.
        """

    def apply_to_batch(self, clips: Tensor, drawn: Sequence[Any], *, view: View) -> Tensor:
        """Change a batch of clips, one after the other where a class knows no faster way.

        Args:
            clips: (n, C, T, size, size), as for `apply`; may be changed in place.
            drawn: n, one a clip.
            view: whose clips these are.
        """
        for clip, one in zip(clips, drawn, strict=True):
            clip.copy_(self.apply(clip, one, view=view))
        return clips


AUGMENTATIONS: Registry[type[Operation]] = Registry(
    "augmentation",
    {
        "colour": "coview.augmentation.colour:Colour",
        "blur": "coview.augmentation.blur:Blur",
        "erase": "coview.augmentation.erase:Erase",
    },
)
BUILT_IN = ("colour", "blur")
"""The operations whose settings are fields of `AugmentSettings`, in the order in which they act."""


def build_operations(settings: AugmentSettings) -> tuple[Operation, ...]:
    """Build colour, blur and the further operations that settings name, in the order in which they draw and act.

    Raises:
        UserError: one without a name, an unknown one, or a setting that it does not have.
    """
    return (*_built_in(settings), *_further(settings))


def _built_in(settings: AugmentSettings) -> Iterator[Operation]:
    for name in BUILT_IN:
        kind = AUGMENTATIONS.load(name)
        yield kind(kind.Settings(**{one.name: getattr(settings, one.name) for one in fields(kind.Settings)}))


def _further(settings: AugmentSettings) -> Iterator[Operation]:
    for place, given in enumerate(settings.operations):
        options = dict(given)
        name = options.pop("name", None)
        if not isinstance(name, str):
            raise UserError(f"augment.operations[{place}] has no name; name one of: {', '.join(AUGMENTATIONS)}")
        kind = AUGMENTATIONS.load(name)
        source = f"augmentation {name}"
        yield kind(parse(kind.Settings, options, source=source, prefix=f"augment.operations[{place}]."))
