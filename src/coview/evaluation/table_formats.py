"""Tables of many runs as Markdown, CSV or LaTeX."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from coview.evaluation.many_runs import Cell, RunsTable, TableRow
from coview.evaluation.metrics import heading, metric
from coview.evaluation.table import counts_in_words
from coview.evaluation.text_table import Format, TextTable, written


def as_text(tables: Sequence[RunsTable], form: Format) -> str:
    """Return the tables as one text that ends with a line break."""
    return _csv(tables) if form == "csv" else written([_text_table(table) for table in tables], form)


def _text_table(table: RunsTable) -> TextTable:
    rows = tuple(tuple(_cells(table, row)) for row in table.rows)
    return TextTable(title(table), tuple(_headings(table)), rows, num_names=2, note=note(table))


def title(table: RunsTable) -> str:
    """Say what the numbers are of: protocol, variant, split and data."""
    parts = [f"{table.protocol}{f' ({table.variant})' if table.variant else ''}"]
    parts.append(table.split or "all labelled videos")
    return ", ".join([*parts, f"data {Path(table.data).name}"])


def note(table: RunsTable) -> str:
    """Say how the numbers were made of how many videos and seeds, and from which preset."""
    presets = dict.fromkeys(row.preset for row in table.rows if row.preset)
    if len(presets) > 1:
        named = dict.fromkeys(f"{row.run}: {row.preset}" for row in table.rows if row.preset)
        presets = dict.fromkeys(["; ".join(named)])
    shares = [name for name in table.metrics if metric(name).is_share]
    unit = f"{', '.join(shares)} in %. " if shares else ""
    return (
        f"{unit}Mean ± standard deviation over seeds (n - 1), as many as the column says. "
        f"{counts_in_words(table.counts)}. Preset {', '.join(presets)}."
    )


def _headings(table: RunsTable) -> list[str]:
    heads = ["run", "features", "seeds", "steps"]
    for name in table.metrics:
        heads += [heading(name), f"{name}, random weights"]
    return heads


def _cells(table: RunsTable, row: TableRow) -> list[str]:
    few, most = row.steps
    steps = f"{few}" if few == most else f"{few}-{most}"
    cells = [row.run or "-", row.features, str(len(row.seeds)) if row.run else "-", steps if row.run else "-"]
    for name in table.metrics:
        for values in (row.cells, row.random):
            cells.append(cell_text(name, values.get(name)))
    return cells


def cell_text(name: str, cell: Cell | None) -> str:
    """Return a metric's mean with its deviation, "-" for none."""
    return "-" if cell is None else metric(name).text(cell.mean, cell.deviation)


def _csv(tables: Sequence[RunsTable]) -> str:
    """Write a line for each row and metric, numbers as they are, for any program to read."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    heads = ["protocol", "variant", "split", "data", "run", "preset", "features", "seeds", "steps", "metric"]
    writer.writerow([*heads, "mean", "deviation", "random_mean", "random_deviation", "queries_scored", "queries"])
    for table in tables:
        place = [table.protocol, table.variant, table.split or "", table.data]
        counts = [table.counts.get("queries_scored", ""), table.counts.get("queries", "")]
        for row in table.rows:
            for name in table.metrics:
                own = [row.run, row.preset, row.features, len(row.seeds), row.steps[1], name]
                values = [*numbers(row.cells.get(name)), *numbers(row.random.get(name))]
                writer.writerow([*place, *own, *values, *counts])
    return text.getvalue()


def numbers(cell: Cell | None) -> list[float | str]:
    """Return mean and deviation, empty where there is none."""
    if cell is None:
        return ["", ""]
    return [cell.mean, "" if cell.deviation is None else cell.deviation]
