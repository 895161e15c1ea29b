"""Gains per class as a bar figure of its own, in SVG: right and blue where A gains, left and red where B does."""

import html
import math
from collections.abc import Sequence

from coview.evaluation.gains import Gain, RowGains

MOST_BARS = 40
NAMES, SIDE, BAR, GAP, TITLE, AXIS = 150, 420, 14, 6, 44, 30
GAIN, LOSS, INK, FAINT = "#1f5fa8", "#c0392b", "#222", "#ccc"


def gains_figure(rows: Sequence[RowGains], *, a: str, b: str) -> str:
    """Draw the classes of each row, largest gain first, with their 95% intervals.

    Where there are more than 40 classes, the 20 largest gains and the 20 largest losses are drawn, and the title says
    so. Source: CoCon, Figure 4.

    Args:
        rows: at least one.
        a: what gains to the right.
        b: what gains to the left.

    Returns:
        An SVG document.
    """
    panels, top = [], 0.0
    for row in rows:
        panel, height = _panel(row, a=a, b=b, top=top)
        panels.append(panel)
        top += height
    width = NAMES + SIDE + 20
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {top:.0f}" width="{width}" '
        f'height="{top:.0f}" role="img" aria-label="{html.escape(f"Gains per class, {a} against {b}", quote=True)}" '
        f'font-family="sans-serif" font-size="11" fill="{INK}">'
        f'<rect width="100%" height="100%" fill="white"/>{"".join(panels)}</svg>\n'
    )


def extremes(classes: Sequence[Gain]) -> tuple[Gain, ...]:
    """Return all classes, or of many the largest gains and losses."""
    half = MOST_BARS // 2
    return tuple(classes) if len(classes) <= MOST_BARS else (*classes[:half], *classes[-half:])


def _panel(row: RowGains, *, a: str, b: str, top: float) -> tuple[str, float]:
    """Return the drawing of one row of features, and its height."""
    shown = extremes(row.classes)
    few = f", {len(shown)} extreme classes of {len(row.classes)}" if len(shown) < len(row.classes) else ""
    numbers = [value for gain in shown for value in (gain.gain, gain.low, gain.high) if math.isfinite(value)]
    reach = max(5.0, math.ceil(20 * max(map(abs, numbers))) * 5.0)  # in points, to the next multiple of 5
    middle = NAMES + SIDE / 2
    scale = SIDE / 2 / reach
    bottom = top + TITLE + len(shown) * (BAR + GAP)
    parts = [
        f'<text x="8" y="{top + 16:.0f}" font-size="13" font-weight="bold">{html.escape(row.name + few)}</text>',
        f'<text x="{middle - 8}" y="{top + 34:.0f}" text-anchor="end" fill="{LOSS}">{html.escape(b)} is better</text>',
        f'<text x="{middle + 8}" y="{top + 34:.0f}" fill="{GAIN}">{html.escape(a)} is better</text>',
    ]
    for points in (-reach, -reach / 2, 0.0, reach / 2, reach):
        x, tick = middle + points * scale, f"{points:+g}" if points else "0"
        parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top + TITLE - 4:.0f}" y2="{bottom:.0f}" '
            f'stroke="{INK if points == 0 else FAINT}"/>'
            f'<text x="{x:.1f}" y="{bottom + 14:.0f}" text-anchor="middle">{tick}</text>'
        )
    for place, gain in enumerate(shown):
        parts.append(_bar(gain, middle=middle, scale=scale, y=top + TITLE + place * (BAR + GAP)))
    parts.append(f'<text x="{middle}" y="{bottom + 27:.0f}" text-anchor="middle">points of accuracy</text>')
    return "".join(parts), bottom + AXIS + 10 - top


def _bar(gain: Gain, *, middle: float, scale: float, y: float) -> str:
    """Return one class: its name, a bar from zero, and its interval where it has one."""
    end = middle + 100 * gain.gain * scale
    title = f"{gain.name}: {100 * gain.gain:+.1f} points, {gain.videos} videos"
    parts = [
        f'<text x="{NAMES - 6}" y="{y + BAR - 3:.1f}" text-anchor="end">{html.escape(gain.name[:24])}</text>',
        f'<rect x="{min(middle, end):.1f}" y="{y:.1f}" width="{abs(end - middle):.1f}" height="{BAR}" '
        f'fill="{GAIN if gain.gain >= 0 else LOSS}"><title>{html.escape(title)}</title></rect>',
    ]
    if math.isfinite(gain.low) and gain.high > gain.low:
        low, high = (middle + 100 * value * scale for value in (gain.low, gain.high))
        parts.append(
            f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{y + BAR / 2:.1f}" y2="{y + BAR / 2:.1f}" stroke="{INK}"/>'
        )
    return "".join(parts)
