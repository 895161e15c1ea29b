"""Tables of any number of results: chosen and averaged here, laid out by pandas as text, Markdown, LaTeX or CSV."""

import math
import shutil
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from coview.errors import UserError
from coview.evaluation.results.comparability import comparability_key
from coview.evaluation.results.result import Result, ScoreRow, describe_counts
from coview.evaluation.results.runs import (
    RunResult,
    average_splits,
    keep_latest,
    mean_over_splits,
    name_groups,
    one_per_seed,
    read_run_results,
)
from coview.registry import did_you_mean

Format = Literal["text", "markdown", "latex", "csv"]
_DEFAULT_METRICS = 2


@dataclass(frozen=True)
class Table:
    """A table to read.

    Attributes:
        title: what it shows.
        cells: what is shown, as text.
        note: what a reader should know.
        values: the numbers themselves, a line each, for CSV; None: the cells.
        num_names: how many columns at the left hold names; the others hold numbers.
    """

    title: str
    cells: pd.DataFrame
    note: str = ""
    values: pd.DataFrame | None = None
    num_names: int = 1


def lay_out(tables: Sequence[Table], form: Format) -> str:
    """Return tables as one text that ends with a line break."""
    if form == "csv":
        frames = [table.cells if table.values is None else table.values for table in tables]
        return str(pd.concat(frames).to_csv(index=False, lineterminator="\n"))
    write = {"text": _as_text, "markdown": _as_markdown, "latex": _as_latex}[form]
    return "\n\n".join(write(table) for table in tables) + "\n"


def _as_text(table: Table) -> str:
    width = shutil.get_terminal_size((120, 24)).columns
    cells = table.cells.astype(str)
    for name in cells.columns[: table.num_names]:  # names begin at the left, numbers end at the right
        longest = max(len(str(name)), *cells[name].str.len())
        cells = cells.assign(**{name: cells[name].str.ljust(longest)}).rename(columns={name: str(name).ljust(longest)})
    shown = cells.to_string(index=False, line_width=width, max_colwidth=None)
    return "\n".join([table.title, "", shown, "", *textwrap.wrap(table.note, min(width, 120))])


def _as_markdown(table: Table) -> str:
    names = [str(name) for name in table.cells.columns]
    rules = ["---"] * table.num_names + ["---:"] * (len(names) - table.num_names)
    lines = [names, rules, *table.cells.astype(str).values.tolist()]
    shown = ["| " + " | ".join(cell.replace("|", "/") for cell in line) + " |" for line in lines]
    return "\n".join([f"**{table.title}**", "", *shown, "", table.note])


def _as_latex(table: Table) -> str:
    places = "l" * table.num_names + "r" * (len(table.cells.columns) - table.num_names)
    shown = table.cells.astype(str).rename(columns=_escape_latex).map(_escape_latex)
    text = shown.to_latex(index=False, column_format=places, escape=False)
    return f"% {table.title}\n{text}% {table.note}"


def _escape_latex(text: str) -> str:
    marks = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$"}
    marks |= {mark: f"\\{mark}" for mark in "&%$#_{}"}
    return "".join(marks.get(mark, mark) for mark in text)


def result_table(result: Result) -> Table:
    """Return the scores in per cent, this run's first; the note says how many videos were scored of how many."""
    variant = f" ({result.variant})" if result.variant else ""
    cells = [[row.title, *(row.text(metric) for metric in result.metrics)] for row in result.rows]
    remarks = "".join(f" {remark}." for remark in result.remarks)
    return Table(
        f"{result.protocol}{variant}, {result.place}, preset {result.preset}",
        pd.DataFrame(cells, columns=["in %", *map(result.heading, result.metrics)]),
        f"{describe_counts(result.counts)}.{remarks}",
    )


