"""A result as a table for the terminal."""

import math
from collections.abc import Mapping
from typing import Any

from rich.table import Table

from coview.evaluation.base import ScoreRow
from coview.evaluation.metrics import heading, metric
from coview.evaluation.result import EvaluationResult

KIND_TITLES = {
    "trained": "this run",
    "random": "random weights",
    "pixels": "pixels",
    "chance": "chance",
}


def result_table(result: EvaluationResult) -> Table:
    """Return the scores in per cent, this run's first; the caption says how many videos were scored of how many."""
    names = list(result.rows[0].metrics)
    place = f"split {result.split}" if result.split else "all labelled videos"
    title = f"{result.protocol}{f' ({result.variant})' if result.variant else ''}, {place}, preset {result.preset}"
    table = Table(title=title, caption=caption(result))
    table.add_column("in %")
    for name in names:
        table.add_column(heading(name), justify="right")
    before = ""
    for row in result.rows:
        if before and row.kind != before:
            table.add_section()
        before = row.kind
        style = "bold" if row.kind == "trained" else None
        table.add_row(row_title(row), *(_cell(row, name) for name in names), style=style)
    return table


def curve_table(result: EvaluationResult) -> Table:
    """Return the first two metrics after each finished stage; a star marks the views that the stage trained.

    Standard errors, which hardly differ from stage to stage, are in the file: with them it would not fit a terminal.
    """
    table = Table(title=f"{result.protocol} after each stage")
    table.add_column("after stage", no_wrap=True, min_width=max(len(one.stage) for one in result.curve))
    columns = list(dict.fromkeys((row.name, name) for one in result.curve for row in one.rows for name in shown(row)))
    for row_name, name in columns:
        table.add_column(f"{row_name} {name}", justify="right")
    for one in result.curve:
        cells = {
            (row.name, name): metric(name).text(row.metrics.get(name, math.nan))
            for row in one.rows
            for name in shown(row)
        }
        marks = [f"{cells.get(key, '-')}{'*' if key[0] in one.trained else ' '}" for key in columns]
        table.add_row(one.stage, *marks)
    return table


def shown(row: ScoreRow) -> list[str]:
    """Return the metrics of a row that a curve shows."""
    return list(row.metrics)[:2]


def row_title(row: ScoreRow) -> str:
    """Return "rgb", "rgb, random weights", "colour histogram" or "chance"."""
    return f"{row.name}, {KIND_TITLES['random']}" if row.kind == "random" else row.name


def caption(result: EvaluationResult) -> str:
    """Say what was scored of what, and what the reader should know."""
    return f"{counts_in_words(result.counts)}." + "".join(f" {remark}." for remark in result.remarks)


def counts_in_words(counts: Mapping[str, Any]) -> str:
    """Say how many videos were scored of how many, against or after learning from how many."""
    scored, used = roles(counts)
    return (
        f"{counts['queries_scored']} of {counts['queries']} {scored} videos scored; "
        f"{counts['gallery_used']} of {counts['gallery']} {used} videos used"
    )


def roles(counts: Mapping[str, Any]) -> tuple[str, str]:
    """Return what a protocol calls the videos it scores and those it knows: query and gallery, or test and training."""
    scored, used = counts.get("roles", ("query", "gallery"))
    return str(scored), str(used)


def _cell(row: ScoreRow, name: str) -> str:
    return metric(name).text(row.metrics.get(name, math.nan), row.standard_errors.get(name))
