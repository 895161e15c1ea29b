"""Tables in the shape of the papers': each published row, and beside it, in columns apart, what our runs gave.

    python benchmarks/papers/paper_tables.py vicc-1 runs/vicc-*
    python benchmarks/papers/paper_tables.py cocon-1 CoCon=runs/cocon-0 CoCon=runs/cocon-1 --format latex

Tables: cocon-1 to cocon-6 (not 4), vicc-1 to vicc-7. A row without a run of ours stays empty beside it; a run that is
like no row of the paper stands below, with nothing published. Runs are evaluated with `coview evaluate` before.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
from published import PublishedColumn, PublishedRow, PublishedTable, published_table, traits

from coview.errors import UserError
from coview.evaluation.query_gallery import LEAVE_GROUP_OUT
from coview.evaluation.results.comparability import comparability_key
from coview.evaluation.results.result import Result
from coview.evaluation.results.runs import (
    RunResult,
    average_splits,
    name_groups,
    one_per_seed,
    read_run_results,
    without_speed_settings,
)
from coview.evaluation.results.tables import Table, choose_metrics, lay_out
from coview.files import write_text
from coview.training.checkpoint import FOLDER, META, read_position

MEAN = "mean of "
Measured = tuple[str, str]
"""A protocol and its variant."""


@dataclass(frozen=True)
class RunGroup:
    """Runs alike but for their seed and in the same phase of training.

    Attributes:
        name: what they are called.
        encoder: name of their encoder.
        preset: which reading of the papers they spell.
        seeds: as many as were evaluated.
        steps: fewest and most optimiser steps, "" where that is not known.
        traits: what tells rows of the papers apart.
        results: (protocol, variant) -> their results, one a seed.
    """

    name: str
    encoder: str
    preset: str
    seeds: tuple[int, ...]
    steps: str
    traits: Mapping[str, str | int]
    results: Mapping[Measured, tuple[Result, ...]]


@dataclass(frozen=True)
class Line:
    """A published row, our runs, or both beside one another.

    Attributes:
        label: the published row, "" where the paper has none like ours.
        published: the paper's numbers in its own unit (per cent), None where it has none.
        group: ours; None where no run is like this row.
        ours: our values over seeds for each number, none where we have none.
        features: which features ours are of, "" without ours or where the columns say it.
    """

    label: str
    published: tuple[float | None, ...]
    group: RunGroup | None
    ours: tuple[tuple[float, ...], ...]
    features: str = ""


def paper_tables(
    runs: Sequence[Path | str], *, shape: str, protocol: str | None = None, metrics: Sequence[str] = ()
) -> list[Table]:
    """Put our runs beside the rows of a paper's table, one table for each data set and split of ours.

    Runs are matched by method, views, stage and the settings that tell the paper's rows apart. Ours are measured as
    the paper's numbers were, or under `protocol`.

    Args:
        runs: folders, each with or without NAME= before it.
        shape: such as "cocon-1" or "vicc-5".
        protocol: measure ours under this one in place of the paper's.
        metrics: with `protocol`, the one metric to show; not set: its first.

    Raises:
        UserError: no such table, a folder is no run or was not evaluated, or the metric is unknown.
    """
    published = published_table(shape)
    if len(metrics) > 1:
        raise UserError(f"one metric stands beside each published number, got {len(metrics)}")
    found = [one for one in read_run_results(runs) if "members" not in one.result.settings]
    found += _after_single_view_stages(found)
    found += average_splits(found)
    tables = []
    for data in dict.fromkeys(one.result.data_name for one in found):
        of_data = [one for one in found if one.result.data_name == data]
        columns = _columns(published, data, of_data, protocol=protocol, metrics=metrics)
        for split in _splits(published, [one.result.split for one in of_data]):
            of_split = [one for one in of_data if one.result.split == split]
            tables.append(_table(shape, published, columns, of_split, data=data, split=split))
    return tables


def _after_single_view_stages(found: Iterable[RunResult]) -> list[RunResult]:
    """Return what each run was when all its views had learnt alone, where its own result is of a later stage.

    That stands in the curve that an evaluation keeps: ViCC's stage 1 beside stage 2.
    """
    earlier = []
    for one in found:
        alone = set(one.config["views"])
        stages = [stage for stage in one.result.curve if stage.stage in alone]
        if not stages or one.result.checkpoint.get("stage") in alone:
            continue
        last = stages[-1]
        folder = one.folder / FOLDER / last.checkpoint
        checkpoint = {
            "checkpoint": last.checkpoint,
            "stage": last.stage,
            "global_step": read_position(folder).global_step if (folder / META).is_file() else 0,
            "trained_views": sorted({view for stage in stages for view in stage.trained}),
        }
        result = replace(one.result, checkpoint=checkpoint, rows=last.rows, curve=(), predictions={})
        earlier.append(replace(one, result=result))
    return earlier


def _columns(
    table: PublishedTable, data: str, found: Iterable[RunResult], *, protocol: str | None, metrics: Sequence[str]
) -> tuple[PublishedColumn, ...]:
    """Return the columns of the paper's data set that ours is, or stands for, measured as asked."""
    own = "HMDB51" if "hmdb" in Path(data).name.lower() else "UCF101"
    columns = tuple(column for column in table.columns if column.data == own)
    if protocol is None:
        return columns
    result = next((one.result for one in found if one.result.protocol == protocol), None)
    if result is None:
        raise UserError(f"no run has a result under protocol {protocol!r} on {data}; make one with: coview evaluate")
    chosen = choose_metrics(result, metrics)[0]
    return tuple(replace(column, protocol=protocol, metric=chosen, variant="") for column in columns)


