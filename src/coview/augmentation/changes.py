"""What is done to the clips of one view, and doing it step by step: a batch at a time, on any device."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from coview.augmentation.blur import blur
from coview.augmentation.colour import apply_colours
from coview.datatypes import check_shape
from coview.views.base import View
from coview.views.crop import Geometry


@dataclass(frozen=True)
class Changes:
    """The draws for n clips of one view.

    Attributes:
        geometry: one box and flip a clip.
        colours: (matrices, lifts), (n, T, 3, 3) and (n, T), as `draw_colours` gives them; None: colours stay.
        sigmas: n, standard deviation of each clip's blur in pixels; 0: no blur.
    """

    geometry: Geometry
    colours: tuple[Tensor, Tensor] | None
    sigmas: Sequence[float]

    def __post_init__(self) -> None:
        count = len(self.sigmas)
        check_shape("geometry.flips", self.geometry.flips, count)
        if self.colours is not None:
            matrices, lifts = self.colours
            check_shape("matrices", matrices, count, None, 3, 3)
            check_shape("lifts", lifts, count, matrices.shape[1])


def in_steps(view: View, raw: Tensor, frame_sizes: Tensor | None, changes: Changes, *, size: int) -> Tensor:
    """Crop, recolour, blur and standardise, each step an operation on the whole batch.

    Args:
        view: whose clips these are.
        raw: (n, T, H, W, C) uint8, or keypoints, as `View.render` takes them, on the device that is to work.
        frame_sizes: (n, 2), or None for keypoints.
        changes: of each clip.
        size: side of the result in pixels.

    Returns:
        (n, T, size, size, C) float32.
    """
    clips = view.render(raw, frame_sizes, changes.geometry, size)
    if changes.colours is not None:
        clips = apply_colours(clips, *changes.colours)
    if any(changes.sigmas):
        pairs = zip(clips, changes.sigmas, strict=True)
        clips = torch.stack([blur(clip, sigma) if sigma else clip for clip, sigma in pairs])
    return view.standardise(clips).movedim(1, -1)
