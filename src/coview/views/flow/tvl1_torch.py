"""TV-L1 optical flow of a batch of picture pairs, on any device: the maths of tvl1_numba.py in torch (see tvl1.py)."""

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import conv2d, pad

from coview.datatypes import check_shape
from coview.views.flow.tvl1 import DERIVATIVE, HALVING, Tvl1Settings, doubling, gaussian, level_shapes


@torch.no_grad()
def tvl1_flow_batch(first: Tensor, second: Tensor, settings: Tvl1Settings | None = None) -> Tensor:
    """Estimate the motion from each grey picture of a batch to its successor.

    Args:
        first: (B, H, W) uint8 or float, grey levels 0 .. 255.
        second: likewise, on the same device.
        settings: weights and effort.

    Returns:
        (B, H, W, 2) float32, u to the right and v down, in pixels.

    Raises:
        ValueError: the pictures are not grey or differ in size.
    """
    settings = settings or Tvl1Settings()
    check_shape("first", first, None, None, None)
    check_shape("second", second, *first.shape)
    batch, height, width = first.shape
    shapes = level_shapes(height, width, coarsest_side=settings.coarsest_side)
    pyramids = [_pyramid(pictures, len(shapes), settings) for pictures in (first, second)]
    flow = torch.zeros(batch, 2, *shapes[-1], device=first.device)
    for coarse_first, coarse_second in zip(*(pyramid[::-1] for pyramid in pyramids), strict=True):
        if flow.shape[2:] != coarse_first.shape[1:]:
            flow = _doubled(flow, *coarse_first.shape[1:])
        flow = _refine(flow, coarse_first, coarse_second, settings)
    return flow.movedim(1, -1).contiguous()


def _pyramid(pictures: Tensor, num_levels: int, settings: Tvl1Settings) -> list[Tensor]:
    """Return the (B, H, W) pictures and their halvings, as float32."""
    smoothing = gaussian(settings.smoothing)
    levels = [_along_y(_along_x(pictures.float(), smoothing), smoothing)]
    while len(levels) < num_levels:
        levels.append(_along_y(_along_x(levels[-1], HALVING), HALVING)[:, ::2, ::2])
    return levels


def _along_x(pictures: Tensor, kernel: NDArray[Any]) -> Tensor:
    """Correlate the rows of (B, H, W) with five weights, repeating the border."""
    weights = torch.from_numpy(kernel).to(pictures.device).view(1, 1, 1, 5)
    return conv2d(pad(pictures[:, None], (2, 2, 0, 0), mode="replicate"), weights)[:, 0]


def _along_y(pictures: Tensor, kernel: NDArray[Any]) -> Tensor:
    return _along_x(pictures.mT, kernel).mT


def _doubled(flow: Tensor, height: int, width: int) -> Tensor:
    """Interpolate (B, 2, h, w) flow to the next finer level, where vectors are twice as long."""
    above, below = (torch.from_numpy(rows).to(flow.device) for rows in doubling(flow.shape[2], height))
    left, right = (torch.from_numpy(columns).to(flow.device) for columns in doubling(flow.shape[3], width))
    rows = flow[:, :, above] + flow[:, :, below]
    return 0.5 * (rows[..., left] + rows[..., right])


def _refine(flow: Tensor, first: Tensor, second: Tensor, settings: Tvl1Settings) -> Tensor:
    """Improve (B, 2, H, W) flow on one level of the pyramid."""
    dual = flow.new_zeros(*flow.shape, 2)  # (B, 2, H, W, 2): x and y part for u and for v
    for _ in range(settings.warps):
        warped, inside = _warp(second, flow)
        mean = 0.5 * (first + warped)
        gradient = torch.stack([_along_x(mean, DERIVATIVE), _along_y(mean, DERIVATIVE)], dim=1) * inside[:, None]
        residual = (warped - first) * inside - (gradient * flow).sum(dim=1)
        flow = _solve(flow, dual, gradient, residual, settings)
        flow = median3(flow)
    return flow


