"""Saliency drawn over frames: as pictures, and as a small video beside the frames as they are."""

import typing
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from av.video.reformatter import ColorRange
from numpy.typing import NDArray

from coview.analysis.context import AnalysisContext
from coview.analysis.result import FOLDER
from coview.clips.sampling import Indices
from coview.datatypes import Frame, VideoEntry
from coview.errors import UserError
from coview.files import atomic_path
from coview.video.encode import Encoding, encode_pictures, rgb_pictures

WARM = np.array((235, 40, 20), np.float32)
STRONGEST = 0.75
"""Opacity of the overlay where saliency is highest."""
GREY_SHARE = 0.55
"""How far the picture below is taken towards grey, so that its own reds are not mistaken for the overlay's."""
VIDEO_SIDE, VIDEO_CRF = 192, 20.0
SLOWEST_FPS = 5.0


class Overlaid(typing.Protocol):
    """What an overlay video needs to know of a clip."""

    @property
    def entry(self) -> VideoEntry:
        """The video."""

    @property
    def view(self) -> str:
        """Whose encoder looked."""

    @property
    def frame_indices(self) -> Indices:
        """(T,), of the clip."""

    @property
    def saliency(self) -> NDArray[np.float32]:
        """(T, size, size)."""


def squares(context: AnalysisContext, entry: VideoEntry, frames: Indices, *, side: int) -> list[Frame]:
    """Return frames as an encoder sees them: the largest centred square, (side, side, 3) each."""
    wanted, places = np.unique(frames, return_inverse=True)
    cut = []
    for picture in context.pictures(entry, wanted, height=side):
        height, width = picture.shape[:2]
        smaller = min(height, width)
        top, left = (height - smaller) // 2, (width - smaller) // 2
        square = picture[top : top + smaller, left : left + smaller]
        cut.append(np.asarray(cv2.resize(square, (side, side), interpolation=cv2.INTER_AREA), np.uint8))
    return [cut[place] for place in places]


def overlaid(frames: Sequence[Frame], saliency: NDArray[np.float32], *, most: float) -> list[Frame]:
    """Draw saliency over frames.

    Args:
        frames: T pictures (side, side, 3).
        saliency: (T, size, size); nothing is drawn where it is 0 or below.
        most: the value drawn strongest.
    """
    drawn = []
    for frame, values in zip(frames, saliency, strict=True):
        shares = np.clip(values / most, 0, 1) if most > 0 else np.zeros_like(values)
        opacity = STRONGEST * cv2.resize(shares, frame.shape[1::-1], interpolation=cv2.INTER_LINEAR)[..., None]
        grey = frame.mean(axis=2, keepdims=True)
        below = GREY_SHARE * grey + (1 - GREY_SHARE) * frame
        drawn.append(np.asarray(np.rint(below * (1 - opacity) + WARM * opacity), np.uint8))
    return drawn


def write_overlays(context: AnalysisContext, found: Mapping[str, Overlaid], *, stem: str) -> list[dict[str, str]]:
    """Write videos of clips beside the same with overlay into RUN/analysis; those of an earlier call go.

    Args:
        context: reads the frames.
        found: file name -> what to draw.
        stem: what the names of all such files begin with.

    Returns:
        Title and file name of each.

    Raises:
        UserError: the run's folder cannot be written.
    """
    folder = context.run.path / FOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for earlier in folder.glob(f"{stem}*.mp4"):
            if earlier.name not in found:
                earlier.unlink()
        for name, one in found.items():
            _write(context, one, folder / name)
    except OSError as error:
        raise UserError(f"cannot write into {folder}: {error}") from error
    return [{"title": f"{one.entry.label or one.entry.id}, {one.view}", "file": name} for name, one in found.items()]


def _write(context: AnalysisContext, one: Overlaid, path: Path) -> None:
    frames = squares(context, one.entry, one.frame_indices, side=VIDEO_SIDE)
    shown = overlaid(frames, one.saliency, most=float(one.saliency.max()))
    pictures = [np.concatenate(pair, axis=1) for pair in zip(frames, shown, strict=True)]
    step = max(1, int(one.frame_indices[-1] - one.frame_indices[0]) // max(1, len(one.frame_indices) - 1))
    fps = max(SLOWEST_FPS, (one.entry.fps or 25.0) / step)
    coding = Encoding(fps=fps, gop=8, crf=VIDEO_CRF, tune="", color_range=ColorRange.MPEG)
    with atomic_path(path) as aside:
        encode_pictures(rgb_pictures(pictures), aside, coding)
