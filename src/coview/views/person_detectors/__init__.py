"""Who is in a picture and where: off-the-shelf detectors of persons, and places where the answer lies ready."""

from coview.registry import Registry
from coview.views.person_detectors.base import PersonDetector

PERSON_DETECTORS: Registry[type[PersonDetector]] = Registry(
    "person detector",
    {
        "truth": "coview.views.person_detectors.truth:TruthDetector",
        "mediapipe": "coview.views.person_detectors.mediapipe_pose:MediapipeDetector",
        "rcnn": "coview.views.person_detectors.rcnn:RcnnDetector",
        "files": "coview.views.person_detectors.given_files:FilesDetector",
    },
)

__all__ = ["PERSON_DETECTORS", "PersonDetector"]
