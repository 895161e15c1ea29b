"""The manifest: one Parquet file, a row a video, readable by any data tool."""

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from coview.datasets.sealed_table import read_sealed, write_sealed
from coview.datatypes import VideoEntry
from coview.errors import UserError

SPLIT_PREFIX = "split:"
"""A split column called "split1" is the Parquet column "split:split1"."""
COUNT_PREFIX = "count:"
"""The count "pose.frames_with_person" is the Parquet column "count:pose.frames_with_person"."""
CHECKSUM_PREFIX = "sha256:"
"""The checksum of the stored view "rgb" is the Parquet column "sha256:rgb"."""

FORMAT = 1
"""Raised when older versions of coview could no longer read the file."""

OUTSIDE = r"^$|^/|\x00|(^|[/\\])\.{1,2}([/\\]|$)|^[A-Za-z]:[/\\]|^\\"
"""What an id may not match: it would lead out of the folder of its data set, on one system or another."""
_OUTSIDE = re.compile(OUTSIDE)
_FORMAT_KEY = b"coview.manifest"
_TEXTS = ("id", "path", "label", "group", "status", "reason")
SHARED_TEXTS = ("label", "group", "status", "reason")
"""Of these columns many rows have the same value."""
_INTEGERS = ("num_frames", "width", "height")
_FLOATS = ("fps", "duration_seconds")


def write_manifest(entries: Sequence[VideoEntry], path: Path) -> None:
    """Write the rows in their order, atomically: aside, to the disk, renamed.

    Raises:
        UserError: two videos have the same id, or a text cannot be stored as UTF-8.
        OSError: the disk refuses.
    """
    if len({entry.id for entry in entries}) != len(entries):
        raise UserError(f"{path}: two videos have the same id; ids name the stored files and must be unique")
    try:
        table = as_table(entries)
    except UnicodeEncodeError as error:
        raise UserError(f"{path}: a name is not valid UTF-8 and cannot be stored: {error.object!a}") from None
    write_sealed(table, path, compression="zstd")


def as_table(entries: Sequence[VideoEntry]) -> Any:
    """Return videos as an Arrow table, a row each, with the columns of the manifest."""
    columns = {name: pa.array([getattr(entry, name) for entry in entries], pa.string()) for name in _TEXTS}
    for split in dict.fromkeys(name for entry in entries for name in entry.splits):
        columns[SPLIT_PREFIX + split] = pa.array([entry.splits.get(split) for entry in entries], pa.string())
    for count in sorted({name for entry in entries for name in entry.counts}):
        columns[COUNT_PREFIX + count] = pa.array([entry.counts.get(count) for entry in entries], pa.int64())
    for view in sorted({name for entry in entries for name in entry.checksums}):
        columns[CHECKSUM_PREFIX + view] = pa.array([entry.checksums.get(view) for entry in entries], pa.string())
    for name in _INTEGERS:
        columns[name] = pa.array([getattr(entry, name) for entry in entries], pa.int64())
    for name in _FLOATS:
        columns[name] = pa.array([getattr(entry, name) for entry in entries], pa.float64())
    return pa.table(columns).replace_schema_metadata({_FORMAT_KEY: str(FORMAT).encode()})


def read_manifest(path: Path) -> tuple[VideoEntry, ...]:
    """Read what `write_manifest` wrote.

    Raises:
        UserError: as `read_table`.
    """
    return tuple(entries_of(read_table(path)))


def read_table(path: Path) -> Any:
    """Read a manifest as an Arrow table.

    Raises:
        UserError: no such file, damaged, not a manifest, made by a newer coview, or with ids that lead elsewhere.
    """
    try:
        table = read_sealed(path)
    except FileNotFoundError:
        raise UserError(f"there is no manifest at {path}; it is made by coview prepare") from None
    except (OSError, ValueError) as error:  # Arrow's own errors are ValueErrors or OSErrors
        raise UserError(
            f"{path} is damaged or not a Parquet file ({_first_line(error)}); run the same coview prepare command again"
        ) from error
    _check_format(path, table)
    for video_id in values_of(table.column("id")):
        if not is_inside(video_id):
            raise UserError(
                f"{path} holds the id {video_id!r}, which would lead out of the folder of the data set; ids are "
                "relative paths without '..'. coview does not write such ids: do not use this data set"
            )
    return table


