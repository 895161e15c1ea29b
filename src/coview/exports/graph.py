"""One module from raw frames of each view to what a run makes of them: scale, normalise, encode, pool, all inside."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from coview.config import ClipSettings
from coview.datatypes import unit
from coview.embedding.extract import Pool
from coview.views.base import PixelScale

Output = Literal["vectors", "probabilities"]
"""vectors: unit features of a window, as an index or retrieval compares them; probabilities: those of the classes."""


@dataclass(frozen=True)
class GraphInput:
    """What one view's input of an exported graph is.

    Attributes:
        view: its name, and that of the input and of the output.
        dtype: "uint8", raw pictures; "float32" for views whose pictures are drawn (pose): rendered and standardised.
        frames: T, as many as a window has.
        size: side of the square pictures, in pixels.
        channels: C of the pictures.
    """

    view: str
    dtype: Literal["uint8", "float32"]
    frames: int
    size: int
    channels: int

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(T, size, size, C), without the batch."""
        return self.frames, self.size, self.size, self.channels

    def as_values(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


class ViewGraph(nn.Module):
    """One view of the graph.

    Args:
        body: maps clips (B, C, T, size, size), normalised, to what comes out.
        scale: what bytes become; None: clips come in normalised.
        pad_channels: zero channels that are added.
    """

    gains: Tensor
    shifts: Tensor

    def __init__(self, body: nn.Module, *, scale: PixelScale | None, pad_channels: int) -> None:
        super().__init__()
        self.body, self.pad_channels = body, pad_channels
        self.is_scaled = scale is not None
        if scale is not None:
            gains, shifts = scale.line(is_mirrored=False)
            self.register_buffer("gains", torch.tensor(gains) / scale.unit, persistent=False)
            self.register_buffer("shifts", torch.tensor(shifts), persistent=False)

    def forward(self, frames: Tensor) -> Tensor:
        """Map frames (B, T, size, size, C) to (B, D)."""
        if self.is_scaled:
            frames = frames.float() * self.gains + self.shifts
        clips = nn.functional.pad(frames, (0, self.pad_channels)) if self.pad_channels else frames
        out: Tensor = self.body(clips.permute(0, 4, 1, 2, 3))  # (B, D)
        return out


class WindowFeatures(nn.Module):
    """Clips -> unit features, as `coview.embedding.extract.window_features` makes them of windows.

    Args:
        encoder: f.
        pool: the method's way from maps to features.
        clip: N and L.
    """

    def __init__(self, encoder: nn.Module, pool: Pool, clip: ClipSettings) -> None:
        super().__init__()
        self.encoder, self.pool = encoder, pool
        self.blocks, self.length = clip.num_blocks, clip.block_length

    def forward(self, clips: Tensor) -> Tensor:
        """Map clips (B, C, N*L, size, size) to (B, D)."""
        batch, channels, _, height, width = clips.shape
        if self.blocks > 1:
            cut = clips.reshape(batch, channels, self.blocks, self.length, height, width).transpose(1, 2)
            clips = cut.reshape(-1, channels, self.length, height, width)  # (B*N, C, L, size, size)
        features = self.pool(self.encoder(clips))  # (B*N, D)
        return unit(features.reshape(batch, self.blocks, -1).mean(dim=1))  # (B, D)


class ClassProbabilities(nn.Module):
    """Clips -> softmax over the classes of a fine-tuned run.

    Args:
        method: gives `class_scores`.
        view: whose.
    """

    def __init__(self, method: nn.Module, view: str) -> None:
        super().__init__()
        self.method, self.view = method, view

    def forward(self, clips: Tensor) -> Tensor:
        """Map clips (B, C, T, size, size) to (B, classes)."""
        scores: Tensor = self.method.class_scores(self.view, clips)  # type: ignore[operator]
        return scores.float().softmax(dim=1)


class ClipGraph(nn.Module):
    """The whole graph: a tensor of frames a view in, a tensor a view out.

    Args:
        views: one graph a view, in the order of the inputs.
    """

    def __init__(self, views: Sequence[ViewGraph]) -> None:
        super().__init__()
        self.views = nn.ModuleList(views)

    def forward(self, *frames: Tensor) -> tuple[Tensor, ...]:
        """Map frames (B, T, size, size, C) of each view to its (B, D)."""
        return tuple(view(own) for view, own in zip(self.views, frames, strict=True))
