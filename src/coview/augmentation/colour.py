"""Colour changes of rgb as one affine map a frame: brightness, contrast, saturation, hue and grey, composed.

Pixels are mapped once and clamped once, at the end, where chains of single operations clamp (and often round)
after each: strong jitter keeps more detail this way.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from coview.augmentation.operations import Operation
from coview.config import ColourSettings
from coview.errors import UserError
from coview.views.base import View

LUMINANCE = np.array([0.299, 0.587, 0.114])
"""Share of red, green, blue in the luminance (ITU-R BT.601)."""
_TO_YIQ = np.array([LUMINANCE, [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
_FROM_YIQ = np.linalg.inv(_TO_YIQ)
_FROM_YIQ[:, 0] = 1  # exactly, so that grey has three equal channels
_DRAWS = 6


class Colour(Operation):
    """Colour: brightness, contrast, saturation and hue are jittered, and now and then nothing but grey is left."""

    Settings: ClassVar[type[Any]] = ColourSettings

    def concerns(self, view: View) -> bool:
        """Return whether the view is one of colours, or named as if it were, and any may change."""
        is_meant = view.is_colour or view.name in self.settings.colour_views
        return is_meant and (self.settings.jitter_probability > 0 or self.settings.grey_probability > 0)

    def draw(self, generator: np.random.Generator, *, num_frames: int) -> tuple[Tensor, Tensor]:
        """Draw the colour map of each frame.

        A frame's pixels p, in [0, 1], become `matrix @ p + lift * mean`, where mean is the frame's mean luminance: the
        fixed point of contrast. Greys stay grey under every such matrix, so one number lifts all three channels.

        Returns:
            (matrices, lifts): (T, 3, 3) and (T,) float32.
        """
        distinct = num_frames if self.settings.colour_per == "frame" else 1
        matrices, lifts = compose_colours(generator.random((distinct, _DRAWS)), self.settings)
        repeats = num_frames // distinct
        return torch.from_numpy(matrices).repeat(repeats, 1, 1), torch.from_numpy(lifts).repeat(repeats)

    def draw_nothing(self, *, num_frames: int) -> tuple[Tensor, Tensor]:
        """Return what `draw` returns where no colour changes."""
        return torch.eye(3).repeat(num_frames, 1, 1), torch.zeros(num_frames)

    def apply(self, clip: Tensor, drawn: tuple[Tensor, Tensor], *, view: View) -> Tensor:
        """Map the colours of (C, T, size, size)."""
        return self.apply_to_batch(clip[None], [drawn], view=view)[0]

    def apply_to_batch(self, clips: Tensor, drawn: Sequence[tuple[Tensor, Tensor]], *, view: View) -> Tensor:
        """Map the colours of all frames at once; they are clamped where they are colours, in [0, 1].

        Of a view that has none the stored bytes are taken for red, green and blue. A channel that it lacks is constant
        at the byte of 0; what becomes of it is dropped.

        Raises:
            UserError: the view is not of pictures of up to three channels.
        """
        channels = clips.shape[1]
        if view.scale is None or channels > 3:
            raise UserError(
                f"augment.colour_views names {view.name}, which is not made of pictures of one to three channels: "
                "colours can change in views such as flow"
            )
        zero, gain = view.scale.zero / 255, view.scale.unit / 255
        mean, std = (
            torch.tensor(part, device=clips.device).view(-1, 1, 1, 1) for part in (view.scale.mean, view.scale.std)
        )
        pictures = pad((clips * std + mean) * gain + zero, (0,) * 6 + (0, 3 - channels), value=zero)  # (n, 3, ...)
        changed = apply_colours(pictures, *stack_colours(drawn))[:, :channels]
        return ((changed - zero) / gain).sub_(mean).div_(std)


def stack_colours(drawn: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Return matrices (n, T, 3, 3) and lifts (n, T) of n clips."""
    matrices, lifts = zip(*drawn, strict=True)
    return torch.stack(matrices), torch.stack(lifts)


def compose_colours(
    draws: NDArray[np.float64], settings: ColourSettings
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Turn uniform draws (..., 6) from [0, 1) into colour maps: matrices (..., 3, 3) and lifts (...).

    The draws decide, in order: whether to jitter, brightness, contrast, saturation, hue, whether to become grey.
    The changes act in that order.
    """
    is_jittered = draws[..., 0] < settings.jitter_probability
    is_grey = draws[..., 5] < settings.grey_probability
    swings = np.where(is_jittered[..., None], 2 * draws[..., 1:5] - 1, 0.0)  # (..., 4) in [-1, 1]
    strengths = [settings.brightness, settings.contrast, settings.saturation]
    brightness, contrast, saturation = np.moveaxis(np.maximum(1 + swings[..., :3] * strengths, 0), -1, 0)
    saturation = np.where(is_grey, 0.0, saturation)  # grey is saturation 0, and then a turn of hue changes nothing
    turned = _hue_turns(2 * np.pi * settings.hue * swings[..., 3], saturation)
    matrices = (brightness * contrast)[..., None, None] * turned
    return matrices.astype(np.float32), ((1 - contrast) * brightness).astype(np.float32)


def _hue_turns(angles: NDArray[np.float64], saturation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return matrices (..., 3, 3) that turn colours about the grey axis in YIQ and scale their distance from it."""
    in_yiq = np.zeros((*angles.shape, 3, 3))
    in_yiq[..., 0, 0] = 1
    in_yiq[..., 1, 1] = in_yiq[..., 2, 2] = saturation * np.cos(angles)
    in_yiq[..., 2, 1] = saturation * np.sin(angles)
    in_yiq[..., 1, 2] = -in_yiq[..., 2, 1]
    turns: NDArray[np.float64] = _FROM_YIQ @ in_yiq @ _TO_YIQ
    return turns


def apply_colours(clips: Tensor, matrices: Tensor, lifts: Tensor) -> Tensor:
    """Map the colours of every frame and clamp to [0, 1].

    Args:
        clips: (n, 3, T, H, W) float32 in [0, 1].
        matrices: (n, T, 3, 3).
        lifts: (n, T), times the frame's mean luminance.

    Returns:
        (n, 3, T, H, W) float32, with its channels last in memory.
    """
    count, channels, num_frames, height, width = clips.shape
    frames = clips.permute(0, 2, 3, 4, 1).reshape(count * num_frames, height, width * channels)  # copies planes only
    matrices = matrices.to(clips.device).flatten(0, 1)  # (n*T, 3, 3)
    luminance = torch.from_numpy(LUMINANCE).to(frames)
    mean = frames.mean(dim=1).view(-1, width, channels).mean(dim=1) @ luminance  # (n*T,)
    offset = (lifts.to(clips.device).flatten() * mean)[:, None, None]
    group = next(size for size in (4, 2, 1) if height * width % size == 0)
    pixels = frames.view(count * num_frames, -1, group * channels)
    mapped = torch.bmm(pixels, _side_by_side(matrices.transpose(1, 2), group)).add_(offset).clamp_(0, 1)
    return mapped.view(count, num_frames, height, width, channels).permute(0, 4, 1, 2, 3)


def _side_by_side(matrices: Tensor, group: int) -> Tensor:
    """Repeat (n, C, C) along the diagonal to (n, group*C, group*C): products with so few columns waste a processor."""
    count, channels, _ = matrices.shape
    wide = matrices.new_zeros(count, group, channels, group, channels)
    for place in range(group):
        wide[:, place, :, place] = matrices
    return wide.view(count, group * channels, group * channels)
