"""A person detector for tests: a person who walks to the right, known by the number of the frame and not by looks."""

from collections.abc import Iterable, Iterator

import numpy as np
import pytest

from coview.datatypes import Frame
from coview.registry import _Row
from coview.views.base import SourceVideo
from coview.views.persons.detectors import PERSON_DETECTORS
from coview.views.persons.detectors.base import Part, PersonDetector, Persons
from coview.views.persons.shared_pass import open_detector

CALLS: list[frozenset[Part]] = []
"""The parts that each pass over a video was asked for."""
LOOKED_AT: list[int] = []
"""Brightness of the first pixel of each frame that was looked at."""


def use_stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the stand-in in the place of mediapipe."""
    rows = {**PERSON_DETECTORS._rows, "mediapipe": _Row("stand_in_detector:WalkingDetector")}
    monkeypatch.setattr(PERSON_DETECTORS, "_rows", rows)
    open_detector.cache_clear()
    CALLS.clear()
    LOOKED_AT.clear()


class WalkingDetector(PersonDetector):
    """In its n-th frame point k is at x = 0.1 + 0.05 n + 0.01 k, y = 0.2 + 0.03 k; in each fifth nobody is there."""

    def check(self, part: Part) -> None:
        pass

    def detect(self, frames: Iterable[Frame], video: SourceVideo | None, parts: frozenset[Part]) -> Iterator[Persons]:
        CALLS.append(parts)
        for number, frame in enumerate(frames):
            LOOKED_AT.append(int(frame[0, 0, 0]))
            is_there = number % 5 != 4
            points = np.arange(17)
            person = np.stack([0.1 + 0.05 * number + 0.01 * points, 0.2 + 0.03 * points, 1 - 0.05 * points], axis=-1)
            mask = np.zeros(frame.shape[:2], np.uint8)
            mask[4:20, 3 + 2 * number : 13 + 2 * number] = 255 * is_there
            yield Persons(
                keypoints=person[None][: int(is_there)].astype(np.float32) if "keypoints" in parts else None,
                mask=mask if "mask" in parts else None,
            )
