"""One table from the evaluations of many runs: mean and standard deviation over seeds, never of unlike things."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from coview.config import read_yaml
from coview.errors import UserError
from coview.evaluate.alike import condition_but_for_split, condition_key
from coview.evaluate.base import ScoreRow
from coview.evaluate.naming import names_of_configs, without_speed_settings
from coview.evaluate.over_splits import mean_over_splits
from coview.evaluate.result import EvaluationResult, read_results
from coview.registry import did_you_mean
from coview.training.runfolder import RESOLVED

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


@dataclass(frozen=True)
class _Scored:
    """One result, with the run it is of."""

    given_name: str
    config: Mapping[str, Any]
    result: EvaluationResult

    @property
    def identity(self) -> str:
        """All that makes two runs alike but for their seed."""
        stage = self.result.checkpoint.get("stage")
        return json.dumps([without_speed_settings(self.config), stage], sort_keys=True)


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
    found = [scored for folder in dict.fromkeys(str(run) for run in runs) for scored in _read(folder, protocol)]
    by_condition: dict[str, list[_Scored]] = {}
    for scored in (*found, *_over_splits(found)):
        by_condition.setdefault(condition_key(scored.result), []).append(scored)
    if not by_condition:
        wanted = f" under protocol {protocol!r}" if protocol else ""
        raise UserError(f"none of the {len(runs)} runs has a result{wanted}; make one with: coview evaluate RUN ...")
    return [_table(_latest(alike), metrics=metrics) for alike in by_condition.values()]


def _read(word: str, protocol: str | None) -> list[_Scored]:
    """Return the results of one run, given as FOLDER or NAME=FOLDER."""
    name, equals, folder = word.partition("=")
    if not equals or Path(word).exists():
        name, folder = "", word
    if not (Path(folder) / RESOLVED).is_file():
        raise UserError(f"{folder} is not a run: it has no {RESOLVED}; give folders that coview pretrain made")
    results = read_results(Path(folder))
    if not results:
        raise UserError(f"{folder} has not been evaluated; do that with: coview evaluate {folder} --data DIR")
    config = read_yaml(Path(folder) / RESOLVED)["config"]
    return [_Scored(name, config, result) for result in results if protocol in (None, result.protocol)]


def _over_splits(found: Iterable[_Scored]) -> list[_Scored]:
    """Return the mean over splits of each run that was scored alike on several of them."""
    groups: dict[str, dict[str, _Scored]] = {}
    for scored in found:
        if scored.result.split is not None:
            key = json.dumps([str(_folder(scored.result)), condition_but_for_split(scored.result)], sort_keys=True)
            groups.setdefault(key, {})[scored.result.split] = scored
    return [
        replace(next(iter(by_split.values())), result=mean_over_splits([one.result for one in by_split.values()]))
        for by_split in groups.values()
        if len(by_split) > 1
    ]


def _folder(result: EvaluationResult) -> Path:
    """Return the run's folder, where it is now."""
    return Path(result.path).resolve().parents[1]


def _latest(alike: Iterable[_Scored]) -> list[_Scored]:
    """Keep the latest checkpoint of each run."""
    latest: dict[str, _Scored] = {}
    for scored in alike:
        folder = str(_folder(scored.result))
        before = latest.get(folder)
        if before is None or _step(scored.result) > _step(before.result):
            latest[folder] = scored
    return list(latest.values())


def _step(result: EvaluationResult) -> int:
    return int(result.checkpoint.get("global_step", 0))


def _table(alike: Sequence[_Scored], *, metrics: Sequence[str]) -> RunsTable:
    first = alike[0].result
    known = list(first.rows[0].metrics)
    for metric in metrics:
        if metric not in known:
            hint = did_you_mean(metric, known) or "."
            raise UserError(f"{first.protocol} has no metric {metric!r}{hint} It has: {', '.join(known)}.")
    chosen = tuple(metrics) or tuple(known[:DEFAULT_METRICS])
    groups: dict[str, list[_Scored]] = {}
    for scored in alike:
        groups.setdefault(scored.identity, []).append(scored)
    rows = []
    for name, group in zip(_names(list(groups.values())), groups.values(), strict=True):
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


def _names(groups: Sequence[Sequence[_Scored]]) -> list[str]:
    """Name each group: as given, else by its method and what is its own."""
    automatic = names_of_configs([group[0].config for group in groups])
    names = []
    for group, name in zip(groups, automatic, strict=True):
        given = dict.fromkeys(scored.given_name for scored in group if scored.given_name)
        if len(given) > 1:
            raise UserError(f"the names {' and '.join(given)} stand for runs that differ in nothing but their seed")
        stage = group[0].result.checkpoint.get("stage")
        own = name if automatic.count(name) == 1 else f"{name}, at stage {stage}"
        names.append(next(iter(given), own))
    for name in names:
        if names.count(name) > 1:
            runs = [group[0].result.run for group, other in zip(groups, names, strict=True) if other == name]
            raise UserError(f"the name {name!r} stands for runs of different settings: {', '.join(runs)}")
    return names


def _rows_of_group(name: str, group: Sequence[_Scored], metrics: Sequence[str]) -> list[TableRow]:
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
    steps = [_step(result) for result in results]
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


def _baseline_rows(alike: Sequence[_Scored], metrics: Sequence[str]) -> list[TableRow]:
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