def _solve(flow: Tensor, dual: Tensor, gradient: Tensor, residual: Tensor, settings: Tvl1Settings) -> Tensor:
    """Run the primal-dual iterations of one linearisation; `dual` is updated in place.

    Shapes: flow and gradient (B, 2, H, W), dual (B, 2, H, W, 2), residual (B, H, W).
    """
    tau, sigma = settings.primal_step, settings.dual_step
    threshold, shrink = settings.data_weight * tau, 1 / (1 + sigma * settings.huber)
    inverse = 1 / (gradient.square().sum(dim=1) + 1e-6)
    dual_x, dual_y = dual.unbind(-1)
    for _ in range(settings.iterations):
        moved = flow + tau * _divergence(dual_x, dual_y)
        move = (-(residual + (gradient * moved).sum(dim=1)) * inverse).clamp(-threshold, threshold)
        moved = moved + move[:, None] * gradient
        extrapolated = 2 * moved - flow
        flow = moved
        dual.mul_(shrink)
        dual_x[..., :-1] += sigma * shrink * extrapolated.diff(dim=-1)
        dual_y[..., :-1, :] += sigma * shrink * extrapolated.diff(dim=-2)
        dual.div_(torch.linalg.vector_norm(dual, dim=-1, keepdim=True).clamp_(min=1))
    return flow


def _divergence(dual_x: Tensor, dual_y: Tensor) -> Tensor:
    """Return minus the adjoint of the forward difference, zero beyond the picture."""
    return dual_x - pad(dual_x[..., :-1], (1, 0)) + dual_y - pad(dual_y[..., :-1, :], (0, 0, 1, 0))


def _warp(pictures: Tensor, flow: Tensor) -> tuple[Tensor, Tensor]:
    """Sample (B, H, W) at x + flow(x), Keys' bicubic (a = -1/2); the second result is 0 where that leaves it."""
    batch, height, width = pictures.shape
    to_x = torch.arange(width, device=flow.device) + flow[:, 0]
    to_y = torch.arange(height, device=flow.device)[:, None] + flow[:, 1]
    at_x, at_y = to_x.clamp(0, width - 1), to_y.clamp(0, height - 1)
    inside = ((to_x == at_x) & (to_y == at_y)).float()
    column, row = at_x.long(), at_y.long()
    padded = pad(pictures[:, None], (1, 2, 1, 2), mode="replicate").flatten(1)  # (B, (H+3)*(W+3))
    corner = (row * (width + 3) + column).flatten(1)
    weights_x, weights_y = _keys(at_x - column), _keys(at_y - row)
    total = torch.zeros_like(pictures)
    for down, weight_y in enumerate(weights_y):
        line = torch.zeros_like(pictures)
        for right, weight_x in enumerate(weights_x):
            line += weight_x * padded.gather(1, corner + (down * (width + 3) + right)).view(batch, height, width)
        total += weight_y * line
    return total, inside


def _keys(t: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the weights of the four neighbours of a point at fraction t between the middle two."""
    left, right = 0.5 * t * (t * (2 - t) - 1), 0.5 * t * t * (t - 1)
    middle = 1 + 0.5 * t * t * (3 * t - 5)
    return left, middle, 1 - left - middle - right, right


def median3(planes: Tensor) -> Tensor:
    """Return the 3 x 3 median of (B, C, H, W), repeating the border: medians of sorted columns, by exchanges."""
    padded = pad(planes, (1, 1, 1, 1), mode="replicate")
    low, middle, high = _sorted3(padded[..., :-2, :], padded[..., 1:-1, :], padded[..., 2:, :])
    lowest = torch.maximum(torch.maximum(low[..., :-2], low[..., 1:-1]), low[..., 2:])
    highest = torch.minimum(torch.minimum(high[..., :-2], high[..., 1:-1]), high[..., 2:])
    centre = _sorted3(middle[..., :-2], middle[..., 1:-1], middle[..., 2:])[1]
    return _sorted3(lowest, centre, highest)[1]


def _sorted3(a: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    small, large = torch.minimum(a, b), torch.maximum(a, b)
    return torch.minimum(small, c), torch.maximum(small, torch.minimum(large, c)), torch.maximum(large, c)
