"""The view `pose`: where the joints of every person are."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from coview.datatypes import Frame
from coview.views.base import SourceVideo, StorageSettings, View
from coview.views.crop import Geometry
from coview.views.persons.detectors.base import Part, PersonOptions, detector_options
from coview.views.persons.keypoint_files import read_keypoints, write_keypoints
from coview.views.persons.shared_pass import open_detector, persons_of, resolve_detector
from coview.views.persons.stick_figure import draw_stick_figures

if TYPE_CHECKING:
    from torch import Tensor

TYPICAL = 0.05
"""Root mean square of heatmaps of one person."""


@dataclass(frozen=True)
class PoseOptions(PersonOptions):
    """How keypoints are found; see `PersonOptions`."""

    part: ClassVar[Part] = "keypoints"


class PoseView(View):
    """Keypoints (R, 17, 3) of every person, COCO order; rendered to 17 Gaussian heatmaps in [0, 1]."""

    name: ClassVar[str] = "pose"
    channels: ClassVar[int] = 17
    suffix: ClassVar[str] = ".npz"
    Options: ClassVar[type[Any]] = PoseOptions
    unrecorded: ClassVar[tuple[str, ...]] = PersonOptions.unrecorded

    def resolve_for(self, layout: str) -> View:
        """Return this view with the detector that `auto` stands for."""
        return PoseView(replace(self.options, detector=resolve_detector(self.options, layout)))

    def check(self) -> None:
        """Make sure that the detector works here. Raises `UserError`."""
        open_detector(detector_options(self.options)).check("keypoints")

    def extract(self, frames: Iterable[Frame], video: SourceVideo | None = None) -> Iterator[NDArray[Any]]:
        """Yield (R, 17, 3) float32 for each frame: x and y as fractions, score; R is 0 where nobody is found."""
        for persons in persons_of(frames, video, self.options):
            assert persons.keypoints is not None
            yield persons.keypoints

    def counts(self, frame: NDArray[Any]) -> Mapping[str, int]:
        """Count the frames in which somebody is."""
        return {"frames_with_person": int((frame[..., 2] > 0).any())}

    def write(self, frames: Iterable[NDArray[Any]], path: Path, *, fps: float, storage: StorageSettings) -> int:
        """Store keypoints (R, 17, 3); return how many frames there were."""
        return write_keypoints(frames, path)

    def read(self, path: Path, frame_indices: NDArray[Any]) -> NDArray[Any]:
        """Return (T, R, 17, 3) float32, R the most persons in a frame of the video. Raises `VideoError`."""
        return read_keypoints(path, frame_indices)

    def render(self, raw: "Tensor", frame_sizes: "Tensor | None", geometry: Geometry, size: int) -> "Tensor":
        """Crop and mirror (B, T, R, 17, 3) keypoints and draw them, (B, 17, T, size, size) float32 in [0, 1].

        Where a clip is mirrored, the channels of left and right points swap.
        """
        from coview.views.persons.heatmaps import cropped_keypoints, draw_heatmaps

        return draw_heatmaps(cropped_keypoints(raw, geometry), size)

    def standardise(self, clips: "Tensor") -> "Tensor":
        """Divide by the typical value of a map: nobody stays 0."""
        return clips / TYPICAL

    def picture(self, raw: NDArray[Any], *, height: int, width: int) -> Frame:
        """Draw one frame's persons as stick figures, left orange and right blue."""
        return draw_stick_figures(np.asarray(raw), height=height, width=width)
