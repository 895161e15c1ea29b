"""One table from the evaluations of many runs: mean and standard deviation over seeds, never of unlike things."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from coview.errors import UserError
from coview.evaluation.alike import condition_key
from coview.evaluation.base import ScoreRow
from coview.evaluation.result import EvaluationResult
from coview.evaluation.scored import Scored, latest, names_of_groups, over_splits, read_scored, step_of
from coview.registry import did_you_mean

DEFAULT_METRICS = 2


@dataclass(frozen=True)
class Cell:
    """Values of one metric over seeds."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Their mean."""
        return float(np.mean(self.values))

    @property
    def deviation(self) -> float | None:
        """Standard deviation (n - 1); None for one seed alone."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else None


@dataclass(frozen=True)
class TableRow:
    """One set of features of one kind of run.

    Attributes:
        run: what the run is called; empty for pixels and chance.
        features: a view, an ensemble, a pixel baseline or "chance".
        seeds: the seeds that were averaged.
        steps: fewest and most optimiser steps of the runs.
        preset: which reading of the papers the runs spell.
        cells: metric -> values over seeds.
        random: the same with the weights that training began from; empty where that was not scored.
    """

    run: str
    features: str
    seeds: tuple[int, ...]
    steps: tuple[int, int]
    preset: str
    cells: Mapping[str, Cell]
    random: Mapping[str, Cell] = field(default_factory=dict)


@dataclass(frozen=True)
class RunsTable:
    """The results of one protocol on the same videos.

    Attributes:
        protocol: name.
        variant: "" for the protocol's default.
        split: split column, None without one.
        data: the prepared data set's folder.
        counts: of the videos that were scored.
        metrics: the columns.
        rows: runs in the order they were given, then pixels, then chance.
    """

    protocol: str
    variant: str
    split: str | None
    data: str
    counts: Mapping[str, Any]
    metrics: tuple[str, ...]
    rows: tuple[TableRow, ...]


def tables_of_runs(
    runs: Sequence[Path | str], *, protocol: str | None = None, metrics: Sequence[str] = ()
) -> list[RunsTable]:
    """Put the results of many runs into tables, one for each protocol, variant, split and data set.

    Runs that were scored on several splits also get a table of the mean over them.
    A run that was evaluated at several checkpoints counts with the latest of them.

    Args:
        runs: folders, each with or without NAME= before it; the same name may stand before runs that differ in
            their seed alone.
        protocol: only results of this protocol.
        metrics: columns; none: the first two of each protocol.

    Raises:
        UserError: a folder is no run or was not evaluated, two runs have the same settings and the same seed, one
            name stands for different settings, or a metric is unknown.
    """
    found = [scored for folder in dict.fromkeys(str(run) for run in runs) for scored in read_scored(folder, protocol)]
    by_condition: dict[str, list[Scored]] = {}
    for scored in (*found, *over_splits(found)):
        by_condition.setdefault(condition_key(scored.result), []).append(scored)
    if not by_condition:
        wanted = f" under protocol {protocol!r}" if protocol else ""
        raise UserError(f"none of the {len(runs)} runs has a result{wanted}; make one with: coview evaluate RUN ...")
    return [_table(latest(alike), metrics=metrics) for alike in by_condition.values()]


def _table(alike: Sequence[Scored], *, metrics: Sequence[str]) -> RunsTable:
    first = alike[0].result
    known = list(first.rows[0].metrics)
    for metric in metrics:
        if metric not in known:
            hint = did_you_mean(metric, known) or "."
            raise UserError(f"{first.protocol} has no metric {metric!r}{hint} It has: {', '.join(known)}.")
    chosen = tuple(metrics) or tuple(known[:DEFAULT_METRICS])
    groups: dict[str, list[Scored]] = {}
    for scored in alike:
        groups.setdefault(scored.identity, []).append(scored)
    rows = []
    for name, group in zip(names_of_groups(list(groups.values())), groups.values(), strict=True):
        rows += _rows_of_group(name, group, chosen)
    return RunsTable(
        protocol=first.protocol,
        variant=first.variant,
        split=first.split,
        data=first.data["root"],
        counts=first.counts,
        metrics=chosen,
        rows=(*rows, *_baseline_rows(alike, chosen)),
    )


def _rows_of_group(name: str, group: Sequence[Scored], metrics: Sequence[str]) -> list[TableRow]:
    """Return a row for each of the run's features, over the seeds of the group."""
    by_seed: dict[int, EvaluationResult] = {}
    for scored in group:
        result = scored.result
        if result.seed in by_seed:
            raise UserError(
                f"{by_seed[result.seed].run} and {result.run} have the same settings and the same seed {result.seed}; "
                "give one of them, a mean over seeds counts each seed once"
            )
        by_seed[result.seed] = result
    results = [by_seed[seed] for seed in sorted(by_seed)]
    steps = [step_of(result) for result in results]
    rows = []
    for own in results[0].rows:
        if own.kind == "trained":
            trained, random = (_found(results, kind, own.name) for kind in ("trained", "random"))
            rows.append(
                TableRow(
                    run=name,
                    features=own.name,
                    seeds=tuple(sorted(by_seed)),
                    steps=(min(steps), max(steps)),
                    preset=results[0].preset,
                    cells=_cells(trained, metrics),
                    random=_cells(random, metrics) if len(random) == len(trained) else {},
                )
            )
    return rows


def _baseline_rows(alike: Sequence[Scored], metrics: Sequence[str]) -> list[TableRow]:
    """Return pixels and chance, once for all runs: one result a seed, since a classifier's seed is the run's."""
    by_seed = {scored.result.seed: scored.result for scored in alike if _has_baselines(scored.result)}
    results = list(by_seed.values())
    rows = []
    for own in results[0].rows if results else ():
        if own.kind in ("pixels", "chance"):
            cells = _cells(_found(results, own.kind, own.name), metrics)
            once = {name: Cell(cell.values[:1]) if len(set(cell.values)) == 1 else cell for name, cell in cells.items()}
            rows.append(TableRow("", own.name, tuple(sorted(by_seed)), (0, 0), "", once))
    return rows


def _has_baselines(result: EvaluationResult) -> bool:
    return any(row.kind == "pixels" for row in result.rows)


def _found(results: Iterable[EvaluationResult], kind: str, name: str) -> list[ScoreRow]:
    rows = [result.row(kind, name) for result in results]
    return [row for row in rows if row is not None]


def _cells(rows: Sequence[ScoreRow], metrics: Sequence[str]) -> dict[str, Cell]:
    return {metric: Cell(tuple(row.metrics[metric] for row in rows)) for metric in metrics if rows}
