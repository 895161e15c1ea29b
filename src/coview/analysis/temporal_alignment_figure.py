"""The picture of an alignment: a heatmap between two strips of frames, the best path on it, what repeats beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coview.analysis.figure import TONES, ramp
from coview.analysis.repetition import Repetition
from coview.datatypes import Frame

PATH_TONE = TONES[1]


@dataclass(frozen=True)
class Shown:
    """What is drawn.

    Attributes:
        cosines: (N, N), rows of the first video.
        path: (row, column) steps, none for a video with itself.
        strips: square frames of the first video and of the second, evenly spread over the blocks.
        names: of both.
        repetition: of a video with itself.
    """

    cosines: NDArray[np.float64]
    path: Sequence[tuple[int, int]]
    strips: tuple[Sequence[Frame], Sequence[Frame]]
    names: tuple[str, str]
    repetition: Repetition | None = None


def paint_alignment(canvas: Any, *, shown: Shown) -> None:
    """Draw an alignment.

    Args:
        canvas: a `matplotlib.figure.Figure`.
        shown: what to draw.
    """
    length = len(shown.strips[0])
    wide = (1, length, 0.35, 4.5) if shown.repetition else (1, length, 0.35)
    grid = canvas.add_gridspec(2, len(wide), width_ratios=wide, height_ratios=(length, 1), wspace=0, hspace=0)
    heat = canvas.add_subplot(grid[0, 1])
    low, high = _limits(shown.cosines, leave_out_diagonal=shown.repetition is not None)
    image = heat.imshow(shown.cosines, cmap=ramp(), vmin=low, vmax=high, aspect="auto", interpolation="bicubic")
    heat.set_axis_off()
    if shown.path:
        heat.plot([j for _, j in shown.path], [i for i, _ in shown.path], color=PATH_TONE, linewidth=2.2)
    _paint_strip(canvas.add_subplot(grid[0, 0]), shown.strips[0], name=shown.names[0], upright=True)
    _paint_strip(canvas.add_subplot(grid[1, 1]), shown.strips[1], name=shown.names[1], upright=False)
    bar = canvas.colorbar(image, cax=canvas.add_subplot(grid[0, 2]))
    bar.ax.set_title("cosine", fontsize=7.5)
    bar.ax.tick_params(labelsize=7)
    if shown.repetition is not None:
        _paint_repetition(canvas.add_subplot(grid[:, 3]), shown.repetition)


def _limits(cosines: NDArray[np.float64], *, leave_out_diagonal: bool) -> tuple[float, float]:
    """Return values of the lightest and the darkest colour: a diagonal of ones would leave nothing for the rest."""
    count = len(cosines)
    away = np.abs(np.subtract.outer(np.arange(count), np.arange(count))) >= (2 if leave_out_diagonal else 0)
    low, high = np.quantile(cosines[away], (0.01, 0.99))
    return float(low), float(max(high, low + 1e-9))


def _paint_strip(axes: Any, frames: Sequence[Frame], *, name: str, upright: bool) -> None:
    axes.imshow(np.concatenate(frames, axis=0 if upright else 1), aspect="auto")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    if upright:
        axes.set_ylabel(f"← time   {name}", fontsize=8, parse_math=False)
    else:
        axes.set_xlabel(f"{name}   time →", fontsize=8, parse_math=False)


def _paint_repetition(axes: Any, found: Repetition) -> None:
    """Draw the autocorrelation with its peak."""
    lags = np.arange(len(found.autocorrelation))
    axes.axhline(0, linewidth=0.6, alpha=0.5, color=axes.spines["left"].get_edgecolor())
    axes.plot(lags, found.autocorrelation, color=TONES[0], marker="o", markersize=3, linewidth=1.4)
    axes.set_ylim(min(-0.5, float(found.autocorrelation.min()) - 0.05), 1.05)
    axes.set_xlabel("blocks apart")
    text = "no period stands out\nconfidence 0"
    if found.confidence > 0:
        axes.axvline(found.period, color=PATH_TONE, linewidth=1.4, linestyle="--")
        text = (
            f"period {found.period:.1f} blocks, {found.repetitions:.1f} times\nconfidence {found.confidence:.2f} (of 1)"
        )
    axes.set_title(f"autocorrelation\n{text}", fontsize=8.5)