def result_tables(results: Sequence[Result]) -> list[Table]:
    """Return the tables of one run on its splits: scores, stages where they were scored, and the mean of several."""
    tables = []
    for result in results:
        tables += [result_table(result), *([stage_table(result)] if result.curve else [])]
    return tables if len(results) < 2 else [*tables, result_table(mean_over_splits(results))]


def stage_table(result: Result) -> Table:
    """Return the first two metrics after each finished stage; a star marks the views that the stage trained.

    Standard errors, which hardly differ from stage to stage, are in the file: with them it would not fit a terminal.
    """
    shown = result.metrics[:2]
    names = dict.fromkeys(row.name for one in result.curve for row in one.rows)
    lines = []
    for one in result.curve:
        rows = {row.name: row for row in one.rows}
        cells = [_stage_cell(rows.get(name), metric, one.trained) for name in names for metric in shown]
        lines.append([one.stage, *cells])
    columns = ["after stage", *(f"{name} {metric}" for name in names for metric in shown)]
    return Table(f"{result.protocol} after each stage", pd.DataFrame(lines, columns=columns))


def _stage_cell(row: ScoreRow | None, metric: str, trained: Sequence[str]) -> str:
    if row is None:
        return "- "
    value = row.scale(metric).text(row.metrics.get(metric, math.nan))
    return f"{value}{'*' if row.name in trained else ' '}"


def tabulate_runs(
    runs: Sequence[Path | str], *, protocol: str | None = None, metrics: Sequence[str] = ()
) -> list[Table]:
    """Put the results of many runs into tables, one for each protocol, variant, split and data set.

    Runs that differ in nothing but their seed share a row. Runs that were scored on several splits also get a table of
    the mean over them. A run that was evaluated at several checkpoints counts with the latest of them.

    Args:
        runs: folders, each with or without NAME= before it; the same name may stand before runs that differ in
            their seed alone.
        protocol: only results of this protocol.
        metrics: columns; none: the first two of each protocol.

    Raises:
        UserError: a folder is no run or was not evaluated, two runs have the same settings and the same seed, one
            name stands for different settings, or a metric is unknown.
    """
    found = read_run_results(runs, protocol)
    comparable: dict[str, list[RunResult]] = {}
    for one in (*found, *average_splits(found)):
        comparable.setdefault(comparability_key(one.result), []).append(one)
    if not comparable:
        wanted = f" under protocol {protocol!r}" if protocol else ""
        raise UserError(f"none of the {len(runs)} runs has a result{wanted}; make one with: coview evaluate RUN ...")
    return [_runs_table(keep_latest(group), metrics) for group in comparable.values()]


def _runs_table(found: Sequence[RunResult], metrics: Sequence[str]) -> Table:
    first = found[0].result
    chosen = choose_metrics(first, metrics)
    values = pd.DataFrame([*_run_values(found, chosen), *_baseline_values(found, chosen)])
    lines = [_cells(rows, first, chosen) for _, rows in values.groupby(["run", "features"], sort=False)]
    heads = ["run", "features", "seeds", "steps"]
    for metric in chosen:
        heads += [first.heading(metric), f"{metric}, random weights"]
    variant = f" ({first.variant})" if first.variant else ""
    title = f"{first.protocol}{variant}, {first.split or 'all labelled videos'}, data {first.data_name}"
    for place, name in enumerate(("protocol", "variant", "split")):
        values.insert(place, name, getattr(first, name) or "")
    values.insert(3, "data", first.data_name)
    values = values.assign(**{name: first.counts.get(name, "") for name in ("queries_scored", "queries")})
    return Table(title, pd.DataFrame(lines, columns=heads), _note(values, first, chosen), values, num_names=2)


def choose_metrics(result: Result, metrics: Sequence[str]) -> tuple[str, ...]:
    """Return the metrics to show: those asked for, or the first two.

    Raises:
        UserError: the protocol has no such metric.
    """
    for metric in metrics:
        if metric not in result.metrics:
            hint = did_you_mean(metric, result.metrics) or "."
            raise UserError(f"{result.protocol} has no metric {metric!r}{hint} It has: {', '.join(result.metrics)}.")
    return tuple(metrics) or result.metrics[:_DEFAULT_METRICS]


