"""Findings for the terminal."""

from rich.table import Table
from rich.text import Text

from coview.analysis.base import FoundTable
from coview.analysis.result import AnalysisResult


def finding_tables(result: AnalysisResult) -> list[Table]:
    """Return the tables of an analysis; the last caption says how many videos took part."""
    tables = [_table(found) for found in result.findings.tables]
    if tables:
        tables[-1].caption = caption(result)
    return tables


def caption(result: AnalysisResult) -> str:
    """Say which videos took part, and what the reader should know."""
    place = f"{result.part} of {result.split}" if result.split else result.part
    counts = result.counts
    classes = f"{counts['classes']} classes" if counts["classes"] else "no labels"
    text = f"{counts['videos']} of {counts['of']} videos of {result.data_name} ({place}), {classes}."
    return text + "".join(f" {remark}." for remark in result.remarks)


def _table(found: FoundTable) -> Table:
    table = Table(title=found.title)
    for column in found.columns:
        table.add_column(column)
    for row in found.rows:
        table.add_row(*(Text(cell) for cell in row))  # a class may be called "[b]"
    return table
