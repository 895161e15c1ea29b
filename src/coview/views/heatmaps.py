"""Keypoints -> one Gaussian heatmap a point, drawn for whole batches on the device they lie on."""

import torch
from torch import Tensor

from coview.datasets.synthetic.skeleton import COCO_KEYPOINTS
from coview.datatypes import check_shape
from coview.views.base import Geometry

SPREAD = 0.025
"""Standard deviation of a Gaussian as a share of the map's side: 1.6 pixels of 64."""


def _other_side(name: str) -> str:
    return name.replace("_left", "_*").replace("_right", "_left").replace("_*", "_right")


MIRRORED = tuple(COCO_KEYPOINTS.index(_other_side(name)) for name in COCO_KEYPOINTS)
"""For each of the 17 keypoints, the index of the one that takes its place in a mirror."""


def mirrored_keypoints(keypoints: Tensor) -> Tensor:
    """Mirror (..., 17, 3) keypoints: x turns round, and left and right points swap their names."""
    swapped = keypoints[..., list(MIRRORED), :]
    x, rest = swapped[..., :1], swapped[..., 1:]
    return torch.cat([1 - x, rest], dim=-1)


def cropped_keypoints(keypoints: Tensor, geometry: Geometry) -> Tensor:
    """Move (B, T, R, K, 3) keypoints into their boxes, as fractions of those, and mirror where asked for.

    Points outside of a box stay, at fractions below 0 or above 1.
    """
    boxes = geometry.boxes.to(keypoints).view(-1, 1, 1, 1, 4)
    corners, sides = boxes[..., :2], boxes[..., 2:] - boxes[..., :2]
    inside = torch.cat([(keypoints[..., :2] - corners) / sides, keypoints[..., 2:]], dim=-1)
    flips = geometry.flips.to(keypoints.device).view(-1, 1, 1, 1, 1)
    return torch.where(flips, mirrored_keypoints(inside), inside)


def draw_heatmaps(keypoints: Tensor, size: int) -> Tensor:
    """Draw heatmaps.

    A map's value is the highest, over the persons, of score * exp(-distance^2 / (2 s^2)), s = SPREAD of the side:
    at a pixel's centre, whatever the shape of the box that the map shows.

    Args:
        keypoints: (B, T, R, K, 3) float, x and y as fractions of the map, score.
        size: side of the maps in pixels.

    Returns:
        (B, K, T, size, size) float32 in [0, 1]; 0 where nobody is.
    """
    check_shape("keypoints", keypoints, None, None, None, None, 3)
    batch, num_frames, num_persons, points, _ = keypoints.shape
    keypoints = keypoints.float().permute(2, 0, 3, 1, 4)  # (R, B, K, T, 3)
    centres = (torch.arange(size, device=keypoints.device) + 0.5) / size
    across = _profile(centres, keypoints[..., :1])  # (R, B, K, T, size)
    down = _profile(centres, keypoints[..., 1:2]) * keypoints[..., 2:]
    maps = torch.zeros(batch, points, num_frames, size, size, device=keypoints.device)
    # Slots for persons that are empty throughout, as most are where batches are padded, cost nothing.
    for person in (keypoints[..., 2] > 0).flatten(1).any(dim=1).nonzero()[:, 0].tolist():
        drawn = down[person][..., :, None] * across[person][..., None, :]  # a Gaussian is a product of two profiles
        torch.maximum(maps, drawn, out=maps)
    return maps


def _profile(centres: Tensor, at: Tensor) -> Tensor:
    """Return exp(-(centre - at)^2 / (2 s^2)) for pixel centres (size,) and places (..., 1)."""
    return torch.exp((centres - at).square_() * (-0.5 / SPREAD**2))
