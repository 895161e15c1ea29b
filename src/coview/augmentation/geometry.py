"""Crop and flip: one box and one coin a clip, as fractions of the picture, so that they hold for every view of it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from coview.config import CropSettings
from coview.views.crop import Geometry


def draw_geometry(sizes: Tensor, generators: Sequence[np.random.Generator], settings: CropSettings) -> Geometry:
    """Draw a crop of random area, aspect and place, and a flip, for each clip.

    Where a crop of the drawn area and aspect does not fit into the picture, the area gives way: the aspect stays
    within its bounds, so pictures are never distorted more than asked for.

    Args:
        sizes: (n, 2), height and width of each clip's picture, in pixels.
        generators: n, one a clip; five draws are taken from each, whatever the settings.
        settings: how large, of which aspect, and how often mirrored.
    """
    area, aspect, x, y, flip = np.stack([generator.random(5) for generator in generators], axis=1)  # (n,) each
    height, width = sizes.cpu().double().numpy().T  # (n,) each
    least, most = settings.crop_area
    narrow, wide = (math.log(bound) for bound in settings.crop_aspect)
    area = least + (most - least) * area
    shape = np.exp(narrow + (wide - narrow) * aspect) * height / width  # width over height, in fractions
    area = np.minimum(area, np.minimum(shape, 1 / shape))
    box_width, box_height = np.sqrt(area * shape), np.sqrt(area / shape)
    left, top = x * (1 - box_width), y * (1 - box_height)
    boxes = np.stack([left, top, left + box_width, top + box_height], axis=1)  # (n, 4)
    return Geometry(boxes=torch.from_numpy(boxes.clip(0, 1)), flips=torch.from_numpy(flip < settings.flip_probability))


@dataclass(frozen=True)
class Crop:
    """One square of every picture, the same for all.

    Attributes:
        x: where it lies between the left edge (0) and the right edge (1); 0.5 is the middle.
        y: likewise between top and bottom.
        side: its side over the picture's shorter one.
        is_mirrored: left and right are swapped after cropping.
    """

    x: float = 0.5
    y: float = 0.5
    side: float = 1.0
    is_mirrored: bool = False


CENTRE = Crop()
"""The largest centred square."""
CORNER_SIDE = 7 / 8
"""Side of five and of ten crops over the shorter one of the picture: the usual 224 of 256, or 112 of 128."""


def crops_of_a_picture(count: int) -> tuple[Crop, ...]:
    """Return the crops over which the scores of a test clip are averaged.

    Args:
        count: 1: the largest centred square; 3: that square at both ends of the longer side and in the middle;
            5: the centre and four corners, a little smaller; 10: those and their mirrors.
    """
    if count in (1, 3):
        return tuple(Crop(place, place) for place in {1: (0.5,), 3: (0.0, 0.5, 1.0)}[count])
    places = ((0.5, 0.5), (0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0))
    mirrors = {5: (False,), 10: (False, True)}[count]
    return tuple(Crop(x, y, CORNER_SIDE, is_mirrored) for is_mirrored in mirrors for x, y in places)


def crop_geometry(sizes: Tensor, crop: Crop) -> Geometry:
    """Return the same crop for every picture.

    Args:
        sizes: (n, 2), height and width, in pixels.
        crop: which square.
    """
    sizes = sizes.cpu().double()
    free = (1 - crop.side * sizes.min(dim=1, keepdim=True).values / sizes).flip(1)  # (n, 2), beside and above
    place = torch.tensor([crop.x, crop.y], dtype=torch.float64)
    boxes = torch.cat([free * place, 1 - free * (1 - place)], dim=1)  # (n, 4)
    return Geometry(boxes=boxes, flips=torch.full((len(sizes),), crop.is_mirrored))
