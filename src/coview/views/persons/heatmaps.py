"""Keypoints -> one Gaussian heatmap a point, drawn for whole batches on the device they lie on."""

import math

import torch
from torch import Tensor

from coview.datasets.synthetic.skeleton import COCO_KEYPOINTS
from coview.datatypes import check_shape
from coview.views.crop import Geometry

SPREAD = 0.025
"""Standard deviation of a Gaussian as a share of the map's side: 1.6 pixels of 64."""

REACH = 4.0
"""A Gaussian is drawn this many standard deviations far, where 3/10,000 of it are left."""


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
    at a pixel's centre, whatever the shape of the box that the map shows, and 0 beyond REACH * s or little more.

    Args:
        keypoints: (B, T, R, K, 3) float, x and y as fractions of the map, score.
        size: side of the maps in pixels.

    Returns:
        (B, K, T, size, size) float32 in [0, 1], 0 where nobody is; its channels lie last in memory.
    """
    check_shape("keypoints", keypoints, None, None, None, None, 3)
    batch, num_frames, _, points, _ = keypoints.shape
    keypoints = keypoints.float()
    maps = torch.zeros(batch * num_frames * size * size * points, device=keypoints.device)
    # Slots for persons that are empty throughout, as most are where batches are padded, cost nothing.
    for person in (keypoints[..., 2] > 0).any(dim=-1).flatten(0, 1).any(dim=0).nonzero()[:, 0].tolist():
        places, values = _windows(keypoints[:, :, person], size)
        maps.scatter_reduce_(0, places.flatten(), values.flatten(), "amax")
    return maps.view(batch, num_frames, size, size, points).permute(0, 4, 1, 2, 3)


def _windows(keypoints: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Return the pixels around each (B, T, K, 3) point, all within the map, and what is drawn there.

    Returns:
        (B, T, K, w, w): index of each pixel in maps (B, T, size, size, K), and its value.
    """
    batch, num_frames, points, _ = keypoints.shape
    width = min(size, 2 * math.ceil(REACH * SPREAD * size) + 1)
    centres = keypoints[..., :2]
    # A window that would hang over the border is moved inside; far outside, what it shows is 0 anyway.
    first = (centres * size).floor().sub_(width // 2).clamp_(0, size - width)  # (B, T, K, 2)
    pixels = first[..., None] + torch.arange(width, device=first.device)  # (B, T, K, 2, w)
    profiles = torch.exp(((pixels + 0.5) / size - centres[..., None]).square_() * (-0.5 / SPREAD**2))
    across, down = profiles.unbind(3)  # a Gaussian is a product of two profiles
    values = (down * keypoints[..., 2:])[..., :, None] * across[..., None, :]
    column, row = pixels.long().unbind(3)
    frame = torch.arange(batch * num_frames, device=first.device).view(batch, num_frames, 1, 1)
    point = torch.arange(points, device=first.device).view(points, 1, 1)
    lines = (frame * size + row) * size  # (B, T, K, w)
    return (lines[..., :, None] + column[..., None, :]) * points + point, values
