"""How one person moves, whatever the action: tempo, side, where the arms begin, stance and sway."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from coview.datasets.synthetic.actions import ACTIONS
from coview.datasets.synthetic.wander import Curve, share, wander

Angles = dict[str, Curve]
"""Joint name -> (T,) degrees, or body heights for "lift" (of a jump), "side" and "front" (where one stands)."""

SIDES = ("left", "right")
SIDED_ANGLES = ("shoulder_flex", "shoulder_abduct", "arm_twist", "elbow", "hip_flex", "hip_abduct", "knee")
CENTRAL_ANGLES = ("torso_pitch", "torso_roll", "torso_yaw", "head_pitch", "head_yaw", "lift", "side", "front")
LEAST_IDLE = 0.4
"""Of stance and sway at difficulty 0, as a share of that at difficulty 1."""
MOST_TEMPO_CHANGE = 0.1
"""A person is up to this share slower or faster than the action says."""

STANCES: Mapping[str, tuple[float, float]] = {
    "shoulder_flex": (8, 20),
    "elbow": (0, 30),
    "hip_flex": (-4, 12),
    "hip_abduct": (2, 10),
    "knee": (0, 16),
    "torso_pitch": (-3, 12),
    "torso_roll": (-5, 5),
    "torso_yaw": (-15, 15),
}
"""Limits of how a person stands when doing nothing, in degrees; held through a clip."""

SWAYS: Mapping[str, float] = {
    "shoulder_flex": 6,
    "elbow": 15,
    "hip_flex": 5,
    "hip_abduct": 3,
    "knee": 5,
    "torso_pitch": 6,
    "torso_roll": 6,
    "torso_yaw": 12,
    "head_pitch": 8,
    "head_yaw": 30,
    "side": 0.12,
    "front": 0.12,
}
"""How far a person moves when doing nothing, in degrees to each side."""


@dataclass(frozen=True)
class Movement:
    """One clip's manner of moving.

    Attributes:
        clock: (T,) seconds of moving, which pass at this person's own tempo.
        starts: where the leading arm and the other one begin, in turns.
        leads_left: the arm that leads is the person's left.
        idle: joint name -> (T,) degrees that are added to the action's angles.
    """

    clock: Curve
    starts: tuple[float, float]
    leads_left: bool
    idle: Angles


def draw_movement(generator: np.random.Generator, times: Curve, *, difficulty: float = 1.0) -> Movement:
    """Draw how a person moves over `times` (T,) in seconds; the action plays no part in it.

    Each arm begins anywhere; the tempo differs between people and wanders, and people sway, the more the more
    difficult.
    """
    tempo = 1 + MOST_TEMPO_CHANGE * generator.uniform(-1, 1)
    clock = tempo * (times + 0.06 * wander(generator, times, fastest_hz=0.7))
    first, second = generator.uniform(0, 1, size=2)
    leads_left = bool(generator.integers(2))
    restless = share(LEAST_IDLE, difficulty)
    idle = {}
    for name in _angle_names():
        kind = name.removesuffix("_left").removesuffix("_right")
        low, high = STANCES.get(kind, (0, 0))
        middle = (low + high) / 2
        stance = restless * generator.uniform(low, high) + (1 - restless) * middle
        idle[name] = stance + restless * SWAYS.get(kind, 0) * wander(generator, times, fastest_hz=0.7)
    return Movement(clock, (float(first), float(second)), leads_left, idle)


def joint_angles(action: str, movement: Movement) -> Angles:
    """Return (T,) degrees of every joint for one clip; the names of paired joints end in _left and _right."""
    arms = ACTIONS[action]
    angles = dict(movement.idle)
    sides = SIDES if movement.leads_left else SIDES[::-1]
    for side, start, rate in zip(sides, movement.starts, (arms.lead, arms.other), strict=True):
        name = f"shoulder_abduct_{side}"
        angles[name] = angles[name] + 360 * (start + rate * movement.clock)
    return angles


def _angle_names() -> tuple[str, ...]:
    return (*CENTRAL_ANGLES, *(f"{name}_{side}" for name in SIDED_ANGLES for side in SIDES))
