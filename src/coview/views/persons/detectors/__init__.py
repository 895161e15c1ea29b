"""Who is in a picture and where: off-the-shelf detectors of persons, and places where the answer lies ready."""

from coview.registry import Registry
from coview.views.persons.detectors.base import PersonDetector

PERSON_DETECTORS: Registry[type[PersonDetector]] = Registry(
    "person detector",
    {
        "truth": "coview.views.persons.detectors.truth:TruthDetector",
        "mediapipe": "coview.views.persons.detectors.mediapipe_pose:MediapipeDetector",
        "rcnn": "coview.views.persons.detectors.rcnn:RcnnDetector",
        "files": "coview.views.persons.detectors.given_files:FilesDetector",
    },
)

__all__ = ["PERSON_DETECTORS", "PersonDetector"]
