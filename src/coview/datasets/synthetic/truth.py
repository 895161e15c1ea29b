"""The true keypoints and masks of a clip, in one small file."""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coview.datatypes import check_shape
from coview.errors import UserError

TRUTH_FOLDER = "truth"
"""Folder beside the clips that holds the truth about each."""


def truth_path(video: Path) -> Path:
    """Return where the truth about a clip lies: truth/<name of the clip>.npz beside it."""
    return video.parent / TRUTH_FOLDER / f"{video.stem}.npz"


@dataclass(frozen=True)
class Truth:
    """What is known about a rendered clip beside its label.

    Attributes:
        keypoints: (T, 1, 17, 3) float32, COCO order: x and y as fractions of width and height, score 1 inside the
            picture and 0 outside of it.
        masks: (T, H, W) uint8, 255 where the person is and 0 elsewhere.
    """

    keypoints: NDArray[np.float32]
    masks: NDArray[np.uint8]

    def __post_init__(self) -> None:
        check_shape("masks", self.masks, None, None, None)
        check_shape("keypoints", self.keypoints, len(self.masks), 1, 17, 3)


def write_truth(truth: Truth, path: Path) -> None:
    """Write a compressed .npz: `keypoints` as they are, and of the masks one bit a pixel with `mask_shape`."""
    bits = np.packbits(truth.masks > 0)
    with path.open("wb") as file:  # a name without .npz stays as it is
        np.savez_compressed(file, keypoints=truth.keypoints, mask_bits=bits, mask_shape=np.array(truth.masks.shape))


def read_truth(path: Path) -> Truth:
    """Read what `write_truth` wrote.

    Raises:
        UserError: no such file, or not one of these.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            shape = tuple(int(side) for side in file["mask_shape"])
            masks = np.unpackbits(file["mask_bits"], count=int(np.prod(shape))).reshape(shape) * np.uint8(255)
            return Truth(keypoints=file["keypoints"], masks=masks)
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(
            f"cannot read true keypoints and masks from {path}: {error}; write the synthetic clips again"
        ) from error
