"""A matrix as a picture: a cell a square, names beside the rows where there is room."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coview.analysis.figure import ramp

MOST_NAMES = 30


def paint_heatmap(
    axes: Any, matrix: NDArray[np.float64], names: Sequence[str], *, limits: tuple[float, float] | None = None
) -> None:
    """Draw a matrix from its smallest value (light) to its largest (dark), with the scale beside it; nan in grey.

    Args:
        axes: a `matplotlib.axes.Axes`.
        matrix: (C, C), at least one value a number.
        names: C names of rows and columns, written at the rows and columns of up to 30.
        limits: values of the lightest and the darkest colour, where not the smallest and the largest.
    """
    low, high = limits or (float(np.nanmin(matrix)), float(np.nanmax(matrix)))
    image = axes.imshow(matrix, cmap=ramp(), vmin=low, vmax=max(high, low + 1e-9))
    places = range(len(names)) if len(names) <= MOST_NAMES else ()
    shown = [names[place][:20] for place in places]
    axes.set_yticks(places, shown, fontsize=7, parse_math=False)
    axes.set_xticks(places, shown, fontsize=7, rotation=90, parse_math=False)
    axes.tick_params(length=0)
    axes.figure.colorbar(image, ax=axes, shrink=0.7, label="cosine")
