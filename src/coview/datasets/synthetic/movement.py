"""How one person moves, whatever the action: tempo, amplitude, side, stance and sway."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from coview.datasets.synthetic.actions import ACTIONS, Angles
from coview.datasets.synthetic.wander import Curve, share, wander

SIDES = ("left", "right")
SIDED_ANGLES = ("shoulder_flex", "shoulder_abduct", "arm_twist", "elbow", "hip_flex", "hip_abduct", "knee")
CENTRAL_ANGLES = ("torso_pitch", "torso_roll", "torso_yaw", "head_pitch", "head_yaw", "lift", "side", "front")
LEAST_IDLE = 0.4
"""Of stance and sway at difficulty 0, as a share of that at difficulty 1."""
MIRRORED_ANGLES = ("torso_roll", "torso_yaw")
"""Central angles that change sign when left and right are exchanged."""

STANCES: Mapping[str, tuple[float, float]] = {
    "shoulder_flex": (-15, 30),
    "shoulder_abduct": (4, 40),
    "arm_twist": (-20, 50),
    "elbow": (5, 70),
    "hip_flex": (-4, 12),
    "hip_abduct": (2, 10),
    "knee": (0, 16),
    "torso_pitch": (-3, 12),
    "torso_roll": (-5, 5),
    "torso_yaw": (-15, 15),
}
"""Limits of how a person stands when doing nothing, in degrees; held through a clip."""

SWAYS: Mapping[str, float] = {
    "shoulder_flex": 12,
    "shoulder_abduct": 12,
    "arm_twist": 15,
    "elbow": 20,
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
        phases: (T,) how far into a repetition, in [0, 1); both ends are near standing.
        amplitudes: (T,) factor on the action's angles.
        leads_left: the leading side of the action is the person's left.
        idle: joint name -> (T,) degrees that are added to the action's angles.
    """

    phases: Curve
    amplitudes: Curve
    leads_left: bool
    idle: Angles


def draw_movement(generator: np.random.Generator, times: Curve, *, difficulty: float = 1.0) -> Movement:
    """Draw how a person moves over `times` (T,) in seconds; the action plays no part in it.

    A repetition lasts 0.85 to 1.5 seconds, up to a quarter of it rest; tempo and amplitude wander, and the person
    sways, the more the more difficult.
    """
    rate = 1 / generator.uniform(0.85, 1.5)
    moving_share = 1 - generator.uniform(0, 0.25)
    turns = generator.uniform(0, 1) + rate * (times + 0.12 * wander(generator, times, fastest_hz=0.5))
    phases = np.minimum((turns - np.floor(turns)) / moving_share, 1 - 1e-9)
    amplitudes = generator.uniform(0.75, 1.1) * (1 + 0.15 * wander(generator, times, fastest_hz=0.5))
    leads_left = bool(generator.integers(2))
    restless = share(LEAST_IDLE, difficulty)
    idle = {}
    for name in _angle_names():
        kind = name.removesuffix("_left").removesuffix("_right")
        low, high = STANCES.get(kind, (0, 0))
        middle = (low + high) / 2
        stance = restless * generator.uniform(low, high) + (1 - restless) * middle
        idle[name] = stance + restless * SWAYS.get(kind, 0) * wander(generator, times, fastest_hz=0.7)
    return Movement(phases, amplitudes, leads_left, idle)


def joint_angles(action: str, movement: Movement) -> Angles:
    """Return (T,) degrees of every joint for one clip; the names of paired joints end in _left and _right."""
    sides = dict(zip(("lead", "other"), SIDES if movement.leads_left else SIDES[::-1], strict=True))
    angles = dict(movement.idle)
    for name, curve in ACTIONS[action](movement.phases).items():
        joint, _, side = name.rpartition("_")
        target = f"{joint}_{sides[side]}" if side in sides else name
        sign = -1 if name in MIRRORED_ANGLES and not movement.leads_left else 1
        angles[target] = angles[target] + sign * movement.amplitudes * curve
    return angles


def _angle_names() -> tuple[str, ...]:
    return (*CENTRAL_ANGLES, *(f"{name}_{side}" for name in SIDED_ANGLES for side in SIDES))
