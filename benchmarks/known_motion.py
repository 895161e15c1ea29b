"""Pairs of pictures whose motion is known exactly, for measuring the error of optical flow."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float32]
Motion = NDArray[np.float32]  # (H, W, 2), u to the right and v down, in pixels
OVERSAMPLING = 2
MARGIN = 40  # pixels of texture beyond the picture on each side, so that motion never samples an edge


@dataclass(frozen=True)
class Pair:
    """Two grey pictures and the motion from the first to the second.

    Attributes:
        name: kind of motion and its size in pixels.
        first, second: (H, W) uint8.
        motion: (H, W, 2) float32: the point at x in `first` lies at x + motion(x) in `second`.
    """

    name: str
    first: NDArray[np.uint8]
    second: NDArray[np.uint8]
    motion: Motion


def known_motion_pairs(height: int, width: int, *, seed: int = 0, magnitudes: tuple[float, ...] = ()) -> Iterator[Pair]:
    """Yield a pair for each kind of motion and magnitude (largest motion in the picture, in pixels)."""
    kinds: dict[str, Callable[[int, int, np.random.Generator], Motion]] = {
        "translation": _translation,
        "rotation": _rotation,
        "zoom": _zoom,
        "smooth": _smooth,
    }
    for magnitude in magnitudes or (0.5, 2.0, 5.0, 10.0, 15.0):
        for kind, field in kinds.items():
            rng = np.random.default_rng([seed, round(magnitude * 10), len(kind)])
            motion = scaled(field(height, width, rng), magnitude)
            yield one_layer(f"{kind} {magnitude:g}", motion, rng)
        rng = np.random.default_rng([seed, round(magnitude * 10), 99])
        background, object_motion = (_translation(height, width, rng), _smooth(height, width, rng))
        pair = two_layers(
            f"layers {magnitude:g}", scaled(background, magnitude / 3), scaled(object_motion, magnitude), rng
        )
        yield pair
        yield brighter(pair, rng)
        yield noisy(pair, rng)


def scaled(motion: Motion, magnitude: float) -> Motion:
    """Return the motion scaled so that its largest vector is `magnitude` pixels long."""
    return np.asarray(motion * (magnitude / np.linalg.norm(motion, axis=-1).max()), np.float32)


def one_layer(name: str, motion: Motion, rng: np.random.Generator) -> Pair:
    """Return a pair in which one textured surface moves."""
    height, width = motion.shape[:2]
    texture = random_texture(height, width, rng)
    first, second = (sample(texture, shift) for shift in (motion, np.zeros_like(motion)))
    return Pair(name, as_bytes(first), as_bytes(second), motion)


def two_layers(name: str, background: Motion, object_motion: Motion, rng: np.random.Generator) -> Pair:
    """Return a pair in which a few objects move over a background that moves differently."""
    height, width = background.shape[:2]
    still = np.zeros_like(background)
    behind, front = random_texture(height, width, rng), random_texture(height, width, rng)
    shape = _random_shape(height, width, rng)
    cover = {key: sample(shape, shift) for key, shift in (("first", object_motion), ("second", still))}
    first = sample(behind, background) * (1 - cover["first"]) + sample(front, object_motion) * cover["first"]
    second = sample(behind, still) * (1 - cover["second"]) + sample(front, still) * cover["second"]
    motion = np.where(cover["first"][..., None] > 0.5, object_motion, background)
    return Pair(name, as_bytes(first), as_bytes(second), motion)


def brighter(pair: Pair, rng: np.random.Generator) -> Pair:
    """Return the pair with the second picture's brightness and contrast changed a little."""
    gain, offset = rng.uniform(0.97, 1.03), rng.uniform(-3, 3)
    return Pair(f"brightness, {pair.name}", pair.first, as_bytes(pair.second * gain + offset), pair.motion)


def noisy(pair: Pair, rng: np.random.Generator, *, deviation: float = 4.0) -> Pair:
    """Return the pair with Gaussian noise of this standard deviation (in grey levels) in both pictures."""
    first, second = (
        as_bytes(picture + rng.normal(0, deviation, picture.shape)) for picture in (pair.first, pair.second)
    )
    return Pair(f"noise, {pair.name}", first, second, pair.motion)


