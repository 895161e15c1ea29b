"""Small grey pictures of a video: what is left of it when size, colour, codec and fine detail are taken away."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from coview.collection.store import Floats
from coview.video.decode import decode_frames, stored_fps
from coview.video.probe import probe

HEIGHT, WIDTH = 36, 48
COARSE_RATE = 16
"""Coarse pictures a second."""
_COARSE = (12, 9)
_HIGHEST_RATE = 30.0
_DESCRIBED_SECONDS = 0.5
_DETAIL_SIGMA = 3.0


@dataclass(frozen=True)
class Pictures:
    """A video as small pictures, whatever its shape was.

    Attributes:
        frames: (T, 36, 48) uint8, grey.
        fps: of them, the video's own up to 30.
        detail: (T, 36, 48) float16, the same without slow changes over the picture: a sky that gets darker is nothing
            to recognise.
    """

    frames: NDArray[np.uint8]
    fps: float
    detail: NDArray[np.float16]

    @property
    def nbytes(self) -> int:
        """Memory that they take."""
        return self.frames.nbytes + self.detail.nbytes

    def coarse(self) -> Floats:
        """Return (T at 16 a second, 9, 12) float32: what an alignment is looked for with."""
        every = np.stack([cv2.resize(frame, _COARSE, interpolation=cv2.INTER_AREA) for frame in self.frames])
        count = max(1, int((len(every) - 1) / self.fps * COARSE_RATE) + 1)
        return sample_frames(every.astype(np.float32), np.arange(count) * self.fps / COARSE_RATE)


def read_pictures(path: Path) -> Pictures:
    """Decode a video.

    Raises:
        UserError: it cannot be read.
    """
    rate = stored_fps(probe(path), None)
    limit = _HIGHEST_RATE if rate > _HIGHEST_RATE else None
    frames = [
        cv2.resize(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
        for frame in decode_frames(path, short_side=2 * HEIGHT, fps=limit)
    ]
    values = [frame.astype(np.float32) for frame in frames]
    detail = np.stack([frame - cv2.GaussianBlur(frame, (0, 0), _DETAIL_SIGMA) for frame in values])
    return Pictures(np.asarray(np.stack(frames), np.uint8), limit or rate, detail.astype(np.float16))


def without_mean(values: Floats, *, half: int) -> Floats:
    """Return frames (T, ...) without the mean over `half` frames before and after each."""
    sums = np.concatenate([np.zeros((1, *values.shape[1:])), np.cumsum(values, axis=0, dtype=np.float64)])
    at = np.arange(len(values))
    low, high = np.maximum(at - half, 0), np.minimum(at + half + 1, len(values))
    counts = (high - low).reshape(-1, *[1] * (values.ndim - 1))
    return np.asarray(values - (sums[high] - sums[low]) / counts, dtype=np.float32)


def sample_frames(frames: Floats, places: NDArray[np.float64]) -> Floats:
    """Return frames between frames: (T, ...) at places (n,) in frames, 0 to T - 1."""
    near = np.round(places)
    places = np.where(np.abs(places - near) < 0.02, near, places)
    low = np.clip(np.floor(places).astype(np.int64), 0, len(frames) - 1)
    high = np.minimum(low + 1, len(frames) - 1)
    part = (places - low).astype(np.float32).reshape(-1, *[1] * (frames.ndim - 1))
    return np.asarray(frames[low] * (1 - part) + frames[high] * part, dtype=np.float32)


def describe_pictures(coarse: Floats) -> Floats:
    """Return unit rows (n, 108), one a half second, which are the same for a video and its mirror image.

    Half of the numbers say what is seen, half where it changes; both as the mean of a picture and its mirror image.

    Args:
        coarse: (T, 9, 12), see `Pictures.coarse`.
    """
    length = round(_DESCRIBED_SECONDS * COARSE_RATE)
    count = max(len(coarse) // length, 1)
    pieces = [coarse[at * length : (at + 1) * length + 1] for at in range(count)]
    seen = np.stack([piece.mean(axis=0) for piece in pieces])  # (n, 9, 12)
    changed = np.stack([np.abs(np.diff(piece, axis=0)).sum(axis=0) / max(len(piece) - 1, 1) for piece in pieces])
    parts = []
    for values, floor in ((seen, 2.0), (changed, 0.2)):
        centred = values - values.mean(axis=(1, 2), keepdims=True)
        centred /= centred.std(axis=(1, 2), keepdims=True) + floor
        both = (centred + centred[:, :, ::-1]) / 2
        rows = both[:, :, : _COARSE[0] // 2].reshape(count, -1)  # (n, 54)
        parts.append(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6))
    return np.asarray(np.concatenate(parts, axis=1) / np.sqrt(2), dtype=np.float32)
