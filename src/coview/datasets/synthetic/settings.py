"""How many clips, how large, and which clip is whose: all of it follows from a clip's index and the seed."""

from dataclasses import dataclass

from coview.config import Count, Fraction, Positive, PositiveFloat
from coview.datasets.synthetic.actions import ACTIONS
from coview.datatypes import random_generator
from coview.errors import UserError

LABELS, PERSON, SCENE, MOVEMENT, CAMERA = range(5)
"""Purposes of random draws. Only LABELS decides the action; nothing else is drawn from it."""

GROUP_SIZE = 2
"""Clips that show one person in one place, each doing something else."""


@dataclass(frozen=True)
class SyntheticSettings:
    """The synthetic data set. A clip depends on the seed, its index and the picture, not on how many there are."""

    num_videos: Positive = 500
    """Clips in all; each ten in a row show every action once."""
    num_frames: Positive = 48
    """Frames in a clip."""
    fps: PositiveFloat = 25.0
    """Frames a second."""
    height: Positive = 96
    """Of the picture, in pixels; even, at least 32."""
    width: Positive = 96
    """Of the picture, in pixels; even, at least 32."""
    seed: Count = 0
    """Another seed gives other people, places and movements."""
    difficulty: Fraction = 0.2
    """How much beside the action varies: places, cameras, viewpoints and manners of moving. 0: a faint place that
    hardly moves, people in colours that stand out of it; 1: all of it stands out and moves as much as the person."""
    test_share: Fraction = 0.4
    """About this share of the clips is the test part of split1. Fewer than 20 clips are all training clips."""

    def __post_init__(self) -> None:
        if self.num_videos < 1 or self.num_frames < 1 or not 0 < self.fps <= 1000:
            raise UserError(
                f"synthetic clips need at least 1 video, 1 frame and a rate of up to 1000; "
                f"got {self.num_videos} videos, {self.num_frames} frames, {self.fps} frames a second"
            )
        if min(self.height, self.width) < 32 or self.height % 2 or self.width % 2:
            raise UserError(
                f"synthetic pictures need even sides of at least 32 pixels, got {self.width} x {self.height}"
            )
        if not (0 <= self.test_share <= 1 and 0 <= self.difficulty <= 1) or self.seed < 0:
            raise UserError(
                f"test_share and difficulty are shares from 0 to 1 and seed 0 or more, got {self.test_share}, "
                f"{self.difficulty} and {self.seed}"
            )


def clip_id(index: int) -> str:
    """Return the id, and file name without its extension, of a clip; it says nothing about the action."""
    return f"synthetic_{index:05d}"


def action_of(seed: int, index: int) -> str:
    """Return the label of a clip: each run of len(ACTIONS) clips is a random order of all actions."""
    names = tuple(ACTIONS)
    order = random_generator(seed, LABELS, index // len(names)).permutation(len(names))
    return names[int(order[index % len(names)])]


def group_of(index: int) -> int:
    """Return the number of the person and place a clip shows."""
    return index // GROUP_SIZE


def group_name(index: int) -> str:
    """Return the name of a clip's group."""
    return f"person_{group_of(index):04d}"


def split_of(index: int, *, test_share: float) -> str:
    """Return "train" or "test" for a clip: whole runs of all actions, so that both parts are balanced."""
    run = index // len(ACTIONS)
    # The offset puts the first test run second, so that small sets have one.
    before, after = (int(test_share * (count + 1) + 1e-9) for count in (run, run + 1))
    return "test" if after > before else "train"
