"""A comparison for the terminal, and as files: all numbers as JSON and CSV, gains per class as an SVG figure."""

import csv
import io
import math
from pathlib import Path

from rich.table import Table

from coview.config import as_plain
from coview.evaluation.compare import Comparison, as_records, as_values
from coview.evaluation.gains import Gain, RowGains, p_in_words
from coview.evaluation.gains_figure import gains_figure
from coview.evaluation.table import counts_in_words
from coview.files import write_json, write_text

MOST_CLASSES = 24
ENDINGS = (".json", ".csv", ".svg")


def overall_table(comparison: Comparison) -> Table:
    """Return a row for each set of features: how often each run is right, and how the two differ."""
    result = comparison.result_a
    place = f"split {result.split}" if result.split else "all labelled videos"
    title = f"{comparison.a} (A) against {comparison.b} (B): {result.protocol}, {place}"
    table = Table(title=title, caption=f"{counts_in_words(result.counts)}. The interval draws whole groups of videos.")
    table.add_column("right, in %")
    _add_columns(table)
    for row in comparison.rows:
        style = "bold" if row in comparison.closer else None
        table.add_row(row.name, *_cells(row.overall, row.overall.p_value), style=style)
    return table


def class_table(comparison: Comparison, row: RowGains) -> Table:
    """Return the classes of one set of features, largest gain first; of many, those at both ends."""
    caption = "p: McNemar's, adjusted (Holm) for as many tests as classes"
    classes = row.classes
    if len(classes) > MOST_CLASSES:
        half = MOST_CLASSES // 2
        caption += f"; {len(classes) - MOST_CLASSES} classes in between are not shown"
        classes = (*classes[:half], *classes[-half:])
    table = Table(title=f"{row.name}: gain of {comparison.a} over {comparison.b} in each class", caption=caption)
    table.add_column("class")
    table.add_column("videos", justify="right")
    _add_columns(table)
    for place, gain in enumerate(classes):
        table.add_row(gain.name, str(gain.videos), *_cells(gain, gain.p_adjusted, digits=0))
        if len(row.classes) > MOST_CLASSES and place == MOST_CLASSES // 2 - 1:
            table.add_section()
    return table


def write_comparison(comparison: Comparison, out: Path) -> list[Path]:
    """Write OUT.json, OUT.csv and OUT.svg; an ending that is already there is taken off first.

    Raises:
        UserError: they cannot be written.
    """
    stem = out.with_suffix("") if out.suffix in ENDINGS else out
    paths = [stem.with_name(stem.name + ending) for ending in ENDINGS]
    records = as_records(comparison)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(records[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    write_json(paths[0], as_plain(as_values(comparison)))
    write_text(paths[1], text.getvalue())
    write_text(paths[2], gains_figure(comparison.closer, a=comparison.a, b=comparison.b))
    return paths


def _add_columns(table: Table) -> None:
    for heading in ("A", "B", "A - B", "95% interval", "only A/B", "p"):
        table.add_column(heading, justify="right", no_wrap=heading == "95% interval")


def _cells(gain: Gain, p_value: float, *, digits: int = 1) -> list[str]:
    interval = "-"
    if math.isfinite(gain.low):
        interval = f"{100 * gain.low:+.{digits}f} to {100 * gain.high:+.{digits}f}"
    shares = [f"{100 * share:.1f}" for share in (gain.share_a, gain.share_b)]
    return [*shares, f"{100 * gain.gain:+.1f}", interval, f"{gain.only_a}/{gain.only_b}", p_in_words(p_value)]
