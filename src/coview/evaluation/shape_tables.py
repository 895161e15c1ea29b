"""Tables in the shape of the papers': each published row, and beside it, in columns apart, what our runs gave."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from coview.errors import UserError
from coview.evaluation.many_runs import Cell
from coview.evaluation.published import PublishedColumn, PublishedRow, PublishedTable, published_table
from coview.evaluation.result import EvaluationResult
from coview.evaluation.scored import Scored, over_splits, read_scored
from coview.evaluation.shape_groups import Beside, Measured, RunGroup, groups_of, made_alike
from coview.evaluation.shape_stages import after_earlier_phase
from coview.evaluation.sides import LEAVE_GROUP_OUT

MEAN = "mean of "


@dataclass(frozen=True)
class ShapeRow:
    """One line: a published row, our runs, or both beside one another.

    Attributes:
        label: the published row, "" where the paper has none like ours.
        features: which features ours are of, "" without ours or where the columns say it.
        published: the paper's numbers in its own unit (per cent), None where it has none.
        runs: ours; None where no run is like this row.
        ours: our numbers, None where there is none.
    """

    label: str
    features: str
    published: tuple[float | None, ...]
    runs: Beside | None
    ours: tuple[Cell | None, ...]


@dataclass(frozen=True)
class ShapeTable:
    """One of the papers' tables, for one of our data sets.

    Attributes:
        shape: its name, such as "cocon-1".
        published: all of it as the paper has it.
        columns: those shown, with the protocol and metric of ours.
        data: our data set's folder.
        split: our split, None without one.
        rows: in the paper's order, then runs that are like none of its rows.
        remarks: what a reader of ours should know.
    """

    shape: str
    published: PublishedTable
    columns: tuple[PublishedColumn, ...]
    data: str
    split: str | None
    rows: tuple[ShapeRow, ...]
    remarks: tuple[str, ...]


def shape_tables(
    runs: Sequence[Path | str], *, shape: str, protocol: str | None = None, metrics: Sequence[str] = ()
) -> list[ShapeTable]:
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
    table = published_table(shape)
    if len(metrics) > 1:
        raise UserError(f"--shape shows one metric beside each published number, got {len(metrics)}")
    found = [scored for folder in dict.fromkeys(map(str, runs)) for scored in read_scored(folder, None)]
    found = [scored for scored in found if "members" not in scored.result.settings]
    everything = [*found, *after_earlier_phase(found)]
    everything += over_splits(everything)
    tables = []
    for data in dict.fromkeys(scored.result.data["root"] for scored in everything):
        of_data = [scored for scored in everything if scored.result.data["root"] == data]
        columns = _columns(table, data, of_data, protocol=protocol, metrics=metrics)
        for split in _splits(table, [scored.result.split for scored in of_data]):
            of_split = [scored for scored in of_data if scored.result.split == split]
            tables.append(_table(shape, table, columns, of_split, data=data, split=split))
    return tables


def _columns(
    table: PublishedTable, data: str, found: Iterable[Scored], *, protocol: str | None, metrics: Sequence[str]
) -> tuple[PublishedColumn, ...]:
    """Return the columns of the paper's data set that ours is, or stands for, measured as asked."""
    own = "HMDB51" if "hmdb" in Path(data).name.lower() else "UCF101"
    columns = tuple(column for column in table.columns if column.data == own)
    if protocol is None:
        return columns
    known = next((list(one.result.rows[0].metrics) for one in found if one.result.protocol == protocol), None)
    if known is None:
        raise UserError(f"no run has a result under protocol {protocol!r} on {data}; make one with: coview evaluate")
    chosen = metrics[0] if metrics else known[0]
    if chosen not in known:
        raise UserError(f"{protocol} has no metric {chosen!r}. It has: {', '.join(known)}.")
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
    found: Sequence[Scored],
    *,
    data: str,
    split: str | None,
) -> ShapeTable:
    wanted = dict.fromkeys((column.protocol, column.variant) for column in columns)
    used: dict[Measured, list[Scored]] = {}
    remarks = []
    for protocol, variant in wanted:
        variants = (variant,) if variant or split is not None else ("", LEAVE_GROUP_OUT)
        fitting = [one for one in found if one.result.protocol == protocol and one.result.variant in variants]
        used[protocol, variant], others = made_alike(fitting)
        if others:
            remarks.append(f"Left out, since evaluated under other settings of {protocol}: {', '.join(others)}")
        if not fitting:
            under = ", ".join(dict.fromkeys(one.result.protocol for one in found))
            remarks.append(
                f"No run was evaluated under {protocol}{f' ({variant})' if variant else ''} here; --protocol takes "
                f"ours from another ({under})"
            )
    groups = groups_of(used)
    rows: list[ShapeRow] = []
    matched: set[str] = set()
    for row in table.rows:
        values = tuple(
            value for column, value in zip(table.columns, row.values, strict=True) if column.data == columns[0].data
        )
        lines = []
        for group in groups:
            if row.ours is not None and all(group.traits.get(name) in allowed for name, allowed in row.ours.items()):
                if row.kind == "trained":
                    matched.add(group.about.name)
                cells = tuple(_cell(group, column, row) for column in columns)
                lines += [ShapeRow(row.name, "", values, group.about, cells)] if _has_numbers(cells) else []
        rows += _distinct(lines) or [ShapeRow(row.name, "", values, None, (None,) * len(columns))]
    for group in groups:
        if group.about.name not in matched:
            rows += _unmatched(table, columns, group)
    return ShapeTable(shape, table, tuple(columns), data, split, tuple(rows), tuple(remarks))


def _cell(group: RunGroup, column: PublishedColumn, row: PublishedRow) -> Cell | None:
    """Return our number for a place of the table: the first of its features that the runs have."""
    for features in column.features or row.features:
        values = []
        for result in group.results.get((column.protocol, column.variant), ()):
            found = result.row(row.kind, features)
            if found is not None and column.metric in found.metrics and _is_taught(result, features, row.kind):
                values.append(found.metrics[column.metric])
        if values:
            return Cell(tuple(values))
    return None


def _has_numbers(cells: Iterable[Cell | None]) -> bool:
    return any(cell is not None for cell in cells)


def _is_taught(result: EvaluationResult, features: str, kind: str) -> bool:
    """Say whether a view has learnt anything at that checkpoint; of an ensemble, whether all views have."""
    taught = result.checkpoint.get("trained_views")
    views = [row.name for row in result.rows if row.kind == "trained" and row.name in result.data.get("views", {})]
    of_features = [features] if features in views else views
    return kind == "random" or taught is None or set(of_features) <= set(taught)


def _distinct(lines: Sequence[ShapeRow]) -> list[ShapeRow]:
    """Leave out lines that repeat the numbers of an earlier one: many runs began from the same random weights."""
    return list({repr(line.ours): line for line in reversed(lines)}.values())[::-1]


def _unmatched(table: PublishedTable, columns: Sequence[PublishedColumn], group: RunGroup) -> list[ShapeRow]:
    """Return the lines of runs that are like no row of the paper: its numbers stay empty."""
    of_rows = dict.fromkeys(row.features for row in table.rows if row.features)
    lines = []
    for features in [()] if all(column.features for column in columns) else of_rows:
        stand_in = PublishedRow("", (), features=features)
        cells = tuple(_cell(group, column, stand_in) for column in columns)
        if _has_numbers(cells):
            lines.append(ShapeRow("", features[0] if features else "", (None,) * len(columns), group.about, cells))
    return lines
