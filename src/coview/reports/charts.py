"""Line charts as small inline SVG: colours come from the page's style, so that they follow light and dark."""

import html
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 420, 240
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 12, 34
MAX_POINTS = 240
LOG_MARGIN = 1.06
SMOOTH_FROM = 40
"""From this many points on, a running mean is drawn over the faint raw line."""


@dataclass(frozen=True)
class Series:
    """One line of a chart.

    Attributes:
        name: for the legend.
        x: ascending.
        y: as many; points that are not finite are left out.
        tone: which of the page's series colours, from 0.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    tone: int = 0


def line_chart(
    series: Sequence[Series],
    *,
    title: str,
    x_label: str,
    reference: tuple[float, str] | None = None,
    is_from_zero: bool = False,
    is_log: bool = False,
) -> str:
    """Draw lines over a common x.

    Args:
        series: at least one point in all.
        title: what it shows, also read aloud.
        x_label: under the axis.
        reference: a value to compare with and its name, drawn dashed.
        is_from_zero: the y axis starts at 0.
        is_log: the y axis is logarithmic, where every value is above 0.

    Returns:
        An SVG element; empty text when there is nothing to draw.
    """
    drawn = [thinned(finite(line)) for line in series]
    drawn = [line for line in drawn if line.x]
    if not drawn:
        return ""
    lows = [min(line.y) for line in drawn] + ([reference[0]] if reference else []) + ([0.0] if is_from_zero else [])
    highs = [max(line.y) for line in drawn] + ([reference[0]] if reference else [])
    is_log = is_log and min(lows) > 0
    y_ticks = log_ticks(min(lows), max(highs)) if is_log else ticks(min(lows), max(highs))
    x_ticks = ticks(min(line.x[0] for line in drawn), max(line.x[-1] for line in drawn), is_tight=True)
    frame = _Frame(x_ticks[0], x_ticks[-1], y_ticks[0], y_ticks[-1], is_log)
    parts = [*_axes(frame, _inner(x_ticks), _inner(y_ticks) if is_log else y_ticks, x_label)]
    if reference:
        parts += _reference(frame, *reference)
    for line in drawn:
        parts += _line(frame, line)
    label = html.escape(f"{title}. {summary(drawn, reference)}", quote=True)
    points = [{"name": line.name, "tone": line.tone, "x": _short(line.x), "y": _short(line.y)} for line in drawn]
    box = [frame.left, frame.right, LEFT, WIDTH - RIGHT, WIDTH]
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}" tabindex="0" '
        f"data-points='{html.escape(json.dumps(points), quote=True)}' data-box='{json.dumps(box)}'>"
        + "".join(parts)
        + f'<line class="cursor" y1="{TOP}" y2="{HEIGHT - BOTTOM}" x1="-9" x2="-9"/></svg>'
    )


def finite(line: Series) -> Series:
    """Leave out points that cannot be drawn."""
    kept = [(x, y) for x, y in zip(line.x, line.y, strict=True) if math.isfinite(x) and math.isfinite(y)]
    return Series(line.name, [x for x, _ in kept], [y for _, y in kept], line.tone)


def thinned(line: Series) -> Series:
    """Keep at most `MAX_POINTS` points: means over neighbouring ones, the last point as it is."""
    count = len(line.x)
    if count <= MAX_POINTS:
        return line
    bounds = [round(i * count / MAX_POINTS) for i in range(MAX_POINTS + 1)]
    spans = list(zip(bounds[:-1], bounds[1:], strict=True))
    x = [line.x[last - 1] for _, last in spans]
    y = [sum(line.y[first:last]) / (last - first) for first, last in spans]
    return Series(line.name, x, [*y[:-1], line.y[-1]], line.tone)


def ticks(low: float, high: float, *, is_tight: bool = False) -> list[float]:
    """Return about five round numbers that cover low..high; tight: the ends are low and high themselves."""
    if high <= low:
        low, high = low - (abs(low) * 0.1 or 0.5), high + (abs(high) * 0.1 or 0.5)
    raw = (high - low) / 4
    unit = 10 ** math.floor(math.log10(raw))
    step = next(factor * unit for factor in (1, 2, 2.5, 5, 10) if factor * unit >= raw * 0.999)
    first = math.ceil(low / step - 1e-9) if is_tight else math.floor(low / step + 1e-9)
    last = math.floor(high / step + 1e-9) if is_tight else math.ceil(high / step - 1e-9)
    inner = [round(i * step, 12) for i in range(first, last + 1)]
    return [low, *inner, high] if is_tight else inner


def log_ticks(low: float, high: float) -> list[float]:
    """Return a lower end, round numbers in between and an upper end of a logarithmic axis for low..high, above 0."""
    low, high = low / LOG_MARGIN, high * LOG_MARGIN
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    inner: list[float] = []
    for factors in ((1,), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 8)):
        inner = [float(f"{factor}e{power}") for power in powers for factor in factors]
        inner = [value for value in inner if low < value < high]
        if len(inner) >= 3:
            break
    return [low, *inner, high]


def summary(lines: Sequence[Series], reference: tuple[float, str] | None) -> str:
    """Say in words what a chart shows, for those who cannot see it."""
    parts = [f"{line.name}: from {number(line.y[0])} to {number(line.y[-1])}" for line in lines]
    return "; ".join(parts) + (f"; {reference[1]}: {number(reference[0])}" if reference else "") + "."


def number(value: float) -> str:
    """Return a number as short as it can be read."""
    if value == 0:
        return "0"
    if abs(value) >= 1e5 or abs(value) < 1e-3:
        return f"{value:.1e}".replace("e-0", "e-").replace("e+0", "e")
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def _inner(places: list[float]) -> list[float]:
    """Leave out the two ends, which are seldom round, where enough remain to read the axis by."""
    return places[1:-1] if len(places) > 3 else places


@dataclass(frozen=True)
class _Frame:
    """The data range of the drawing area."""

    left: float
    right: float
    bottom: float
    top: float
    is_log: bool = False

    def x(self, value: float) -> float:
        return LEFT + (value - self.left) / (self.right - self.left) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        scale = math.log if self.is_log else float
        share = (scale(value) - scale(self.bottom)) / (scale(self.top) - scale(self.bottom))
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def _axes(frame: _Frame, x_ticks: Sequence[float], y_ticks: Sequence[float], x_label: str) -> list[str]:
    parts = []
    for value in y_ticks:
        y = frame.y(value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{number(value)}</text>')
    for value in x_ticks:
        x = frame.x(value)
        parts.append(
            f'<text class="tick" x="{x:.1f}" y="{HEIGHT - BOTTOM + 15}" text-anchor="middle">{number(value)}</text>'
        )
    parts.append(
        f'<text class="tick" x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 4}" text-anchor="middle">'
        f"{html.escape(x_label)}</text>"
    )
    return parts


def _reference(frame: _Frame, value: float, name: str) -> list[str]:
    y = frame.y(value)
    above = y - 5 if y > TOP + 14 else y + 13
    return [
        f'<line class="reference" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>',
        f'<text class="reference-name" x="{WIDTH - RIGHT}" y="{above:.1f}" text-anchor="end">'
        f"{html.escape(name)}</text>",
    ]


def _line(frame: _Frame, line: Series) -> list[str]:
    """Draw one series; a long one as a faint raw line under its running mean."""
    if len(line.x) == 1:
        return [
            f'<circle class="dot tone{line.tone}" cx="{frame.x(line.x[0]):.1f}" cy="{frame.y(line.y[0]):.1f}" r="3.5"/>'
        ]
    raw = _path(frame, line.x, line.y)
    if len(line.x) < SMOOTH_FROM:
        return [f'<path class="line tone{line.tone}" d="{raw}"/>']
    smooth = _path(frame, line.x, running_mean(line.y, width=len(line.y) // 12))
    return [
        f'<path class="line faint tone{line.tone}" d="{raw}"/>',
        f'<path class="line tone{line.tone}" d="{smooth}"/>',
    ]


def running_mean(values: Sequence[float], *, width: int) -> list[float]:
    """Return the mean over the last `width` values at each place, fewer at the start."""
    return [sum(values[max(0, i + 1 - width) : i + 1]) / min(width, i + 1) for i in range(len(values))]


def _path(frame: _Frame, xs: Sequence[float], ys: Sequence[float]) -> str:
    return "M" + "L".join(f"{frame.x(x):.1f} {frame.y(y):.1f}" for x, y in zip(xs, ys, strict=True))


def _short(values: Sequence[float]) -> list[float]:
    return [float(f"{value:.4g}") for value in values]