def _splits(table: PublishedTable, there: Sequence[str | None]) -> list[str | None]:
    """Return the splits to show: the mean over splits where the paper has that, else the first one."""
    means = [split for split in dict.fromkeys(there) if split is not None and split.startswith(MEAN)]
    if table.split == "mean" and means:
        return list(means)
    single = [split for split in dict.fromkeys(there) if split not in means]
    return ["split1"] if "split1" in single else list(single)


def _table(
    shape: str,
    table: PublishedTable,
    columns: Sequence[PublishedColumn],
    found: Sequence[RunResult],
    *,
    data: str,
    split: str | None,
) -> Table:
    used: dict[Measured, list[RunResult]] = {}
    remarks = []
    for protocol, variant in dict.fromkeys((column.protocol, column.variant) for column in columns):
        variants = (variant,) if variant or split is not None else ("", LEAVE_GROUP_OUT)
        fitting = [one for one in found if one.result.protocol == protocol and one.result.variant in variants]
        used[protocol, variant], others = _comparable(fitting)
        if others:
            remarks.append(f"Left out, since evaluated under other settings of {protocol}: {', '.join(others)}")
        if not fitting:
            under = ", ".join(dict.fromkeys(one.result.protocol for one in found))
            name = f"{protocol}{f' ({variant})' if variant else ''}"
            remarks.append(f"No run was evaluated under {name} here; --protocol takes ours from another ({under})")
    lines = _lines(table, columns, _groups(used))
    frame = pd.DataFrame([_cells(columns, line) for line in lines], columns=_headings(columns))
    place = split or "all labelled videos"
    title = f"{table.paper}, Table {table.table}, beside ours on {Path(data).name}, {place}"
    values = [value for line in lines for value in _values(shape, columns, line, data=data, split=split)]
    presets = dict.fromkeys(line.group.preset for line in lines if line.group is not None)
    return Table(title, frame, _note(table, columns, presets, remarks, data=data), pd.DataFrame(values), num_names=3)


def _comparable(found: Sequence[RunResult]) -> tuple[list[RunResult], list[str]]:
    """Return the results that were made as most were, and the folders of the others."""
    if not found:
        return [], []
    usual, _ = Counter(comparability_key(one.result) for one in found).most_common(1)[0]
    others = dict.fromkeys(one.folder.name for one in found if comparability_key(one.result) != usual)
    return [one for one in found if comparability_key(one.result) == usual], list(others)


