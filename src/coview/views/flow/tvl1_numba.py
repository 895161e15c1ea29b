"""TV-L1 optical flow on one CPU core (see tvl1.py for what is computed).

The work is in `_solver`: all iterations of a warp run in one sweep over the picture, as a wavefront in which
iteration i follows one row behind iteration i - 1, so that the rows at work stay in the cache. The planes of a row lie
side by side in one array at a distance known at compile time: only so can LLVM prove that they do not overlap, and
vectorise.
"""

import functools
import math
from collections.abc import Callable
from typing import Any, TypeVar

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

from coview.datatypes import check_shape
from coview.views.flow.tvl1 import DERIVATIVE, HALVING, Tvl1Settings, doubling, gaussian, level_shapes

Picture = NDArray[np.float32]
F = TypeVar("F", bound=Callable[..., Any])

# Planes of the state, in this order in each row: flow, extrapolated flow, dual variables, linearised data term.
NUM_PLANES = 12
STRIDES = (336, 720, 1360, 2736)
"""Floats from one plane of a row to the next: odd numbers of cache lines, so that planes do not evict each other."""


def tvl1_pair(first: NDArray[Any], second: NDArray[Any], settings: Tvl1Settings | None = None) -> Picture:
    """Estimate the motion from one grey picture to the next.

    Args:
        first: (H, W) uint8 or float32, grey levels 0 .. 255.
        second: likewise.
        settings: weights and effort.

    Returns:
        (H, W, 2) float32, u to the right and v down, in pixels: the point at x in `first` is at x + flow in `second`.

    Raises:
        ValueError: the pictures are not grey or differ in size.
    """
    settings = settings or Tvl1Settings()
    check_shape("first", first, None, None)
    check_shape("second", second, *first.shape)
    shapes = level_shapes(*first.shape, coarsest_side=settings.coarsest_side)
    pyramids = [_pyramid(picture, len(shapes), settings) for picture in (first, second)]
    flow = np.zeros((2, *shapes[-1]), np.float32)
    for coarse_first, coarse_second in zip(*(pyramid[::-1] for pyramid in pyramids), strict=True):
        if flow.shape[1:] != coarse_first.shape:
            flow = _doubled(flow, *coarse_first.shape)
        flow = _refine(flow, coarse_first, coarse_second, settings)
    return np.ascontiguousarray(np.moveaxis(flow, 0, -1))


def _pyramid(picture: NDArray[Any], num_levels: int, settings: Tvl1Settings) -> list[Picture]:
    """Return the picture and its halvings, each as float32."""
    levels = [_filtered(picture.astype(np.float32), gaussian(settings.smoothing), gaussian(settings.smoothing))]
    while len(levels) < num_levels:
        levels.append(np.ascontiguousarray(_filtered(levels[-1], HALVING, HALVING)[::2, ::2]))
    return levels


def _filtered(picture: Picture, along_x: Picture, along_y: Picture) -> Picture:
    return np.asarray(cv2.sepFilter2D(picture, cv2.CV_32F, along_x, along_y, borderType=cv2.BORDER_REPLICATE))


def _doubled(flow: Picture, height: int, width: int) -> Picture:
    """Interpolate (2, h, w) flow to the next finer level, where vectors are twice as long."""
    above, below = doubling(flow.shape[1], height)
    left, right = doubling(flow.shape[2], width)
    rows = flow[:, above] + flow[:, below]
    return np.ascontiguousarray(0.5 * (rows[:, :, left] + rows[:, :, right]))


def _refine(flow: Picture, first: Picture, second: Picture, settings: Tvl1Settings) -> Picture:
    """Improve (2, H, W) flow on one level of the pyramid."""
    height, width = first.shape
    stride = plane_stride(width)
    state = np.zeros((height + 2, NUM_PLANES, stride), np.float32)  # one spare row above and below
    steps = [np.float32(step) for step in (settings.primal_step, settings.dual_step)]
    threshold = np.float32(settings.data_weight * settings.primal_step)
    shrink = np.float32(1 / (1 + settings.dual_step * settings.huber))
    padded = cv2.copyMakeBorder(second, 1, 2, 1, 2, cv2.BORDER_REPLICATE)
    warped, inside = np.empty_like(first), np.empty_like(first)
    one = np.ones(1, np.float32)
    for _ in range(settings.warps):
        _warp(padded, flow, warped, inside)
        mean = (first + warped) * np.float32(0.5)
        _linearise(
            state, flow, first, warped, inside, _filtered(mean, DERIVATIVE, one), _filtered(mean, one, DERIVATIVE)
        )
        _solver(stride)(state.reshape(-1), height, width, settings.iterations, threshold, *steps, shrink)
        for axis in range(2):
            flow[axis] = cv2.medianBlur(np.ascontiguousarray(state[1 : height + 1, axis, 1 : width + 1]), 3)
    return flow


