"""Gaussian blur of whole clips as two banded matrix products, one along the rows and one along the columns."""

import math
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from coview.augmentation.operations import Operation
from coview.config import BlurSettings
from coview.views.base import View

TRUNCATE = 3.0
"""Radius of the kernel in standard deviations."""
_ROW_TILE = 32
_COLUMN_TILE = 16
"""Pixels made by one small product: wide enough to be efficient, narrow enough to skip the zeros beside the band."""


class Blur(Operation):
    """Blur: now and then all frames of a clip are blurred alike, by a Gaussian of random width."""

    Settings: ClassVar[type[Any]] = BlurSettings

    def concerns(self, view: View) -> bool:
        """Return whether the settings name the view, and anything is to be blurred."""
        return view.name in self.settings.blur_views and self.settings.blur_probability > 0

    def draw(self, generator: np.random.Generator, *, num_frames: int) -> float:
        """Return the standard deviation in pixels; 0: no blur."""
        low, high = self.settings.blur_sigma
        coin, size = generator.random(2)
        return low + (high - low) * float(size) if coin < self.settings.blur_probability else 0.0

    def draw_nothing(self, *, num_frames: int) -> float:
        """Return what `draw` returns where nothing is blurred."""
        return 0.0

    def apply(self, clip: Tensor, drawn: float, *, view: View) -> Tensor:
        """Blur (C, T, size, size)."""
        return blur(clip, drawn) if drawn else clip


def bell(length: int, sigma: float) -> NDArray[np.float32]:
    """Return the kernel for lines of `length` pixels from its middle on, (1 + radius,): both halves sum to 1."""
    radius = min(math.ceil(TRUNCATE * sigma), length)
    half = np.exp(-0.5 * (np.arange(radius + 1) / sigma) ** 2)
    return np.asarray(half / (half[0] + 2 * half[1:].sum()), np.float32)


def blur_matrix(length: int, sigma: float) -> tuple[Tensor, int]:
    """Return the (length, length) float32 matrix that blurs a line of pixels, and the radius of its band.

    Beyond its ends the line is continued by its mirror image (the end pixel twice), so every row sums to 1.
    """
    half = bell(length, sigma).astype(np.float64)
    kernel, radius = np.concatenate([half[:0:-1], half]), len(half) - 1
    offsets = np.arange(-radius, radius + 1)
    places = np.arange(length)[:, None] + offsets  # (length, 2*radius + 1)
    inside = np.where(places < 0, -1 - places, np.where(places >= length, 2 * length - 1 - places, places))
    matrix = np.zeros((length, length))
    np.add.at(matrix, (np.arange(length)[:, None], inside), kernel)
    return torch.from_numpy(matrix.astype(np.float32)), radius


def blur(clip: Tensor, sigma: float) -> Tensor:
    """Blur one clip.

    Args:
        clip: (C, T, H, W) float32.
        sigma: standard deviation in pixels, more than 0.

    Returns:
        (C, T, H, W), with its channels last in memory.
    """
    channels, num_frames, height, width = clip.shape
    frames = clip.permute(1, 2, 3, 0).reshape(num_frames, height, width * channels)  # copies planes only
    vertical, radius = blur_matrix(height, sigma)
    half = torch.empty_like(frames)
    for rows, sources in _tiles(height, radius, _ROW_TILE):
        tile = vertical[rows, sources].to(clip.device).expand(num_frames, -1, -1)
        torch.bmm(tile, frames[:, sources], out=half[:, rows])
    horizontal, radius = blur_matrix(width, sigma)
    lines = half.view(num_frames * height, width * channels)
    out = torch.empty_like(lines)
    eye = torch.eye(channels, device=clip.device)
    for columns, sources in _tiles(width, radius, _COLUMN_TILE):
        tile = torch.kron(horizontal[columns, sources].T.contiguous().to(clip.device), eye)
        torch.mm(lines[:, _wide(sources, channels)], tile, out=out[:, _wide(columns, channels)])
    return out.view(num_frames, height, width, channels).permute(3, 0, 1, 2)


def _tiles(length: int, radius: int, tile: int) -> list[tuple[slice, slice]]:
    """Cut a line into tiles: (pixels made, pixels they are made of)."""
    starts = range(0, length, tile)
    return [
        (slice(a, min(a + tile, length)), slice(max(a - radius, 0), min(a + tile + radius, length))) for a in starts
    ]


def _wide(pixels: slice, channels: int) -> slice:
    return slice(pixels.start * channels, pixels.stop * channels)
