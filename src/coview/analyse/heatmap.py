"""A square matrix as a small SVG picture: a pixel a cell, the names beside it where there is room."""

import base64
import html
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE, LABELS = 300, 130
MOST_NAMES = 30
LOW, HIGH, NOTHING = (247, 245, 240), (23, 78, 148), (200, 196, 188)
"""Colours (r, g, b) of the smallest value, the largest, and of none."""


def heatmap(matrix: NDArray[np.float64], names: Sequence[str], *, title: str) -> str:
    """Draw a matrix from its smallest value (light) to its largest (dark); nan in grey.

    Args:
        matrix: (C, C), at least one value a number.
        names: C names of rows and columns, written beside the rows of up to 30.
        title: read aloud to those who cannot see it.

    Returns:
        An SVG element.
    """
    low, high = float(np.nanmin(matrix)), float(np.nanmax(matrix))
    shares = (matrix - low) / max(high - low, 1e-12)
    colours = np.array(LOW) + shares[..., None] * (np.array(HIGH) - np.array(LOW))  # (C, C, 3)
    colours[np.isnan(matrix)] = NOTHING
    _, png = cv2.imencode(".png", np.ascontiguousarray(colours.round().astype(np.uint8)[..., ::-1]))
    picture = base64.b64encode(png.tobytes()).decode()
    text = html.escape(f"{title}: from {low:.2f} (light) to {high:.2f} (dark)", quote=True)
    left = LABELS if len(names) <= MOST_NAMES else 0
    step = SIDE / len(names)
    parts = [
        f'<text class="tick" x="{left - 5}" y="{(place + 0.5) * step + 4:.1f}" text-anchor="end">'
        f"{html.escape(name[:20])}</text>"
        for place, name in enumerate(names)
        if left
    ]
    parts.append(
        f'<image x="{left}" y="0" width="{SIDE}" height="{SIDE}" preserveAspectRatio="none" '
        f'style="image-rendering: pixelated" href="data:image/png;base64,{picture}"/>'
    )
    return (
        f'<svg class="chart" viewBox="0 0 {left + SIDE} {SIDE}" role="img" aria-label="{text}">{"".join(parts)}</svg>'
    )
