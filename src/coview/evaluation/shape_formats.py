"""Tables in the shape of the papers' as Markdown, CSV or LaTeX: what is published and what is ours in columns apart."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from coview.evaluation.metrics import metric
from coview.evaluation.published import PublishedColumn
from coview.evaluation.shape_groups import Beside
from coview.evaluation.shape_tables import ShapeRow, ShapeTable
from coview.evaluation.table_formats import cell_text, numbers
from coview.evaluation.text_table import Format, TextTable, written


def shapes_as_text(tables: Sequence[ShapeTable], form: Format) -> str:
    """Return the tables as one text that ends with a line break."""
    return _csv(tables) if form == "csv" else written([_text_table(table) for table in tables], form)


def _text_table(table: ShapeTable) -> TextTable:
    heads = ["row of the paper", "our runs", "encoder", "seeds", "steps"]
    for column in table.columns:
        heads += [f"{column.name}: published", f"{column.name}: ours"]
    rows = tuple(tuple(_cells(table, row)) for row in table.rows)
    return TextTable(_title(table), tuple(heads), rows, num_names=3, note=_note(table))


def _title(table: ShapeTable) -> str:
    place = table.split or "all labelled videos"
    return f"{table.published.paper}, Table {table.published.table}, beside ours on {Path(table.data).name}, {place}"


def _note(table: ShapeTable) -> str:
    """Say where each kind of number comes from."""
    published = table.published
    data = table.columns[0].data if table.columns else ""
    split = "mean over splits" if published.split == "mean" else "split 1"
    measured = dict.fromkeys(f"{c.name}: {_measure(c)}" for c in table.columns)
    presets = dict.fromkeys(row.runs.preset for row in table.rows if row.runs is not None)
    parts = [
        f"Published: {published.paper}, Table {published.table} ({published.where}), on {data}, {split}",
        f"Ours: on {table.data}, mean ± standard deviation over seeds (n - 1); {'; '.join(measured)}"
        + (f"; preset {', '.join(presets)}" if presets else ""),
    ]
    if data and data.lower() not in Path(table.data).name.lower():
        parts.append(f"The published numbers are of {data}, ours are not: the two cannot be compared as they stand")
    return ". ".join([*parts, *table.remarks]) + "."


def _measure(column: PublishedColumn) -> str:
    variant = f" ({column.variant})" if column.variant else ""
    unit = "%" if metric(column.metric).is_share else metric(column.metric).unit
    return f"{column.metric} of {column.protocol}{variant} in {unit}"


def _cells(table: ShapeTable, row: ShapeRow) -> list[str]:
    cells = [row.label or "-", *_about(row.runs, row.features)]
    for column, published, own in zip(table.columns, row.published, row.ours, strict=True):
        cells += ["-" if published is None else f"{published:.1f}", cell_text(column.metric, own)]
    return cells


def _about(runs: Beside | None, features: str) -> list[str]:
    if runs is None:
        return ["-"] * 4
    few, most = runs.steps
    steps = "-" if not most else f"{few}" if few == most else f"{few}-{most}"
    name = f"{runs.name}: {features}" if features else runs.name
    return [name, runs.encoder, str(len(runs.seeds)), steps]


def _csv(tables: Sequence[ShapeTable]) -> str:
    """Write a line for each row and column; what is published is in per cent, as in the paper, ours as it is."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    heads = ["shape", "published_data", "row", "column", "published", "data", "split", "run", "features", "encoder"]
    writer.writerow([*heads, "preset", "seeds", "steps", "protocol", "metric", "ours_mean", "ours_deviation"])
    for table in tables:
        for row in table.rows:
            runs = row.runs
            about = ["", row.features, "", "", 0, ""]
            if runs is not None:
                about = [runs.name, row.features, runs.encoder, runs.preset, len(runs.seeds), runs.steps[1]]
            for column, published, own in zip(table.columns, row.published, row.ours, strict=True):
                place = [table.shape, column.data, row.label, column.name, "" if published is None else published]
                measured = [column.protocol, column.metric, *numbers(own)]
                writer.writerow([*place, table.data, table.split or "", *about, *measured])
    return text.getvalue()
