"""Flow as functions of frames, for anybody's script; the view `flow` stores the same numbers as bytes."""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Pair = Callable[[NDArray[np.uint8], NDArray[np.uint8]], NDArray[np.float32]]


def tvl1_flow(frames: Any, second: Any = None) -> NDArray[np.float32]:
    """Estimate motion by TV-L1 (Zach et al. 2007), as CoCon on UCF101 and HMDB51 and ViCC do.

    Args:
        frames: a clip (T, H, W) grey or (T, H, W, 3) RGB, or a batch of clips (B, T, H, W) or (B, T, H, W, 3); numpy
            arrays or CPU tensors, uint8, or float with values in 0 .. 1 or 0 .. 255. With `second`: one picture (H, W)
            or (H, W, 3), or a stack of them.
        second: not given: each frame is compared with the next of its clip. Given: `frames` is compared with this,
            picture by picture.

    Returns:
        Float32, u to the right and v down, in pixels: (T, H, W, 2) or (B, T, H, W, 2), the last frame repeating the
        one before (0 for a clip of one frame); with `second`, the shape of the grey pictures and 2.

    Raises:
        ValueError: an array of another shape.

    Example:
        tvl1_flow(clip)[0]  # motion from frame 0 to frame 1
        tvl1_flow(before, after)
    """
    from coview.views.flow.tvl1_numba import tvl1_pair

    return _flow(tvl1_pair, frames, second)


def farneback_flow(frames: Any, second: Any = None) -> NDArray[np.float32]:
    """Estimate motion by Farneback's polynomial expansion (2003); arguments and result as `tvl1_flow`."""
    from coview.views.flow.opencv import farneback_pair

    return _flow(farneback_pair, frames, second)


def dis_flow(frames: Any, second: Any = None) -> NDArray[np.float32]:
    """Estimate motion by dense inverse search (Kroeger et al. 2016), the fastest; otherwise as `tvl1_flow`."""
    from coview.views.flow.opencv import dis_pair

    return _flow(dis_pair, frames, second)


def _flow(pair: Pair, frames: Any, second: Any) -> NDArray[np.float32]:
    greys = _grey(frames, "frames")
    if second is not None:
        others = _grey(second, "second")
        if others.shape != greys.shape or greys.ndim not in (2, 3):
            raise ValueError(f"pictures of shape {greys.shape} cannot be compared with pictures of {others.shape}")
        if greys.ndim == 2:
            return pair(greys, others)
        return np.stack([pair(one, other) for one, other in zip(greys, others, strict=True)])
    if greys.ndim not in (3, 4):
        raise ValueError(f"frames of shape {np.shape(frames)}: expected (T, H, W[, 3]) or (B, T, H, W[, 3])")
    clips = greys if greys.ndim == 4 else greys[None]
    flows = np.zeros((*clips.shape, 2), np.float32)
    for clip, flow in zip(clips, flows, strict=True):
        for place in range(len(clip) - 1):
            flow[place] = pair(clip[place], clip[place + 1])
        if len(clip) > 1:
            flow[-1] = flow[-2]
    return flows if greys.ndim == 4 else flows[0]


def _grey(given: Any, name: str) -> NDArray[np.uint8]:
    """Return pictures (..., H, W[, 3]) of any number format as grey bytes (..., H, W)."""
    pictures = np.asarray(given)
    if pictures.ndim < 2 or pictures.size == 0 or pictures.dtype == object:
        raise ValueError(f"{name} of shape {pictures.shape}: expected pictures (..., H, W) or (..., H, W, 3)")
    if pictures.dtype != np.uint8:
        values = pictures.astype(np.float32)
        values = values * 255 if values.max() <= 1 else values
        pictures = np.rint(values.clip(0, 255)).astype(np.uint8)
    if pictures.shape[-1] != 3 or pictures.ndim == 2:
        return pictures
    flat = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in pictures.reshape(-1, *pictures.shape[-3:])]
    return np.asarray(np.stack(flat).reshape(pictures.shape[:-1]), np.uint8)
