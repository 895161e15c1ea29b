"""What the figures do: joint angles as curves of the phase of a repetition.

Every repetition of every action starts and ends standing, all angles zero, so that a single picture says little about
the class. What differs is how the joints move.

Angles are in degrees. Names end in "lead" or "other": the side that does the action (drawn at random for each
clip) and its opposite. `lift` is the height of a jump in body heights.
"""

from collections.abc import Callable, Mapping

import numpy as np

from coview.datasets.synthetic.wander import Curve

Angles = dict[str, Curve]
"""Joint name -> (T,) degrees (or body heights, for lift)."""


def bump(phase: Curve) -> Curve:
    """Rise from 0 to 1 at half of the repetition and fall back, smoothly; 0 outside [0, 1]."""
    return np.asarray(np.sin(np.pi * np.clip(phase, 0, 1)) ** 2)


def plateau(phase: Curve) -> Curve:
    """Rise from 0 to 1 within the first quarter, hold, fall within the last."""
    return np.asarray(np.sin(np.pi / 2 * np.clip(np.minimum(phase, 1 - phase) * 4, 0, 1)) ** 2)


def part(phase: Curve, start: float, stop: float) -> Curve:
    """Return the phase within [start, stop] of the repetition, as 0 to 1."""
    return np.clip((phase - start) / (stop - start), 0, 1)


def wave(phase: Curve) -> Angles:
    """One arm goes up sideways, the forearm swings three times, the arm comes down."""
    up = plateau(phase)
    swing = 40 * np.sin(6 * np.pi * phase)
    return {"shoulder_abduct_lead": 105 * up, "arm_twist_lead": 90 * up, "elbow_lead": (45 + swing) * up}


def jumping_jack(phase: Curve) -> Angles:
    """Both arms up and both legs apart in a hop, and back."""
    up = bump(phase)
    hop = 0.05 * (bump(part(phase, 0, 0.5)) + bump(part(phase, 0.5, 1)))
    return {
        "shoulder_abduct_lead": 150 * up,
        "shoulder_abduct_other": 150 * up,
        "hip_abduct_lead": 24 * up,
        "hip_abduct_other": 24 * up,
        "lift": hop,
    }


def jump(phase: Curve) -> Angles:
    """Crouch, leap with both arms swinging forward and up, land."""
    crouch = bump(part(phase, 0, 0.4)) + 0.6 * bump(part(phase, 0.7, 1))
    flight = part(phase, 0.3, 0.75)
    arms = -40 * crouch + 150 * bump(flight)
    return {
        "shoulder_flex_lead": arms,
        "shoulder_flex_other": arms,
        "hip_flex_lead": 55 * crouch,
        "hip_flex_other": 55 * crouch,
        "knee_lead": 80 * crouch,
        "knee_other": 80 * crouch,
        "torso_pitch": 25 * crouch,
        "lift": 0.15 * 4 * flight * (1 - flight),
    }


def squat(phase: Curve) -> Angles:
    """Go down on both knees' bend with the arms forward, and up."""
    down = bump(phase)
    return {
        "shoulder_flex_lead": 80 * down,
        "shoulder_flex_other": 80 * down,
        "hip_flex_lead": 95 * down,
        "hip_flex_other": 95 * down,
        "knee_lead": 115 * down,
        "knee_other": 115 * down,
        "torso_pitch": 25 * down,
    }


def walk(phase: Curve) -> Angles:
    """Two steps on the spot, the arms swinging against the legs."""
    swing, lift = np.sin(2 * np.pi * phase), np.sin(4 * np.pi * phase)
    return {
        "shoulder_flex_lead": -38 * swing,
        "shoulder_flex_other": 38 * swing,
        "hip_flex_lead": 34 * swing,
        "hip_flex_other": -34 * swing,
        "knee_lead": 40 * np.abs(lift) * (np.cos(2 * np.pi * phase) > 0),
        "knee_other": 40 * np.abs(lift) * (np.cos(2 * np.pi * phase) < 0),
    }


def high_knees(phase: Curve) -> Angles:
    """Run on the spot: four quick steps, the knees up to the hip."""
    swing = np.sin(4 * np.pi * phase)
    lead, other = np.maximum(0, swing), np.maximum(0, -swing)
    return {
        "shoulder_flex_lead": -30 * swing,
        "shoulder_flex_other": 30 * swing,
        "elbow_lead": 60 * other,
        "elbow_other": 60 * lead,
        "hip_flex_lead": 80 * lead,
        "hip_flex_other": 80 * other,
        "knee_lead": 90 * lead,
        "knee_other": 90 * other,
        "lift": 0.03 * np.abs(swing),
    }


def kick(phase: Curve) -> Angles:
    """One leg swings back, then forward and high, and comes down."""
    back, forth = bump(part(phase, 0, 0.4)), bump(part(phase, 0.25, 0.9))
    return {
        "hip_flex_lead": 100 * forth - 30 * back,
        "knee_lead": 70 * back + 15 * forth,
        "shoulder_abduct_other": 30 * forth,
        "torso_pitch": -12 * forth,
    }


def punch(phase: Curve) -> Angles:
    """One fist shoots forward, then the other."""
    angles: Angles = {"torso_yaw": 25 * np.sin(2 * np.pi * phase)}
    for side, start in (("lead", 0.0), ("other", 0.5)):
        reach = bump(part(phase, start, start + 0.5))
        drawn = bump(part(phase, start, start + 0.3)) + bump(part(phase, start + 0.2, start + 0.5))
        angles[f"shoulder_flex_{side}"] = 90 * reach
        angles[f"elbow_{side}"] = 100 * drawn * (1 - 0.5 * reach)
    return angles


def bow(phase: Curve) -> Angles:
    """Bend forward from the hip and come up."""
    down = bump(phase)
    return {"torso_pitch": 80 * down, "head_pitch": 15 * down}


def side_bend(phase: Curve) -> Angles:
    """Lean to one side with the far arm going over the head, then to the other."""
    lean = np.sin(2 * np.pi * phase)
    return {
        "torso_roll": 32 * lean,
        "shoulder_abduct_lead": 100 * np.maximum(0, lean),
        "shoulder_abduct_other": 100 * np.maximum(0, -lean),
    }


ACTIONS: Mapping[str, Callable[[Curve], Angles]] = {
    "bow": bow,
    "high_knees": high_knees,
    "jump": jump,
    "jumping_jack": jumping_jack,
    "kick": kick,
    "punch": punch,
    "side_bend": side_bend,
    "squat": squat,
    "walk": walk,
    "wave": wave,
}
"""Label -> its curves, (T,) phase in [0, 1) in, (T,) angles out."""
