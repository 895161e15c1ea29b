"""Tables of many runs as Markdown, CSV or LaTeX."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from coview.evaluate.many_runs import Cell, RunsTable, TableRow
from coview.evaluate.metrics import heading, metric
from coview.evaluate.table import counts_in_words

Format = Literal["markdown", "csv", "latex"]
_LATEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
_LATEX |= {mark: f"\\{mark}" for mark in "&%$#_{}"}


def as_text(tables: Sequence[RunsTable], form: Format) -> str:
    """Return the tables as one text that ends with a line break."""
    return {"markdown": _markdown, "csv": _csv, "latex": _latex}[form](tables)


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


def _cells(table: RunsTable, row: TableRow, *, plus_minus: str) -> list[str]:
    few, most = row.steps
    steps = f"{few}" if few == most else f"{few}-{most}"
    cells = [row.run or "-", row.features, str(len(row.seeds)) if row.run else "-", steps if row.run else "-"]
    for name in table.metrics:
        for values in (row.cells, row.random):
            cells.append(_cell(name, values.get(name), plus_minus=plus_minus))
    return cells


def _cell(name: str, cell: Cell | None, *, plus_minus: str) -> str:
    return "-" if cell is None else metric(name).text(cell.mean, cell.deviation, plus_minus=plus_minus)


def _markdown(tables: Sequence[RunsTable]) -> str:
    blocks = []
    for table in tables:
        heads = _headings(table)
        lines = [f"**{title(table)}**", "", _line(heads), _line(["---", "---", *["---:"] * (len(heads) - 2)])]
        lines += [_line(_cells(table, row, plus_minus=" ± ")) for row in table.rows]
        blocks.append("\n".join([*lines, "", note(table)]))
    return "\n\n".join(blocks) + "\n"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"


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
                numbers = [*_numbers(row.cells.get(name)), *_numbers(row.random.get(name))]
                writer.writerow([*place, *own, *numbers, *counts])
    return text.getvalue()


def _numbers(cell: Cell | None) -> list[float | str]:
    if cell is None:
        return ["", ""]
    return [cell.mean, "" if cell.deviation is None else cell.deviation]


def _latex(tables: Sequence[RunsTable]) -> str:
    blocks = []
    for table in tables:
        heads = _headings(table)
        lines = [f"% {title(table)}", f"\\begin{{tabular}}{{ll{'r' * (len(heads) - 2)}}}", "\\hline"]
        lines += [_latex_line(heads), "\\hline"]
        before = table.rows[0].run
        for row in table.rows:
            if row.run != before:
                lines.append("\\hline")
            before = row.run
            lines.append(_latex_line(_cells(table, row, plus_minus=" ± ")))
        blocks.append("\n".join([*lines, "\\hline", "\\end{tabular}", f"% {note(table)}"]))
    return "\n\n".join(blocks) + "\n"


def _latex_line(cells: Sequence[str]) -> str:
    escaped = ("".join(_LATEX.get(mark, mark) for mark in cell).replace("±", r"$\pm$") for cell in cells)
    return " & ".join(escaped) + r" \\"
