"""The view `segmentation`: how surely each pixel belongs to a person."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from coview.config import NonNegativeFloat
from coview.datatypes import Frame
from coview.video.stored import read_planes, write_planes
from coview.views.base import PixelScale, SourceVideo, StorageSettings, View
from coview.views.persons.detectors.base import Part, PersonOptions, detector_options
from coview.views.persons.shared_pass import open_detector, persons_of, resolve_detector

PERSON = 128
"""A pixel with this value or more is a person's."""
MEAN, STD = 0.1, 0.3
"""Of masks in which a person fills a tenth of the picture."""


@dataclass(frozen=True)
class SegmentationOptions(PersonOptions):
    """How person masks are found, see `PersonOptions`, and stored."""

    crf: NonNegativeFloat = 14.0
    """Quality of H.264: 0 is lossless."""

    part: ClassVar[Part] = "mask"


class SegmentationView(View):
    """Person confidence as one plane in a small H.264 file; (H, W, 1) uint8, rendered to [0, 1]."""

    name: ClassVar[str] = "segmentation"
    channels: ClassVar[int] = 1
    suffix: ClassVar[str] = ".mp4"
    Options: ClassVar[type[Any]] = SegmentationOptions
    unrecorded: ClassVar[tuple[str, ...]] = PersonOptions.unrecorded
    scale: ClassVar[PixelScale | None] = PixelScale(0.0, 255.0, mean=(MEAN,), std=(STD,), mirror_signs=(1.0,))

    def resolve_for(self, layout: str) -> View:
        """Return this view with the detector that `auto` stands for."""
        return SegmentationView(replace(self.options, detector=resolve_detector(self.options, layout)))

    def check(self) -> None:
        """Make sure that the detector works here. Raises `UserError`."""
        open_detector(detector_options(self.options)).check("mask")

    def extract(self, frames: Iterable[Frame], video: SourceVideo | None = None) -> Iterator[NDArray[Any]]:
        """Yield (H, W, 1) uint8 for each frame, 255 where a person surely is; all 0 where nobody is found."""
        for persons in persons_of(frames, video, self.options):
            assert persons.mask is not None
            yield persons.mask[..., None]

    def counts(self, frame: NDArray[Any]) -> Mapping[str, int]:
        """Count the frames in which a pixel is rather a person's than not."""
        return {"frames_with_person": int(frame.max() >= PERSON)}

    def write(self, frames: Iterable[NDArray[Any]], path: Path, *, fps: float, storage: StorageSettings) -> int:
        """Store masks (H, W, 1) uint8; return how many there were."""
        return write_planes(frames, path, fps=fps, gop=storage.gop, crf=self.options.crf, preset=storage.preset)

    def read(self, path: Path, frame_indices: NDArray[Any]) -> NDArray[Any]:
        """Return masks (T, H, W, 1) uint8. Raises `VideoError` for a damaged file or frames that it lacks."""
        return read_planes(path, frame_indices, channels=1)

    def picture(self, raw: NDArray[Any], *, height: int, width: int) -> Frame:
        """Return the mask at another size, in grey."""
        shrinks = raw.shape[0] > height or raw.shape[1] > width
        resized = cv2.resize(raw, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        return np.asarray(np.repeat(resized.reshape(height, width, 1), 3, axis=2), np.uint8)
