"""The detector `mediapipe`: BlazePose, one person a frame, from a package that brings its model with it."""

import contextlib
import importlib.util
import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coview.datatypes import Frame
from coview.errors import MissingExtraError, UserError
from coview.views.base import SourceVideo
from coview.views.persons.detectors.base import Part, PersonDetector, Persons
from coview.views.persons.detectors.masks import resized_mask
from coview.views.persons.detectors.skeletons import as_coco

MODEL_COMPLEXITY = 1
"""The one size of the model that the package brings; the others are downloaded."""
NOBODY = np.zeros((0, 17, 3), np.float32)


class MediapipeDetector(PersonDetector):
    """MediaPipe Pose (Bazarevsky et al. 2020, "BlazePose") on the CPU, following the person from frame to frame.

    Where the network that follows the person is less sure than `min_confidence` that somebody is there, nobody is,
    and the person detector looks again in the next frame. The score of a point is its visibility.
    """

    def __init__(self, options: Any) -> None:
        super().__init__(options)
        self._networks: dict[bool, Any] = {}

    def check(self, part: Part) -> None:
        """Make sure that mediapipe is installed and has a model."""
        if importlib.util.find_spec("mediapipe") is None:
            raise _missing()
        with silenced():
            self._network(with_mask=part == "mask").process(np.zeros((64, 64, 3), np.uint8))

    def detect(self, frames: Iterable[Frame], video: SourceVideo | None, parts: frozenset[Part]) -> Iterator[Persons]:
        """Yield at most one person for each frame; see `PersonDetector.detect`."""
        network: Any = None
        for frame in frames:
            with silenced():  # its threads speak until the first frame is through
                if network is None:
                    network = self._network(with_mask="mask" in parts)
                    network.reset()  # nobody is followed from one video into the next
                found = network.process(np.ascontiguousarray(frame))
            yield Persons(
                keypoints=_keypoints(found) if "keypoints" in parts else None,
                mask=_mask(found, *frame.shape[:2]) if "mask" in parts else None,
            )

    def _network(self, *, with_mask: bool) -> Any:
        if with_mask not in self._networks:
            try:
                from mediapipe.python.solutions.pose import Pose
            except ImportError as error:
                if importlib.util.find_spec("mediapipe") is None:
                    raise _missing() from None
                raise UserError(
                    f"the installed mediapipe cannot be used ({error}); one that can: pip install 'coview[pose]'"
                ) from error
            confidence = self.options.min_confidence
            self._networks[with_mask] = Pose(
                model_complexity=MODEL_COMPLEXITY,
                enable_segmentation=with_mask,
                min_detection_confidence=confidence,
                min_tracking_confidence=confidence,
            )
        return self._networks[with_mask]


def _missing() -> MissingExtraError:
    return MissingExtraError("finding persons with the detector mediapipe", package="mediapipe", extra="pose")


def _keypoints(found: Any) -> NDArray[np.float32]:
    if found.pose_landmarks is None:
        return NOBODY
    points = [(point.x, point.y, point.visibility) for point in found.pose_landmarks.landmark]
    return as_coco(np.array(points, np.float32))[None]


def _mask(found: Any, height: int, width: int) -> NDArray[np.uint8]:
    if found.pose_landmarks is None or found.segmentation_mask is None:
        return np.zeros((height, width), np.uint8)
    return resized_mask(found.segmentation_mask, height, width)


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Keep what C++ code writes to standard error from the terminal: mediapipe speaks with every network it loads."""
    sys.stderr.flush()
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123  (no path of ours)
        kept = os.dup(2)
        try:
            os.dup2(nowhere.fileno(), 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