def _groups(used: Mapping[Measured, Sequence[RunResult]]) -> list[RunGroup]:
    """Sort results into runs that are alike but for their seed, in each phase of their training."""
    by_config: dict[str, list[tuple[Measured, RunResult]]] = {}
    for measured, results in used.items():
        for one in results:
            key = json.dumps([without_speed_settings(one.config), one.learnt_from], sort_keys=True)
            by_config.setdefault(key, []).append((measured, one))
    names = name_groups([[one for _, one in alike] for alike in by_config.values()])
    groups = []
    for name, alike in zip(names, by_config.values(), strict=True):
        phases: dict[str, list[tuple[Measured, RunResult]]] = {}
        for measured, one in alike:
            phases.setdefault(str(_traits(one)["phase"]), []).append((measured, one))
        for phase, of_phase in phases.items():
            groups.append(_group(name if len(phases) == 1 else f"{name}, {phase}", of_phase))
    return groups


def _group(name: str, found: Sequence[tuple[Measured, RunResult]]) -> RunGroup:
    by_protocol: dict[Measured, list[RunResult]] = {}
    for measured, one in found:
        by_protocol.setdefault(measured, []).append(one)
    latest = {measured: one_per_seed(results) for measured, results in by_protocol.items()}
    kept = [one for results in latest.values() for one in results]
    few, most = min(one.step for one in kept), max(one.step for one in kept)
    first = found[0][1]
    return RunGroup(
        name=name,
        encoder=str(first.config["encoder"]["name"]),
        preset=first.result.preset,
        seeds=tuple(sorted({one.result.seed for one in kept})),
        steps="" if not most else f"{few}" if few == most else f"{few}-{most}",
        traits=_traits(first),
        results={measured: tuple(one.result for one in results) for measured, results in latest.items()},
    )


def _traits(one: RunResult) -> dict[str, str | int]:
    return traits(one.config, stage=str(one.result.checkpoint.get("stage")), learnt_from=one.learnt_from)


def _lines(table: PublishedTable, columns: Sequence[PublishedColumn], groups: Sequence[RunGroup]) -> list[Line]:
    """Return the lines in the paper's order, then those of runs that are like none of its rows."""
    lines: list[Line] = []
    matched: set[str] = set()
    own = [place for place, column in enumerate(table.columns) if column.data == columns[0].data]
    for row in table.rows:
        published = tuple(row.values[place] for place in own)
        beside: dict[tuple[tuple[float, ...], ...], Line] = {}  # many runs began from the same random weights
        for group in groups:
            if row.ours is not None and all(group.traits.get(name) in allowed for name, allowed in row.ours.items()):
                matched |= {group.name} if row.kind == "trained" else set()
                ours = tuple(_measured(group, column, row) for column in columns)
                if any(ours):
                    beside.setdefault(ours, Line(row.name, published, group, ours))
        lines += beside.values() or [Line(row.name, published, None, ((),) * len(columns))]
    of_rows = dict.fromkeys(row.features for row in table.rows if row.features)
    for group in groups:
        for features in [()] if all(column.features for column in columns) else of_rows:
            ours = tuple(_measured(group, column, PublishedRow("", (), features=features)) for column in columns)
            if group.name not in matched and any(ours):
                lines.append(Line("", (None,) * len(columns), group, ours, features[0] if features else ""))
    return lines


def _measured(group: RunGroup, column: PublishedColumn, row: PublishedRow) -> tuple[float, ...]:
    """Return our values for a place of the table: of the first of its features that the runs have."""
    for features in column.features or row.features:
        values = []
        for result in group.results.get((column.protocol, column.variant), ()):
            found = result.row(row.kind, features)
            if found is not None and column.metric in found.metrics and _is_taught(result, features, row.kind):
                values.append(found.metrics[column.metric])
        if values:
            return tuple(values)
    return ()


def _is_taught(result: Result, features: str, kind: str) -> bool:
    """Say whether a view has learnt anything at that checkpoint; of an ensemble, whether all views have."""
    taught = result.checkpoint.get("trained_views")
    views = [row.name for row in result.rows if row.kind == "trained" and row.name in result.data.get("views", {})]
    of_features = [features] if features in views else views
    return kind == "random" or taught is None or set(of_features) <= set(taught)