def _run_values(found: Sequence[RunResult], metrics: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield a line for each metric of each set of features, over seeds, of the runs in the order they were given."""
    groups: dict[str, list[RunResult]] = {}
    for one in found:
        groups.setdefault(one.identity, []).append(one)
    for name, group in zip(name_groups(list(groups.values())), groups.values(), strict=True):
        seeds = one_per_seed(group)
        steps = [one.step for one in seeds]
        shown = f"{min(steps)}" if min(steps) == max(steps) else f"{min(steps)}-{max(steps)}"
        for own in (row for row in seeds[0].result.rows if row.kind == "trained"):
            about = {"run": name, "preset": seeds[0].result.preset, "features": own.name, "seeds": len(seeds)}
            results = [one.result for one in seeds]
            for metric in metrics:
                random = _of_rows(results, "random", own.name, metric)
                yield {
                    **about,
                    "steps": shown,
                    "metric": metric,
                    **_spread("", _of_rows(results, "trained", own.name, metric)),
                    **_spread("random_", random if len(random) == len(seeds) else []),
                }


def _baseline_values(found: Sequence[RunResult], metrics: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield those of pixels and chance once for all runs: one result a seed, since a classifier's seed is the run's."""
    by_seed = {one.result.seed: one.result for one in found if any(row.kind == "pixels" for row in one.result.rows)}
    results = list(by_seed.values())
    for own in (row for row in (results[0].rows if results else ()) if row.kind in ("pretrained", "pixels", "chance")):
        for metric in metrics:
            values = _of_rows(results, own.kind, own.name, metric)
            once = values[:1] if len(set(values)) == 1 else values
            about = {"run": "", "preset": "", "features": own.name, "seeds": len(results), "steps": ""}
            yield {**about, "metric": metric, **_spread("", once), **_spread("random_", [])}


def _of_rows(results: Iterable[Result], kind: str, name: str, metric: str) -> list[float]:
    rows = [result.row(kind, name) for result in results]
    return [row.metrics[metric] for row in rows if row is not None]


def _spread(prefix: str, values: Sequence[float]) -> dict[str, float]:
    """Return mean and standard deviation (n - 1); nan where there is none."""
    found = pd.Series(values, dtype=float)
    return {f"{prefix}mean": float(found.mean()), f"{prefix}deviation": float(found.std())}


def _cells(values: pd.DataFrame, first: Result, metrics: Sequence[str]) -> list[str]:
    """Return the lines of one set of features as they are read."""
    head = values.iloc[0]
    is_run = bool(head["run"])
    cells = [head["run"] or "-", head["features"], str(head["seeds"]) if is_run else "-", head["steps"] or "-"]
    for (_, line), metric in zip(values.iterrows(), metrics, strict=True):
        for prefix in ("", "random_"):
            cells.append(first.scale(metric).text(line[f"{prefix}mean"], line[f"{prefix}deviation"]))
    return cells


def _note(values: pd.DataFrame, first: Result, metrics: Sequence[str]) -> str:
    """Say how the numbers were made of how many videos and seeds, and from which preset."""
    presets = {run: preset for run, preset in zip(values["run"], values["preset"], strict=True) if run}
    words = "; ".join(f"{run}: {preset}" for run, preset in presets.items())
    if len(set(presets.values())) == 1:
        words = next(iter(presets.values()))
    shares = [metric for metric in metrics if first.scale(metric).is_share]
    unit = f"{', '.join(shares)} in %. " if shares else ""
    return (
        f"{unit}Mean ± standard deviation over seeds (n - 1), as many as the column says. "
        f"{describe_counts(first.counts)}. Preset {words}."
    )
