"""One pass of a person detector over a video, for every view that wants something from it."""

import functools
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coview.datatypes import Frame
from coview.views.base import SourceVideo
from coview.views.persons.detectors import PERSON_DETECTORS, PersonDetector
from coview.views.persons.detectors.base import Part, PersonOptions, Persons, detector_options
from coview.views.persons.tracks import between


def resolve_detector(options: PersonOptions, layout: str) -> str:
    """Return the name that `auto` stands for with a layout, or the name that was given."""
    if options.detector != "auto":
        return options.detector
    return "truth" if layout == "synthetic" else "mediapipe"


@functools.lru_cache(maxsize=4)
def open_detector(options: PersonOptions) -> PersonDetector:
    """Return the detector of these settings, the same for all videos of a process.

    Args:
        options: from `detector_options`; `auto` is mediapipe here, where no layout is known.
    """
    return PERSON_DETECTORS.load(resolve_detector(options, layout=""))(options)


def persons_of(frames: Iterable[Frame], video: SourceVideo | None, options: PersonOptions) -> Iterator[Persons]:
    """Yield the persons in each frame of a video, with the part that `options` is for.

    The first view to ask runs the detector for all views with the same settings; the others get what it found.

    Args:
        frames: (H, W, 3) uint8 RGB.
        video: where they come from.
        options: of the view that asks.
    """
    key = detector_options(options)
    if video is not None and key in video.found:
        for _, packed in zip(frames, video.found[key], strict=True):
            yield packed.unpacked()
        return
    detector = open_detector(key)
    parts = frozenset({options.part, *(_parts_of_others(video, key) if detector.looks_at_frames else ())})
    found = _detected(frames, video, detector, parts)
    if video is None or len(parts) == 1:
        yield from found
        return
    kept = []
    for persons in found:
        kept.append(PackedPersons.of(persons))
        yield persons
    video.found[key] = kept


def _parts_of_others(video: SourceVideo | None, key: PersonOptions) -> Iterator[Part]:
    for view in video.views if video is not None else ():
        if isinstance(view.options, PersonOptions) and detector_options(view.options) == key:
            yield view.options.part


@dataclass(frozen=True)
class PackedPersons:
    """Persons of one frame in little memory: a mask is mostly empty."""

    keypoints: NDArray[np.float32] | None
    mask: bytes
    mask_shape: tuple[int, ...]

    @classmethod
    def of(cls, persons: Persons) -> "PackedPersons":
        """Pack the persons of a frame."""
        mask = np.zeros((0, 0), np.uint8) if persons.mask is None else persons.mask
        return cls(persons.keypoints, zlib.compress(mask.tobytes(), 1), mask.shape)

    def unpacked(self) -> Persons:
        """Return the persons as they were."""
        mask = np.frombuffer(zlib.decompress(self.mask), np.uint8).reshape(self.mask_shape)
        return Persons(self.keypoints, mask if mask.size else None)


def _detected(
    frames: Iterable[Frame], video: SourceVideo | None, detector: PersonDetector, parts: frozenset[Part]
) -> Iterator[Persons]:
    def detect(some: Iterator[Frame]) -> Iterator[Persons]:
        return detector.detect(some, video, parts)

    every = detector.options.every
    return detect(iter(frames)) if every == 1 else _filled(frames, detect, every=every)


def _filled(
    frames: Iterable[Frame], detect: Callable[[Iterator[Frame]], Iterator[Persons]], *, every: int
) -> Iterator[Persons]:
    """Detect in every n-th frame and fill in those between; the last ones repeat what was found before them."""
    seen = 0

    def looked_at() -> Iterator[Frame]:
        nonlocal seen
        for frame in frames:
            seen += 1
            if (seen - 1) % every == 0:
                yield frame

    given = 0
    before: Persons | None = None
    for after in detect(looked_at()):
        if before is not None:
            for step in range(every):
                yield between(before, after, share=step / every)
            given += every
        before = after
    if before is not None:
        yield from [before] * (seen - given)
