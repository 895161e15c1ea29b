"""A comparison as tables, and as files: all numbers as JSON and CSV, gains per class as an SVG figure."""

import io
import math
import warnings
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from matplotlib import rc_context
from matplotlib.figure import Figure

from coview.config import as_plain
from coview.evaluation.comparison.compare import Comparison, as_records, as_values
from coview.evaluation.comparison.gains import Gain, RowGains, show_p
from coview.evaluation.results.result import describe_counts
from coview.evaluation.results.tables import Table
from coview.files import write_json, write_text
from coview.wording import counted

_MOST_LINES, _MOST_BARS = 24, 40
_ENDINGS = (".json", ".csv", ".svg")
_COLUMNS = ("A", "B", "A - B", "95% interval", "only A/B", "p")


def comparison_tables(comparison: Comparison) -> list[Table]:
    """Return how often each run is right by each set of features, then the classes of those to look into.

    Classes come with the largest gain first; of many, those at both ends.
    """
    result = comparison.result_a
    lines = [[row.name, *_cells(row.overall, row.overall.p_value)] for row in comparison.rows]
    overall = Table(
        f"{comparison.a} (A) against {comparison.b} (B): {result.protocol}, {result.place}",
        pd.DataFrame(lines, columns=["right, in %", *_COLUMNS]),
        f"{describe_counts(result.counts)}. The interval draws whole groups of videos.",
    )
    return [overall, *(_class_table(comparison, row) for row in comparison.closer)]


def _class_table(comparison: Comparison, row: RowGains) -> Table:
    note = "p: McNemar's, adjusted (Holm) for as many tests as classes"
    shown = _choose_extremes(row.classes, _MOST_LINES)
    if len(shown) < len(row.classes):
        note += f"; {counted(len(row.classes) - len(shown), 'class')} in between are not shown"
    lines = [[gain.name, str(gain.videos), *_cells(gain, gain.p_adjusted, digits=0)] for gain in shown]
    title = f"{row.name}: gain of {comparison.a} over {comparison.b} in each class"
    return Table(title, pd.DataFrame(lines, columns=["class", "videos", *_COLUMNS]), note)


def _cells(gain: Gain, p_value: float, *, digits: int = 1) -> list[str]:
    interval = "-"
    if math.isfinite(gain.low):
        interval = f"{100 * gain.low:+.{digits}f} to {100 * gain.high:+.{digits}f}"
    shares = [f"{100 * share:.1f}" for share in (gain.share_a, gain.share_b)]
    return [*shares, f"{100 * gain.gain:+.1f}", interval, f"{gain.only_a}/{gain.only_b}", show_p(p_value)]


def _choose_extremes(classes: Sequence[Gain], most: int) -> tuple[Gain, ...]:
    """Return all classes, or of more than `most` the largest gains and losses."""
    half = most // 2
    return tuple(classes) if len(classes) <= most else (*classes[:half], *classes[-half:])


def write_comparison(comparison: Comparison, out: Path) -> list[Path]:
    """Write OUT.json, OUT.csv and OUT.svg; an ending that is already there is taken off first.

    Raises:
        UserError: they cannot be written.
    """
    stem = out.with_suffix("") if out.suffix in _ENDINGS else out
    paths = [stem.with_name(stem.name + ending) for ending in _ENDINGS]
    write_json(paths[0], as_plain(as_values(comparison)))
    write_text(paths[1], pd.DataFrame(as_records(comparison)).to_csv(index=False, lineterminator="\n"))
    write_text(paths[2], _draw_gains(comparison.closer, a=comparison.a, b=comparison.b))
    return paths


def _draw_gains(rows: Sequence[RowGains], *, a: str, b: str) -> str:
    """Draw the gains per class of each row with their 95% intervals, largest first: right where A gains, left where B.

    Where there are more than 40 classes, the 20 largest gains and the 20 largest losses are drawn, and the title says
    so. Source: CoCon, Figure 4.

    Args:
        rows: at least one.
        a: what gains to the right.
        b: what gains to the left.

    Returns:
        An SVG document.
    """
    shown = [_choose_extremes(row.classes, _MOST_BARS) for row in rows]
    heights = [len(gains) + 4 for gains in shown]
    with rc_context({"svg.fonttype": "none", "text.parse_math": False}):  # text stays text, and no name is a formula
        figure = Figure(figsize=(6.5, 0.22 * sum(heights)), layout="constrained")
        axes = figure.subplots(len(rows), 1, squeeze=False, height_ratios=heights)[:, 0]
        for panel, row, gains in zip(axes, rows, shown, strict=True):
            few = f", {len(gains)} extreme classes of {len(row.classes)}" if len(gains) < len(row.classes) else ""
            panel.set_title(f"{row.name}{few}\n{b} is better  |  {a} is better", fontsize=9)
            values = [100 * gain.gain for gain in gains]
            colours = ["#1f5fa8" if value >= 0 else "#c0392b" for value in values]
            panel.barh([gain.name for gain in gains], values, color=colours)
            for place, gain in enumerate(gains):
                if math.isfinite(gain.low) and gain.high > gain.low:
                    panel.plot([100 * gain.low, 100 * gain.high], [place, place], color="#222", linewidth=0.8)
            reach = max(5.0, *(abs(end) for end in panel.get_xlim()))
            panel.set(xlim=(-reach, reach), xlabel="points of accuracy")
            panel.axvline(0, color="#222", linewidth=0.8)
            panel.invert_yaxis()
            panel.tick_params(labelsize=8)
        drawing = io.StringIO()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing")  # the drawing keeps the letter
            figure.savefig(drawing, format="svg", metadata={"Date": None})
    return drawing.getvalue()
