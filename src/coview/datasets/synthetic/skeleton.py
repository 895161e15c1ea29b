"""Joint angles -> where the joints are in space, and the 17 COCO keypoints among them.

Coordinates of the body: x to the person's left, y up, z to the front; the ground is y = 0 and a body is about 1 high.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from coview.datasets.synthetic.movement import SIDES, Angles
from coview.datasets.synthetic.wander import Curve

Points = NDArray[np.float64]
"""(T, 3): one place a frame."""
Rotation = NDArray[np.float64]
"""(T, 3, 3)."""

COCO_KEYPOINTS = (
    "nose",
    *(
        f"{part}_{side}"
        for part in ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
        for side in SIDES
    ),
)
"""The 17 keypoints in the order of the COCO data set."""

DOWN = np.array([0.0, -1.0, 0.0])


@dataclass(frozen=True)
class Body:
    """A person's build, all lengths in body heights."""

    arm: float = 0.19
    """Shoulder to elbow; the forearm is a tenth shorter."""
    leg: float = 0.245
    """Hip to knee, and knee to ankle."""
    spine: float = 0.29
    """Middle of the hips to the neck."""
    shoulders: float = 0.115
    """Neck to shoulder."""
    hips: float = 0.06
    """Middle of the hips to one hip."""
    head: float = 0.075
    """Radius."""
    girth: float = 1.0
    """Factor on the thickness of everything."""


def draw_body(generator: np.random.Generator) -> Body:
    """Draw a build."""
    arm, leg, spine, shoulders, hips, head = generator.uniform(0.92, 1.08, size=6)
    plain = Body()
    return Body(
        arm=plain.arm * arm,
        leg=plain.leg * leg,
        spine=plain.spine * spine,
        shoulders=plain.shoulders * shoulders,
        hips=plain.hips * hips,
        head=plain.head * head,
        girth=generator.uniform(1.3, 1.85),
    )


def turn(axis: Literal["x", "y", "z"], degrees: Curve | float) -> Rotation:
    """Return rotations about one axis, (T, 3, 3), or (3, 3) for a single angle."""
    angle = np.deg2rad(np.asarray(degrees, dtype=np.float64))
    cosine, sine = np.cos(angle), np.sin(angle)
    result = np.zeros((*angle.shape, 3, 3))
    fixed = "xyz".index(axis)
    first, second = (fixed + 1) % 3, (fixed + 2) % 3
    result[..., fixed, fixed] = 1
    result[..., first, first] = result[..., second, second] = cosine
    result[..., first, second], result[..., second, first] = -sine, sine
    return result


def pose_body(angles: Angles, body: Body) -> dict[str, Points]:
    """Return the place of every joint, (T, 3), feet on the ground unless `lift` raises them.

    Beside the COCO keypoints: hand, toe (left and right), pelvis, neck, head, crown.
    """
    joints: dict[str, Points] = {}
    for side, sign in zip(SIDES, (1, -1), strict=True):
        joints |= _leg(angles, body, side=side, sign=sign)
    joints |= _trunk(angles, body)
    ankles = np.stack([joints["ankle_left"], joints["ankle_right"]])  # (2, T, 3)
    lowest = ankles[..., 1].min(axis=0)
    # The foot on the ground stays put: the body moves over it, as in a squat.
    weights = np.exp((lowest - ankles[..., 1]) / 0.02)
    shift = np.zeros_like(ankles[0])
    shift[:, 0] = angles["side"]
    shift[:, 1] = 0.04 - lowest + angles["lift"]
    shift[:, 2] = angles["front"] - (weights * ankles[..., 2]).sum(axis=0) / weights.sum(axis=0)
    return {name: place + shift for name, place in joints.items()}


def _leg(angles: Angles, body: Body, *, side: str, sign: int) -> dict[str, Points]:
    thigh = turn("z", sign * angles[f"hip_abduct_{side}"]) @ turn("x", -angles[f"hip_flex_{side}"])
    shin = thigh @ turn("x", angles[f"knee_{side}"])
    hip = np.broadcast_to(np.array([sign * body.hips, 0, 0]), (len(shin), 3))
    knee = hip + body.leg * (thigh @ DOWN)
    ankle = knee + body.leg * (shin @ DOWN)
    toe = ankle + shin @ np.array([sign * 0.015, -0.025, 0.085])
    return {f"hip_{side}": hip, f"knee_{side}": knee, f"ankle_{side}": ankle, f"toe_{side}": toe}


def _trunk(angles: Angles, body: Body) -> dict[str, Points]:
    chest = turn("y", angles["torso_yaw"]) @ turn("x", angles["torso_pitch"]) @ turn("z", angles["torso_roll"])
    skull = chest @ turn("y", angles["head_yaw"]) @ turn("x", angles["head_pitch"])
    neck = body.spine * (chest @ -DOWN)
    head = neck + body.head * (skull @ np.array([0, 1.35, 0.1]))
    joints = {"pelvis": np.zeros_like(neck), "neck": neck, "head": head}
    face: Mapping[str, tuple[float, float, float]] = {
        "nose": (0, -0.05, 0.95),
        "eye_left": (0.35, 0.2, 0.85),
        "eye_right": (-0.35, 0.2, 0.85),
        "ear_left": (0.9, 0.05, 0),
        "ear_right": (-0.9, 0.05, 0),
        "crown": (0, 0.45, -0.25),
    }
    joints |= {name: head + body.head * (skull @ np.array(place)) for name, place in face.items()}
    for side, sign in zip(SIDES, (1, -1), strict=True):
        joints |= _arm(angles, body, chest, neck, side=side, sign=sign)
    return joints


def _arm(angles: Angles, body: Body, chest: Rotation, neck: Points, *, side: str, sign: int) -> dict[str, Points]:
    raised = turn("z", sign * angles[f"shoulder_abduct_{side}"]) @ turn("x", -angles[f"shoulder_flex_{side}"])
    upper = chest @ raised @ turn("y", sign * angles[f"arm_twist_{side}"])
    lower = upper @ turn("x", -angles[f"elbow_{side}"])
    shoulder = neck + chest @ np.array([sign * body.shoulders, -0.025, 0])
    elbow = shoulder + body.arm * (upper @ DOWN)
    wrist = elbow + 0.9 * body.arm * (lower @ DOWN)
    hand = wrist + 0.045 * (lower @ DOWN)
    return {f"shoulder_{side}": shoulder, f"elbow_{side}": elbow, f"wrist_{side}": wrist, f"hand_{side}": hand}
