"""Groups of bars side by side."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from coview.analysis.figure import TONES


def paint_bars(
    canvas: Any,
    *,
    groups: Mapping[str, Mapping[str, float]],
    label: str,
    line: float | None = None,
    marks: Mapping[str, Mapping[str, float]] | None = None,
) -> None:
    """Draw groups of bars, with their legend beside them.

    Args:
        canvas: a `matplotlib.figure.Figure`.
        groups: name of a group -> name of a bar -> its height; a bar may be missing in a group.
        label: of the heights.
        line: height of a line across, for what is expected.
        marks: heights that stand beside those of the bars, as open marks.
    """
    axes = canvas.subplots()
    names = list(dict.fromkeys(name for shares in groups.values() for name in shares))
    width = 0.8 / len(names)
    for place, name in enumerate(names):
        left = np.arange(len(groups)) + (place - (len(names) - 1) / 2) * width
        heights = [shares.get(name, np.nan) for shares in groups.values()]
        axes.bar(left, heights, width * 0.92, color=TONES[place % len(TONES)], label=name)
        if marks:
            others = [marks.get(view, {}).get(name, np.nan) for view in groups]
            axes.scatter(
                left, others, marker="D", s=16, facecolors="none", edgecolors=axes.spines["left"].get_edgecolor()
            )
    if line is not None:
        axes.axhline(line, linewidth=1, linestyle="--", color="#8d8d8d")
    axes.set_xticks(np.arange(len(groups)), [name.replace("$", r"\$") for name in groups])
    axes.set_ylabel(label)
    axes.set_ylim(bottom=0)
    canvas.legend(loc="outside right upper")