def plane_stride(width: int) -> int:
    """Return the distance between planes for pictures of this width: one of a few, each is compiled once."""
    return next((stride for stride in STRIDES if stride >= width + 2), (width + 17) // 16 * 16)


def _compiled(function: F) -> F:
    """Compile without the GIL and keep the result on disk, or only in memory where no folder can be written."""
    options: dict[str, Any] = {"nogil": True, "fastmath": True, "error_model": "numpy"}
    try:
        return numba.njit(**options, cache=True)(function)  # type: ignore[no-any-return]
    except RuntimeError:
        return numba.njit(**options)(function)  # type: ignore[no-any-return]


@_compiled
def _warp(padded: Picture, flow: Picture, warped: Picture, inside: Picture) -> None:
    """Sample the padded picture at x + flow(x), Keys' bicubic (a = -1/2); `inside` is 0 where that leaves it."""
    height, width = warped.shape
    half, one, two = np.float32(0.5), np.float32(1), np.float32(2)
    for y in range(height):
        for x in range(width):
            to_x = np.float32(x) + flow[0, y, x]
            to_y = np.float32(y) + flow[1, y, x]
            at_x = min(max(to_x, np.float32(0)), np.float32(width - 1))
            at_y = min(max(to_y, np.float32(0)), np.float32(height - 1))
            inside[y, x] = one if to_x == at_x and to_y == at_y else np.float32(0)
            column, row = int(at_x), int(at_y)
            t, s = at_x - np.float32(column), at_y - np.float32(row)
            left, right = half * t * (t * (two - t) - one), half * t * t * (t - one)
            middle = one + half * t * t * (np.float32(3) * t - np.float32(5))
            after = one - left - middle - right
            above, below = half * s * (s * (two - s) - one), half * s * s * (s - one)
            centre = one + half * s * s * (np.float32(3) * s - np.float32(5))
            total = np.float32(0)
            for k, weight in enumerate((above, centre, one - above - centre - below, below)):
                line = padded[row + k]
                total += weight * (
                    left * line[column]
                    + middle * line[column + 1]
                    + after * line[column + 2]
                    + right * line[column + 3]
                )
            warped[y, x] = total


@_compiled
def _linearise(
    state: Picture, flow: Picture, first: Picture, warped: Picture, inside: Picture, grad_x: Picture, grad_y: Picture
) -> None:
    """Write flow, gradient, constant part of the residual and 1 / |gradient|^2 into the state."""
    height, width = first.shape
    for y in range(height):
        for x in range(width):
            gx, gy = grad_x[y, x] * inside[y, x], grad_y[y, x] * inside[y, x]
            u, v = flow[0, y, x], flow[1, y, x]
            row = state[y + 1]
            row[0, x + 1], row[1, x + 1] = u, v
            row[8, x + 1], row[9, x + 1] = gx, gy
            row[10, x + 1] = (warped[y, x] - first[y, x]) * inside[y, x] - gx * u - gy * v
            row[11, x + 1] = np.float32(1) / (gx * gx + gy * gy + np.float32(1e-6))


@functools.cache
def _solver(stride: int) -> Callable[..., None]:
    """Return the compiled iteration for states whose planes lie `stride` floats apart."""
    # Offsets of the planes within a row; each leaves a zero at its left, where the divergence reads.
    U, V, U_BAR, V_BAR, PUX, PUY, PVX, PVY, GX, GY, RESIDUAL, INVERSE = (
        plane * stride + 1 for plane in range(NUM_PLANES)
    )
    ROW = NUM_PLANES * stride

    def solve(state, height, width, iterations, threshold, tau, sigma, shrink):  # type: ignore[no-untyped-def]
        scaled_sigma = sigma * shrink
        for step in range(height + iterations):
            for lag in range(max(0, step - height), min(iterations, step + 1)):
                y = step - lag
                a = state[y * ROW :]  # starts at the row above y
                if y < height:
                    # Primal: a step along the divergence, then the data term's thresholding, then extrapolation.
                    for x in range(width):
                        c = ROW + x
                        u = state_u = a[c + U]
                        v = state_v = a[c + V]
                        u += tau * (a[c + PUX] - a[c + PUX - 1] + a[c + PUY] - a[x + PUY])
                        v += tau * (a[c + PVX] - a[c + PVX - 1] + a[c + PVY] - a[x + PVY])
                        move = -(a[c + RESIDUAL] + a[c + GX] * u + a[c + GY] * v) * a[c + INVERSE]
                        move = min(max(move, -threshold), threshold)
                        u += move * a[c + GX]
                        v += move * a[c + GY]
                        a[c + U] = u
                        a[c + V] = v
                        a[c + U_BAR] = u + u - state_u
                        a[c + V_BAR] = v + v - state_v
                    a[ROW + U_BAR + width] = a[ROW + U_BAR + width - 1]  # no gradient across the border
                    a[ROW + V_BAR + width] = a[ROW + V_BAR + width - 1]
                else:
                    for x in range(width):
                        a[ROW + U_BAR + x] = a[U_BAR + x]
                        a[ROW + V_BAR + x] = a[V_BAR + x]
                if y > 0:
                    # Dual of the row above: ascend the gradient, project onto the unit disc.
                    for x in range(width):
                        pux = shrink * a[x + PUX] + scaled_sigma * (a[x + U_BAR + 1] - a[x + U_BAR])
                        puy = shrink * a[x + PUY] + scaled_sigma * (a[x + U_BAR + ROW] - a[x + U_BAR])
                        pvx = shrink * a[x + PVX] + scaled_sigma * (a[x + V_BAR + 1] - a[x + V_BAR])
                        pvy = shrink * a[x + PVY] + scaled_sigma * (a[x + V_BAR + ROW] - a[x + V_BAR])
                        tiny, one = np.float32(1e-12), np.float32(1)
                        of_u = min(one, one / math.sqrt(pux * pux + puy * puy + tiny))
                        of_v = min(one, one / math.sqrt(pvx * pvx + pvy * pvy + tiny))
                        a[x + PUX] = pux * of_u
                        a[x + PUY] = puy * of_u
                        a[x + PVX] = pvx * of_v
                        a[x + PVY] = pvy * of_v

    return _compiled(solve)
