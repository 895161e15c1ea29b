"""The contract of a person detector, and the settings that all of them share."""

import abc
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from coview.config import Fraction, Positive
from coview.datatypes import Frame, check_shape
from coview.errors import UserError
from coview.views.base import SourceVideo

Part = Literal["keypoints", "mask"]
"""What a view wants to know of the persons in a picture."""


@dataclass(frozen=True)
class PersonOptions:
    """Who finds the persons, and how; the views `pose` and `segmentation` begin with these.

    Views that are given the same of these settings share one pass over a video.
    """

    detector: Literal["auto", "truth", "mediapipe", "rcnn", "files"] = "auto"
    """truth: what the layout synthetic knows of its clips; mediapipe: one person a frame, works offline (extra
    "pose"); rcnn: torchvision's Keypoint and Mask R-CNN, every person; files: your own, from `folder`;
    auto: truth for the layout synthetic, else mediapipe."""
    every: Positive = 1
    """Look at every n-th frame only; between them keypoints move in straight lines and the nearest mask repeats."""
    min_confidence: Fraction = 0.5
    """A person found with less confidence than this is not there."""
    folder: Path | None = None
    """files: the folder with one file a video, <video id> or <name of the video file> with any of its suffixes."""
    coordinates: Literal["fractions", "pixels"] = "fractions"
    """files: keypoints are fractions of width and height, or pixels of the source video."""
    weights: Path | None = None
    """rcnn: file with the network's weights; not set: torchvision's own, downloaded once."""
    device: Literal["cpu", "cuda"] = "cpu"
    """rcnn: where the network runs."""
    batch_size: Positive = 8
    """rcnn: frames in a batch."""

    unrecorded: ClassVar[tuple[str, ...]] = ("device", "batch_size")
    """Say where the work is done and not what comes of it."""
    part: ClassVar[Part]
    """What the view wants."""


def detector_options(options: PersonOptions) -> PersonOptions:
    """Return the settings that decide about detection alone: views for which they are equal can share it."""
    return PersonOptions(**{field.name: getattr(options, field.name) for field in fields(PersonOptions)})


@dataclass(frozen=True)
class Persons:
    """The persons in one picture; a part that was not asked for is None.

    Attributes:
        keypoints: (R, 17, 3) float32, COCO order, one row a person and none where nobody is: x and y as fractions of
            width and height, score 0 to 1.
        mask: (H, W) uint8, how sure it is that a pixel belongs to a person; all 0 where nobody is.
    """

    keypoints: NDArray[np.float32] | None = None
    mask: NDArray[np.uint8] | None = None

    def __post_init__(self) -> None:
        if self.keypoints is not None:
            check_shape("keypoints", self.keypoints, None, 17, 3)
        if self.mask is not None:
            check_shape("mask", self.mask, None, None)


class PersonDetector(abc.ABC):
    """Finds the persons in the pictures of a video. Final classes are rows of `PERSON_DETECTORS`.

    One detector serves many videos in turn, so networks are loaded once a process.

    Args:
        options: see there; `detector` is this one.
    """

    looks_at_frames: ClassVar[bool] = True
    """Whether pictures decide, so that some may be left out and one look serves both parts, or all is known before."""

    def __init__(self, options: PersonOptions) -> None:
        self.options = options

    @abc.abstractmethod
    def check(self, part: Part) -> None:
        """Make sure that this detector can work here.

        Raises:
            UserError: a package, file or device is not there; the message names it and what to do.
        """

    @abc.abstractmethod
    def detect(self, frames: Iterable[Frame], video: SourceVideo | None, parts: frozenset[Part]) -> Iterator[Persons]:
        """Yield the persons in each frame, lazily.

        Args:
            frames: (H, W, 3) uint8 RGB, consecutive or every n-th frame of one video.
            video: where they come from.
            parts: what is wanted.

        Raises:
            VideoError: "unmatched" where ready-made detections are missing or do not fit the frames.
        """


def check_every(options: PersonOptions) -> None:
    """Refuse to leave frames out where every frame's persons are known without looking.

    Raises:
        UserError: `every` is more than 1.
    """
    if options.every > 1:
        raise UserError(f"every is {options.every}, but the detector {options.detector} knows every frame; leave it 1")
