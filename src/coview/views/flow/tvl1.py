"""TV-L1 optical flow: the settings and the plan that the numba and the torch implementation share.

The flow (u, v) from picture I0 to I1 minimises, summed over the pixels x,

    |grad u|_h + |grad v|_h + lambda * |I1(x + (u, v)) - I0(x)|

(Zach, Pock, Bischof 2007, "A duality based approach for realtime TV-L1 optical flow"; the discretisation follows
Sanchez Perez, Meinhardt-Llopis, Facciolo 2013, "TV-L1 optical flow estimation", IPOL). I1 is linearised around the
flow so far, by a bicubic warp; each linearised problem is convex, and its data term is solved by Zach's thresholding.

Deviations, each for end-point error at equal time: the convex problems are solved by the primal-dual algorithm of
Chambolle and Pock (2011, section 6) without the quadratic coupling; |.|_h is Huber's norm, which does not break slopes
into stairs (Werlberger et al. 2009); the gradient is that of the mean of I0 and the warped I1; each warp ends with a
3 x 3 median (Wedel et al. 2009); the data term is switched off where the flow leaves the picture.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DERIVATIVE = np.array([1, -8, 0, 8, -1], np.float32) / 12
"""Five-point derivative, to be correlated with the picture."""
HALVING = np.array([1, 4, 6, 4, 1], np.float32) / 16
"""Low-pass filter before every second pixel is kept."""


@dataclass(frozen=True)
class Tvl1Settings:
    """Weights and effort of TV-L1; the defaults are measured (benchmarks/bench_tvl1.py)."""

    data_weight: float = 0.12
    """lambda, for grey levels 0 .. 255: higher follows the pictures, lower is smoother."""
    huber: float = 0.03
    """Slopes of the flow below this cost quadratically, in the dual's units; 0: total variation proper."""
    smoothing: float = 0.45
    """Standard deviation of the Gaussian applied to both pictures first, in pixels; 0: none."""
    warps: int = 5
    """Linearisations on each level of the pyramid."""
    iterations: int = 25
    """Primal-dual iterations for each linearisation."""
    coarsest_side: int = 12
    """The pyramid halves pictures as long as both sides stay at least this long, in pixels."""
    primal_step: float = 0.25
    """tau; tau * sigma * 8 <= 1 makes the iteration converge."""
    dual_step: float = 0.5
    """sigma."""


def level_shapes(height: int, width: int, *, coarsest_side: int) -> list[tuple[int, int]]:
    """Return (height, width) of each level of the pyramid, the full picture first."""
    shapes = [(height, width)]
    while min(shapes[-1]) // 2 >= max(coarsest_side, 2):
        shapes.append(((shapes[-1][0] + 1) // 2, (shapes[-1][1] + 1) // 2))
    return shapes


def gaussian(deviation: float) -> NDArray[np.float32]:
    """Return five samples of a Gaussian that sum to 1."""
    offsets = np.arange(-2, 3)
    weights = np.exp(-0.5 * (offsets / max(deviation, 1e-3)) ** 2)
    return np.asarray(weights / weights.sum(), np.float32)


def doubling(coarse: int, fine: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the two coarse neighbours of each fine coordinate; pixel i of a level is pixel 2i of the finer one."""
    places = np.arange(fine)
    return places // 2, np.minimum((places + 1) // 2, coarse - 1)
