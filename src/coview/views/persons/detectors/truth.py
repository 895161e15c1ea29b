"""The detector `truth`: what the synthetic data set knows about its own clips."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import ClassVar

from coview.datasets.synthetic.truth import Truth, read_truth, truth_path
from coview.datatypes import Frame
from coview.errors import UserError, VideoError
from coview.views.arrays import in_step
from coview.views.base import SourceVideo
from coview.views.persons.detectors.base import Part, PersonDetector, Persons, check_every
from coview.views.persons.detectors.masks import resized_mask


class TruthDetector(PersonDetector):
    """Reads true keypoints and masks from the folder "truth" beside the video; `looks_at_frames` is false."""

    looks_at_frames: ClassVar[bool] = False

    def check(self, part: Part) -> None:
        """Refuse to leave out frames; whether a video has a truth shows when it is opened."""
        check_every(self.options)

    def detect(self, frames: Iterable[Frame], video: SourceVideo | None, parts: frozenset[Part]) -> Iterator[Persons]:
        """Yield the true person of each frame, (1, 17, 3) keypoints and the mask at the size of the frame."""
        if video is None:
            raise UserError("the detector truth needs the video file beside which the truth lies")
        path = truth_path(video.path)
        truth = _read(path, video)
        for index, frame in in_step(frames, len(truth.masks), source=path, video=video):
            yield Persons(
                keypoints=truth.keypoints[index] if "keypoints" in parts else None,
                mask=resized_mask(truth.masks[index], *frame.shape[:2]) if "mask" in parts else None,
            )


def _read(path: Path, video: SourceVideo) -> Truth:
    try:
        return read_truth(path)
    except UserError as error:
        raise VideoError(
            "unmatched", video.path, f"{error}. Only synthetic clips have a truth; choose another detector for others"
        ) from error
