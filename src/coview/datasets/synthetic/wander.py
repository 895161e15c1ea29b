"""Slow random motion that never repeats exactly: sways of a body, drifts of a camera."""

import numpy as np
from numpy.typing import NDArray

Curve = NDArray[np.float64]
"""One value a frame: (T,)."""


def wander(generator: np.random.Generator, times: Curve, *, fastest_hz: float) -> Curve:
    """Return a smooth random curve within [-1, 1] over `times` (T,) in seconds.

    Three sines of random rate and phase. The same generator state gives the same curve of time, however many frames
    are asked for.
    """
    rates = fastest_hz * generator.uniform([0.1, 0.3, 0.6], [0.3, 0.6, 1.0])
    phases = generator.uniform(0, 2 * np.pi, size=3)
    return np.asarray(np.sin(2 * np.pi * rates * times[:, None] + phases) @ np.array([0.5, 0.3, 0.2]))


def share(least: float, difficulty: float, *, most: float = 1.0) -> float:
    """Return how much something varies by: `least` at difficulty 0, `most` at difficulty 1."""
    return (1 - difficulty) * least + difficulty * most
