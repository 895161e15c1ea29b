"""Crop, colour and blur on a CPU in one pass over each clip, several clips at a time; equal to doing it in steps.

What the passes have in common is linear, so they are reordered: standardising comes before the blur, whose weights
sum to 1, and mirroring is a matter of the order in which columns are read.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from coview.augmentation.blur import Blur, bell
from coview.augmentation.changes import Changes
from coview.augmentation.colour import LUMINANCE, Colour, stack_colours
from coview.augmentation.fused_kernel import fill_clip
from coview.augmentation.operations import Operation
from coview.datatypes import check_shape
from coview.views.base import PixelScale, View
from coview.views.crop import Geometry, pixel_range


@dataclass(frozen=True)
class FusedChanges:
    """What one pass does to n clips.

    Attributes:
        geometry: one box and flip a clip.
        colours: (matrices, lifts), (n, T, 3, 3) and (n, T), as `stack_colours` gives them; None: colours stay.
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


def split_fused(changes: Changes, view: View) -> tuple[FusedChanges, Sequence[tuple[Operation, Sequence[Any]]]]:
    """Return what one pass can do, colour of a view that has some and then blur, and the operations that come after."""
    further = list(changes.operations)
    colours: tuple[Tensor, Tensor] | None = None
    sigmas: Sequence[float] = [0.0] * len(changes.geometry.flips)
    if further and isinstance(further[0][0], Colour) and view.is_colour:
        colours = stack_colours(further.pop(0)[1])
    if further and isinstance(further[0][0], Blur):
        sigmas = further.pop(0)[1]
    return FusedChanges(changes.geometry, colours, sigmas), further


def fill_clips(out: Tensor, raw: Tensor, frame_sizes: Tensor, changes: FusedChanges, scale: PixelScale) -> None:
    """Make the encoder's input of a batch; as many clips at a time as torch has threads.

    Args:
        out: (n, T, size, size, C) float32 on the CPU, filled.
        raw: (n, T, H, W, C) uint8, pictures padded at the right and bottom.
        frame_sizes: (n, 2) integers, height and width without the padding, in pixels.
        changes: of each clip.
        scale: of the view.

    Raises:
        ValueError: colours are to change in a view other than of three channels in 0 .. 1.
    """
    count, num_frames, size, _, channels = out.shape
    check_shape("raw", raw, count, num_frames, None, None, channels)
    check_shape("frame_sizes", frame_sizes, count, 2)
    if changes.colours is not None and (channels != 3 or scale.zero != 0):
        raise ValueError("only pictures of three channels in 0 .. 1 have colours to change")

    clips = out.numpy()  # threads of their own are not in inference mode, and may not write to its tensors

    def fill(index: int) -> None:
        is_whole = clips[index].flags.c_contiguous  # else out is a part of more channels
        clip = clips[index] if is_whole else np.empty(clips.shape[1:], np.float32)
        _fill(clip, raw[index].contiguous().numpy(), frame_sizes[index].tolist(), changes, index, scale)
        if not is_whole:
            clips[index] = clip

    threads = min(torch.get_num_threads(), count)
    if threads == 1:
        for index in range(count):
            fill(index)
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(fill, range(count)))


def _fill(
    out: NDArray[np.float32],
    raw: NDArray[np.uint8],
    shape: list[int],
    changes: FusedChanges,
    index: int,
    scale: PixelScale,
) -> None:
    """Make one clip: turn what is to be done into the numbers that the kernel takes."""
    num_frames, size, _, channels = out.shape
    left, top, right, bottom = changes.geometry.boxes[index].tolist()
    is_mirrored = bool(changes.geometry.flips[index])
    crop = *pixel_range(top, bottom, shape[0]), *pixel_range(left, right, shape[1])
    no_colours = np.zeros((0, 3, 3), np.float32), np.zeros(0, np.float32)
    matrices, lifts = no_colours if changes.colours is None else (part[index].numpy() for part in changes.colours)
    gains, shifts = (np.array(part, np.float32) for part in scale.line(is_mirrored=is_mirrored))
    sigma = changes.sigmas[index]
    fill_clip(
        raw.reshape(num_frames, raw.shape[1], -1),
        out.reshape(num_frames, -1),
        crop,
        is_mirrored,
        float(scale.unit),
        np.ascontiguousarray(matrices),
        np.ascontiguousarray(lifts),
        np.resize(LUMINANCE, channels).astype(np.float32),
        gains,
        shifts,
        bell(size, sigma) if sigma else np.ones(1, np.float32),
    )
