"""What is done to the clips of one view, and doing it step by step: a batch at a time, on any device."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from coview.augmentation.operations import Operation
from coview.views.base import View
from coview.views.crop import Geometry


@dataclass(frozen=True)
class Changes:
    """The draws for n clips of one view.

    Attributes:
        geometry: one box and flip a clip.
        operations: each with what it drew, n a batch, one a clip; in the order in which they act.
    """

    geometry: Geometry
    operations: Sequence[tuple[Operation, Sequence[Any]]] = ()


def render_in_steps(view: View, raw: Tensor, frame_sizes: Tensor | None, changes: Changes, *, size: int) -> Tensor:
    """Crop, standardise and change, each step an operation on the whole batch.

    Args:
        view: whose clips these are.
        raw: (n, T, H, W, C) uint8, or keypoints, as `View.render` takes them, on the device that is to work.
        frame_sizes: (n, 2), or None for keypoints.
        changes: of each clip.
        size: side of the result in pixels.

    Returns:
        (n, T, size, size, C) float32.
    """
    clips = view.standardise(view.render(raw, frame_sizes, changes.geometry, size))
    return apply_operations(clips, changes.operations, view).movedim(1, -1)


def apply_operations(clips: Tensor, operations: Sequence[tuple[Operation, Sequence[Any]]], view: View) -> Tensor:
    """Apply operations, in their order, to a batch of one view.

    Args:
        clips: (n, C, T, size, size); may be changed in place.
        operations: each with what it drew for every clip.
        view: whose clips these are.
    """
    for operation, drawn in operations:
        clips = operation.apply_to_batch(clips, drawn, view=view)
    return clips
