"""One clip of the synthetic data set, from the seed and its index alone."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coview.datasets.synthetic.figure import DressedFigure, draw_clothes, pieces_of
from coview.datasets.synthetic.movement import draw_movement, joint_angles
from coview.datasets.synthetic.scenery import Transforms, draw_camera, draw_place, paint_background
from coview.datasets.synthetic.settings import (
    CAMERA,
    MOVEMENT,
    PERSON,
    SCENE,
    SyntheticSettings,
    action_of,
    clip_id,
    group_name,
    group_of,
    split_of,
)
from coview.datasets.synthetic.skeleton import COCO_KEYPOINTS, Points, draw_body, pose_body, turn
from coview.datasets.synthetic.wander import share
from coview.datatypes import check_shape, random_generator


@dataclass(frozen=True)
class RenderedClip:
    """A clip and the truth about it.

    Attributes:
        id: the file's name without its extension.
        label: the action.
        group: clips of one person in one place share it.
        split: "train" or "test", for split1.
        frames: (T, H, W, 3) uint8 RGB.
        keypoints: (T, 1, 17, 3) float32, COCO order: x and y as fractions of width and height, and a score that is 1
            inside the picture and 0 outside of it.
        masks: (T, H, W) uint8, 255 where the person is and 0 elsewhere.
    """

    id: str
    label: str
    group: str
    split: str
    frames: NDArray[np.uint8]
    keypoints: NDArray[np.float32]
    masks: NDArray[np.uint8]

    def __post_init__(self) -> None:
        frames, height, width, _ = self.frames.shape
        check_shape("frames", self.frames, None, None, None, 3)
        check_shape("keypoints", self.keypoints, frames, 1, len(COCO_KEYPOINTS), 3)
        check_shape("masks", self.masks, frames, height, width)


LEAST_TURN = 0.2
"""Of a person away from the camera at difficulty 0, as a share of that at difficulty 1."""


@dataclass(frozen=True)
class Viewpoint:
    """Where the person stands and from where we look.

    Attributes:
        yaw_degrees: how far the person is turned away from the camera.
        pitch_degrees: how far the camera looks down.
        tilt_degrees: how far the camera leans to its side.
        size: body height in picture heights.
        feet: x and y of the ground under the person, as fractions of the picture.
    """

    yaw_degrees: float
    pitch_degrees: float
    tilt_degrees: float
    size: float
    feet: tuple[float, float]


def render_clip(settings: SyntheticSettings, index: int) -> RenderedClip:
    """Render clip `index`: the same arrays on every call, in every process.

    Raises:
        ValueError: no such clip.
    """
    if not 0 <= index < settings.num_videos:
        raise ValueError(f"clip {index} of a set of {settings.num_videos}")
    seed, group = settings.seed, group_of(index)
    height, width = settings.height, settings.width
    times = np.arange(settings.num_frames) / settings.fps
    label = action_of(seed, index)

    person = random_generator(seed, PERSON, group)
    hard = settings.difficulty
    body, clothes = draw_body(person), draw_clothes(person, difficulty=hard)
    place = draw_place(random_generator(seed, SCENE, group), height=height, width=width, difficulty=hard)
    movement = draw_movement(random_generator(seed, MOVEMENT, index), times, difficulty=hard)
    view = random_generator(seed, CAMERA, index)
    viewpoint = draw_viewpoint(view, difficulty=hard)
    camera = draw_camera(view, times, height=height, width=width, difficulty=hard)

    joints = pose_body(joint_angles(label, movement), body)
    joints |= _torso_band(joints)
    places = project(joints, viewpoint, camera, height=height, width=width)
    scales = viewpoint.size * height * np.linalg.norm(camera[:, :, 0], axis=1)
    figure = DressedFigure(pieces_of(clothes, girth=body.girth, head=body.head), places, scales=scales)
    frames = np.empty((settings.num_frames, height, width, 3), dtype=np.uint8)
    masks = np.empty((settings.num_frames, height, width), dtype=np.uint8)
    background = paint_background(place, camera, view, times, height=height, width=width, difficulty=hard)
    for frame, picture in enumerate(background):
        masks[frame] = figure.draw(picture, frame)
        frames[frame] = picture
    return RenderedClip(
        id=clip_id(index),
        label=label,
        group=group_name(index),
        split=split_of(index, test_share=settings.test_share),
        frames=frames,
        keypoints=_keypoints(places, height=height, width=width),
        masks=masks,
    )


def draw_viewpoint(generator: np.random.Generator, *, difficulty: float) -> Viewpoint:
    """Draw where a person stands: up to a quarter turn their back, and the legs of large ones are below the picture."""
    back = 180 * (generator.uniform() < 0.25 * difficulty)
    size = generator.uniform(0.65, 1.15)
    edge = share(0.4, difficulty, most=0.3)
    return Viewpoint(
        yaw_degrees=back + share(LEAST_TURN, difficulty) * generator.uniform(-50, 50),
        pitch_degrees=generator.uniform(0, 14),
        tilt_degrees=generator.uniform(-8, 8),
        size=size,
        feet=(generator.uniform(edge, 1 - edge), generator.uniform(0.5, 0.6) + 0.5 * size),
    )


def project(
    joints: Mapping[str, Points], viewpoint: Viewpoint, camera: Transforms, *, height: int, width: int
) -> dict[str, Points]:
    """Return each joint's x and y in pixels and its nearness to the camera in body heights, (T, 3)."""
    rotation = turn("z", viewpoint.tilt_degrees) @ turn("x", viewpoint.pitch_degrees) @ turn("y", viewpoint.yaw_degrees)
    scale = viewpoint.size * height
    feet = np.array(viewpoint.feet) * (width, height)
    places = {}
    for name, joint in joints.items():
        seen = joint @ rotation.T  # (T, 3)
        perspective = 1 + 0.12 * seen[:, 2:]
        at_rest = feet + scale * perspective * seen[:, :2] * (1, -1)
        pixels = (camera[:, :, :2] @ at_rest[..., None])[..., 0] + camera[:, :, 2]
        places[name] = np.concatenate([pixels, seen[:, 2:]], axis=1)
    return places


def _torso_band(joints: Mapping[str, Points]) -> dict[str, Points]:
    return {
        f"{name}_{side}": (1 - share) * joints[f"hip_{side}"] + share * joints[f"shoulder_{side}"]
        for name, share in (("belly", 0.4), ("ribs", 0.6))
        for side in ("left", "right")
    }


def _keypoints(places: Mapping[str, Points], *, height: int, width: int) -> NDArray[np.float32]:
    pixels = np.stack([places[name][:, :2] for name in COCO_KEYPOINTS], axis=1)  # (T, 17, 2)
    # A pixel's centre lies half a pixel inside its edge, and fractions run from edge to edge.
    fractions = (pixels + 0.5) / (width, height)
    is_inside = ((fractions >= 0) & (fractions < 1)).all(axis=-1, keepdims=True)
    keypoints = np.concatenate([fractions, is_inside], axis=-1)[:, None]  # (T, 1, 17, 3)
    return np.asarray(keypoints, dtype=np.float32)