def end_point_error(flow: Motion, pair: Pair) -> float:
    """Return the mean distance in pixels between flow and true motion."""
    return float(np.linalg.norm(flow - pair.motion, axis=-1).mean())


def random_texture(height: int, width: int, rng: np.random.Generator) -> Picture:
    """Return noise of several scales with flat polygons on it, oversampled and with margins, about 20 .. 235."""
    rows, columns = ((side + 2 * MARGIN) * OVERSAMPLING for side in (height, width))
    texture = np.zeros((rows, columns), np.float32)
    for octave in range(2, 8):
        coarse = rng.normal(0, 1, (rows // 2**octave + 3, columns // 2**octave + 3)).astype(np.float32)
        texture += cv2.resize(coarse, (columns, rows), interpolation=cv2.INTER_CUBIC) * 2.0 ** (0.8 * (octave - 2))
    texture = 128 + 35 * (texture - texture.mean()) / texture.std()
    for _ in range(12):
        centre = rng.uniform((0, 0), (columns, rows))
        corners = (centre + rng.normal(0, rows / 10, (5, 2))).astype(np.int32)
        cv2.fillPoly(texture, [cv2.convexHull(corners)], float(rng.uniform(20, 235)), lineType=cv2.LINE_8)
    return np.asarray(np.clip(cv2.GaussianBlur(texture, (0, 0), 0.8), 20, 235), np.float32)


def sample(texture: Picture, shift: Motion) -> Picture:
    """Return the (H, W) picture of the oversampled texture seen at x + shift(x)."""
    height, width = shift.shape[:2]
    fine = cv2.resize(shift, (width * OVERSAMPLING, height * OVERSAMPLING), interpolation=cv2.INTER_LINEAR)
    rows, columns = np.mgrid[: height * OVERSAMPLING, : width * OVERSAMPLING].astype(np.float32)
    border = np.float32(MARGIN * OVERSAMPLING)
    map_x = columns + border + fine[..., 0] * OVERSAMPLING
    map_y = rows + border + fine[..., 1] * OVERSAMPLING
    seen = cv2.remap(texture, map_x, map_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(cv2.resize(seen, (width, height), interpolation=cv2.INTER_AREA), np.float32)


def as_bytes(picture: NDArray[Any]) -> NDArray[np.uint8]:
    """Round to grey levels."""
    return np.asarray(np.clip(np.rint(picture), 0, 255), np.uint8)


def _grid(height: int, width: int) -> tuple[Picture, Picture]:
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    return columns - width / 2, rows - height / 2


def _translation(height: int, width: int, rng: np.random.Generator) -> Motion:
    angle = rng.uniform(0, 2 * np.pi)
    direction = np.array([np.cos(angle), np.sin(angle)], np.float32)
    return np.asarray(np.broadcast_to(direction, (height, width, 2)))


def _rotation(height: int, width: int, rng: np.random.Generator) -> Motion:
    x, y = _grid(height, width)
    return np.asarray(np.stack([-y, x], axis=-1) * rng.choice([-1, 1]), np.float32)


def _zoom(height: int, width: int, rng: np.random.Generator) -> Motion:
    x, y = _grid(height, width)
    return np.asarray(np.stack([x, y], axis=-1) * rng.choice([-1, 1]), np.float32)


def _smooth(height: int, width: int, rng: np.random.Generator) -> Motion:
    coarse = rng.normal(0, 1, (5, 6, 2)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)


def _random_shape(height: int, width: int, rng: np.random.Generator) -> Picture:
    """Return a mask, 0 or 1, of two or three blobs, on the oversampled canvas with margins."""
    rows, columns = ((side + 2 * MARGIN) * OVERSAMPLING for side in (height, width))
    mask = np.zeros((rows, columns), np.float32)
    for _ in range(int(rng.integers(2, 4))):
        centre = rng.uniform((columns * 0.3, rows * 0.3), (columns * 0.7, rows * 0.7)).astype(int)
        axes = rng.uniform(rows * 0.06, rows * 0.16, 2).astype(int)
        cv2.ellipse(mask, centre.tolist(), axes.tolist(), float(rng.uniform(0, 180)), 0, 360, 1.0, -1)
    return mask