def is_inside(name: object) -> bool:
    """Say whether an id is a relative path that stays in its folder, whatever system reads it."""
    return isinstance(name, str) and _OUTSIDE.search(name) is None


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0] or type(error).__name__


def _check_format(path: Path, table: Any) -> None:
    given = (table.schema.metadata or {}).get(_FORMAT_KEY, b"").decode(errors="replace")
    if not given.isdecimal():
        raise UserError(f"{path} is a Parquet file but not a manifest of coview; its columns: {table.column_names}")
    if int(given) > FORMAT:
        raise UserError(
            f"{path} was made by a newer coview (manifest format {given}, this one reads up to {FORMAT}); update coview"
        )
    missing = [name for name in (*_TEXTS, *_INTEGERS, *_FLOATS) if name not in table.column_names]
    if missing:
        raise UserError(f"{path} lacks the columns {missing}; run the same coview prepare command again")


def entries_of(table: Any) -> Iterable[VideoEntry]:
    """Make the videos of a table as `as_table` makes it; texts may be dictionary-encoded."""
    columns = {name: values_of(table.column(name)) for name in ("id", "path", *_INTEGERS, *_FLOATS)}
    columns |= {name: _shared(table.column(name)) for name in SHARED_TEXTS}
    columns["splits"] = _splits(table)
    columns["counts"] = _named(table, COUNT_PREFIX)
    columns["checksums"] = _named(table, CHECKSUM_PREFIX)
    # In the order of the fields: hundreds of thousands of rows are built by position in half the time.
    return map(VideoEntry, *(columns[field.name] for field in dataclasses.fields(VideoEntry)))


def values_of(column: Any) -> list[Any]:
    """Return the values of a column, None for null; by way of numpy, ten times as fast as Arrow's own."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(pa.string())
    if column.null_count == 0 or pa.types.is_string(column.type):
        values: list[Any] = column.to_numpy(zero_copy_only=False).tolist()
        return values
    filled = column.fill_null(0).to_numpy(zero_copy_only=False).tolist()
    is_valid = column.is_valid().to_numpy(zero_copy_only=False).tolist()
    return [value if valid else None for value, valid in zip(filled, is_valid, strict=True)]


def _shared(column: Any) -> list[Any]:
    """Return the values of a text column: equal rows share one object in memory."""
    words: dict[Any, Any] = {}
    return [words.setdefault(word, word) for word in values_of(column)]


def _splits(table: Any) -> list[Mapping[str, str]]:
    stored = [name for name in table.column_names if name.startswith(SPLIT_PREFIX)]
    if not stored:
        return [{} for _ in range(table.num_rows)]
    names = [name.removeprefix(SPLIT_PREFIX) for name in stored]
    made: dict[tuple[str | None, ...], Mapping[str, str]] = {}
    rows = []
    for parts in zip(*(_shared(table.column(name)) for name in stored), strict=True):
        if parts not in made:
            made[parts] = {name: part for name, part in zip(names, parts, strict=True) if part is not None}
        rows.append(made[parts])
    return rows


def _named(table: Any, prefix: str) -> list[Mapping[str, Any]]:
    """Return for each row name -> value of the columns whose names begin so, without nulls."""
    stored = [name for name in table.column_names if name.startswith(prefix)]
    if not stored:
        return [{} for _ in range(table.num_rows)]
    names = [name.removeprefix(prefix) for name in stored]
    rows = zip(*(values_of(table.column(name)) for name in stored), strict=True)
    return [{name: value for name, value in zip(names, row, strict=True) if value is not None} for row in rows]
