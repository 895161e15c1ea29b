"""Crop and flip: one box and one coin a clip, as fractions of the picture, so that they hold for every view of it."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from coview.config import AugmentSettings
from coview.views.base import Geometry


def draw_geometry(sizes: Tensor, generators: Sequence[np.random.Generator], settings: AugmentSettings) -> Geometry:
    """Draw a crop of random area, aspect and place, and a flip, for each clip.

    Where a crop of the drawn area and aspect does not fit into the picture, the area gives way: the aspect stays
    within its bounds, so pictures are never distorted more than asked for.

    Args:
        sizes: (n, 2), height and width of each clip's picture, in pixels.
        generators: n, one a clip; five draws are taken from each, whatever the settings.
        settings: crop_area, crop_aspect, flip_probability.
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


def centre_geometry(sizes: Tensor) -> Geometry:
    """Return the largest centred square of each picture, not mirrored.

    Args:
        sizes: (n, 2), height and width, in pixels.
    """
    sizes = sizes.cpu().double()
    margins = (1 - sizes.min(dim=1, keepdim=True).values / sizes) / 2  # (n, 2), top and left
    near = margins.flip(1)  # left and top, as boxes want them
    return Geometry(boxes=torch.cat([near, 1 - near], dim=1), flips=torch.zeros(len(sizes), dtype=torch.bool))
