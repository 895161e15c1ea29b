"""The detector `files`: keypoints or masks that the user has, one file a video."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from coview.datatypes import Frame
from coview.errors import UserError, VideoError
from coview.views.arrays import find_file, in_step, read_array, read_pictures
from coview.views.base import SourceVideo
from coview.views.persons.detectors.base import Part, PersonDetector, Persons, check_every
from coview.views.persons.detectors.masks import resized_mask
from coview.views.persons.detectors.skeletons import as_coco

FAR_OUTSIDE = 3.0
"""Fractions further than this from the picture are no fractions."""


class FilesDetector(PersonDetector):
    """Reads arrays (.npy; .npz with one array, or with "keypoints" or "masks"), and masks from videos too.

    Keypoints are (T, K, 2 or 3) or (T, R, K, 2 or 3) for K of a known skeleton: x, y, and a score unless it is 1
    wherever x and y are numbers and not both 0. Masks are (T, H, W) of any size: true or false, 0 .. 255, 0.0 .. 1.0.
    """

    looks_at_frames: ClassVar[bool] = False

    def check(self, part: Part) -> None:
        """Make sure that the folder is there."""
        check_every(self.options)
        if self.options.folder is None:
            raise UserError("the detector files needs the option folder: where the keypoints or masks lie")
        if not self.options.folder.is_dir():
            raise UserError(f"folder is {self.options.folder}, which is no folder")

    def detect(self, frames: Iterable[Frame], video: SourceVideo | None, parts: frozenset[Part]) -> Iterator[Persons]:
        """Yield what the file of this video says of each frame; see `PersonDetector.detect`."""
        if video is None or self.options.folder is None:
            raise UserError("the detector files needs a folder, and the video that a file in it belongs to")
        (part,) = parts  # only detectors that look at frames are asked for two at once
        if part == "mask":
            for frame, mask in read_pictures(self.options.folder, video, frames, key="masks"):
                yield Persons(mask=resized_mask(mask, *frame.shape[:2]))
            return
        path = find_file(self.options.folder, video, with_videos=False)
        keypoints = _read_keypoints(path, video, self.options.coordinates)
        for index, _ in in_step(frames, len(keypoints), source=path, video=video):
            person_scores = keypoints[index][..., 2].max(axis=-1)
            yield Persons(keypoints=keypoints[index][person_scores > 0])


def _read_keypoints(path: Path, video: SourceVideo, coordinates: str) -> NDArray[np.float32]:
    """Return (T, R, 17, 3), with score 0 where there is no number."""
    given = read_array(path, video, key="keypoints").astype(np.float32)
    if given.ndim == 3:
        given = given[:, None]  # (T, 1, K, 2 or 3)
    if given.ndim != 4 or given.shape[-1] not in (2, 3):
        raise VideoError(
            "unmatched", video.path, f"{path} has shape {given.shape}, expected (T, K, 3) or (T, R, K, 3) keypoints"
        )
    if given.shape[-1] == 2:
        given = np.concatenate([given, (given != 0).any(axis=-1, keepdims=True)], axis=-1)
    try:
        keypoints = as_coco(given).copy()
    except ValueError as error:
        raise VideoError("unmatched", video.path, f"{path}: {error}") from None
    keypoints[~np.isfinite(keypoints).all(axis=-1)] = 0
    if coordinates == "pixels":
        keypoints[..., :2] /= (video.width or 1, video.height or 1)
    seen = keypoints[keypoints[..., 2] > 0][:, :2]
    if len(seen) and np.median(np.abs(seen)) > FAR_OUTSIDE:
        raise VideoError(
            "unmatched", video.path, f"{path} holds no fractions of the picture; for pixels set coordinates to pixels"
        )
    keypoints[..., 2] = keypoints[..., 2].clip(0, 1)
    return keypoints
