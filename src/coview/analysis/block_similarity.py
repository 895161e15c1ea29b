"""Blocks of two videos against each other, or of one against itself. Numbers in, numbers out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from coview.analysis.repetition import Repetition, repetition
from coview.analysis.time_warping import Warping, other_orders, warp


@dataclass(frozen=True)
class Alignment:
    """How the blocks of two videos match.

    Attributes:
        videos: ids of the two; the same twice for a video with itself.
        cosines: (N, N), of block i of the first and block j of the second.
        warping: the best way through both; None for a video with itself, where it is the diagonal.
        other_orders: mean cost of the best way with the second video's blocks shifted round or in reverse.
        share_as_cheap: share of those orders that cost as little as the true one, itself counted; small: the order of
            events is shared, too.
        repetition: of a video with itself.
    """

    videos: tuple[str, str]
    cosines: NDArray[np.float64]
    warping: Warping | None = None
    other_orders: float = float("nan")
    share_as_cheap: float = float("nan")
    repetition: Repetition | None = None


def align(
    first: NDArray[np.float32], second: NDArray[np.float32], *, videos: tuple[str, str], is_relative: bool
) -> Alignment:
    """Align two videos, or one with itself where both ids are the same.

    Args:
        first: (N, D) unit rows, its blocks in order.
        second: (N, D) likewise.
        videos: their ids.
        is_relative: compare what changes in each video: its blocks without their mean, made unit again.
    """
    rows, columns = (relative(blocks) if is_relative else blocks.astype(np.float64) for blocks in (first, second))
    cosines: NDArray[np.float64] = (rows @ columns.T).clip(-1, 1)  # (N, N)
    if videos[0] == videos[1]:
        return Alignment(videos, cosines, repetition=repetition(first))
    costs = np.asarray(1 - cosines, dtype=np.float64)
    found, others = warp(costs), other_orders(costs)
    share = (1 + int((others <= found.cost).sum())) / (1 + len(others))
    return Alignment(videos, cosines, found, float(others.mean()), share)


def relative(blocks: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the blocks of a video (N, D) without their mean, unit; zero for a block that is the mean."""
    rest = blocks.astype(np.float64) - blocks.mean(axis=0, dtype=np.float64)
    lengths = np.linalg.norm(rest, axis=1, keepdims=True)
    return np.asarray(np.divide(rest, lengths, out=np.zeros_like(rest), where=lengths > 1e-6))


def smoothed(cosines: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Return the cosines blurred by a Gaussian, for the eye; edges repeat."""
    return np.asarray(gaussian_filter(cosines, sigma, mode="nearest")) if sigma else cosines
