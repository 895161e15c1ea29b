"""Pictures of any size -> those that an exported graph takes, cropped as evaluation does and rounded to bytes."""

import numpy as np
import torch
from numpy.typing import NDArray

from coview.augmentation.geometry import CENTRE, crop_geometry
from coview.datatypes import ClipBatch
from coview.views.crop import crop_resize


def cropped_windows(batch: ClipBatch, view: str, *, size: int) -> NDArray[np.uint8]:
    """Return raw frames of one view of a batch of windows as an exported graph takes them: (W, T, size, size, C)."""
    sizes = batch.frame_sizes[view].tolist()
    raw = [own[0].numpy() for own in batch.views[view]]
    cut = [own[:, :height, :width] for own, (height, width) in zip(raw, sizes, strict=True)]  # without the padding
    return np.stack([crop_frames(own, size=size) for own in cut])


def crop_frames(frames: NDArray[np.uint8], *, size: int) -> NDArray[np.uint8]:
    """Cut out the largest centred square and resize it: bilinear, antialiased.

    Rounding to bytes moves a value by at most half a grey level from what evaluation computes with.

    Args:
        frames: (T, H, W, C).
        size: side of the result in pixels.

    Returns:
        (T, size, size, C); `frames` themselves where they have that size.
    """
    height, width = frames.shape[1:3]
    if (height, width) == (size, size):
        return frames
    sizes = torch.tensor([[height, width]])
    raw = torch.from_numpy(np.ascontiguousarray(frames))[None]
    cut = crop_resize(raw, sizes, crop_geometry(sizes, CENTRE), size)[0]  # (C, T, size, size)
    return np.asarray(cut.round().permute(1, 2, 3, 0).to(torch.uint8).contiguous().numpy())