def _headings(columns: Sequence[PublishedColumn]) -> list[str]:
    heads = ["row of the paper", "our runs", "encoder", "seeds", "steps"]
    for column in columns:
        heads += [f"{column.name}: published", f"{column.name}: ours"]
    return heads


def _cells(columns: Sequence[PublishedColumn], line: Line) -> list[str]:
    """Return a line as it is read."""
    group = line.group
    cells = [line.label or "-", *["-"] * 4]
    if group is not None:
        name = f"{group.name}: {line.features}" if line.features else group.name
        cells[1:] = [name, group.encoder, str(len(group.seeds)), group.steps or "-"]
    for column, published, ours in zip(columns, line.published, line.ours, strict=True):
        found = pd.Series(ours, dtype=float)
        shown = _scale_of(line, column).text(found.mean(), found.std()) if ours else "-"
        cells += ["-" if published is None else f"{published:.1f}", shown]
    return cells


def _scale_of(line: Line, column: PublishedColumn) -> Any:
    assert line.group is not None
    return line.group.results[column.protocol, column.variant][0].scale(column.metric)


def _values(
    shape: str, columns: Sequence[PublishedColumn], line: Line, *, data: str, split: str | None
) -> list[dict[str, Any]]:
    """Return a line's numbers for CSV; what is published is in per cent, as in the paper, ours as it is."""
    group = line.group
    return [
        {
            "shape": shape,
            "published_data": column.data,
            "row": line.label,
            "column": column.name,
            "published": published,
            "data": data,
            "split": split or "",
            "run": group.name if group else "",
            "features": line.features,
            "encoder": group.encoder if group else "",
            "preset": group.preset if group else "",
            "seeds": len(group.seeds) if group else 0,
            "steps": group.steps if group else "",
            "protocol": column.protocol,
            "metric": column.metric,
            "ours_mean": pd.Series(ours, dtype=float).mean(),
            "ours_deviation": pd.Series(ours, dtype=float).std(),
        }
        for column, published, ours in zip(columns, line.published, line.ours, strict=True)
    ]


def _note(
    table: PublishedTable,
    columns: Sequence[PublishedColumn],
    presets: Iterable[str],
    remarks: Sequence[str],
    *,
    data: str,
) -> str:
    """Say where each kind of number comes from."""
    of = columns[0].data if columns else ""
    split = "mean over splits" if table.split == "mean" else "split 1"
    measured = "; ".join(dict.fromkeys(f"{column.name}: {_describe(column)}" for column in columns))
    named = f"; preset {', '.join(presets)}" if presets else ""
    parts = [
        f"Published: {table.paper}, Table {table.table} ({table.where}), on {of}, {split}",
        f"Ours: on {data}, mean ± standard deviation over seeds (n - 1); {measured}{named}",
    ]
    if of and of.lower() not in Path(data).name.lower():
        parts.append(f"The published numbers are of {of}, ours are not: the two cannot be compared as they stand")
    return ". ".join([*parts, *remarks]) + "."


def _describe(column: PublishedColumn) -> str:
    variant = f" ({column.variant})" if column.variant else ""
    return f"{column.metric} of {column.protocol}{variant} in {'nats' if 'entropy' in column.metric else '%'}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shape", help="the table, such as cocon-1")
    parser.add_argument("runs", nargs="+", help="folders of evaluated runs, each with or without NAME= before it")
    parser.add_argument("--protocol", help="take ours from this protocol in place of the paper's")
    parser.add_argument("--metric", help="of that protocol; not given: its first")
    parser.add_argument("--format", choices=["text", "markdown", "latex", "csv"], default="markdown")
    parser.add_argument("--out", type=Path, help="file to write; not given: the table is printed")
    given = parser.parse_args()
    try:
        metrics = [given.metric] if given.metric else []
        tables = paper_tables(given.runs, shape=given.shape, protocol=given.protocol, metrics=metrics)
    except UserError as error:
        sys.exit(f"error: {error}")
    text = lay_out(tables, given.format)
    if given.out is None:
        print(text, end="")
    else:
        write_text(given.out, text)


if __name__ == "__main__":
    main()
