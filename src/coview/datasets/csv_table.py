"""Layout "csv": a table with a row a video: path, and as far as known label, group and split."""

import os
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from coview.datasets.frames import find_frames
from coview.datasets.listing import (
    MISSING_REASON,
    PLAIN_SPLIT,
    Listing,
    is_video_name,
    missing_remarks,
    part_words,
    split_part,
    unique_ids,
    with_example,
)
from coview.datasets.manifest import SPLIT_PREFIX
from coview.datasets.table import ListTable, read_table
from coview.datatypes import VideoEntry
from coview.errors import UserError
from coview.wording import counted, some

_COLUMNS = "path, and where known: label, group, split (or several: split1, split2, ...)"


@with_example(
    "t.csv",
    {"t.csv": "path,label,split\na.mp4,wave,train\nb.mp4,,dev\ngone.mp4,jump,test\n", "a.mp4": "", "b.mp4": ""},
)
def read_csv(source: Path, *, lists: Path | None = None) -> Listing:
    """List the videos of a table.

    Args:
        source: the table; or the folder its paths start from, with the table given as `lists` or alone in it.
        lists: the table, if `source` is a folder. Paths start from the folder of the table itself otherwise.

    Raises:
        UserError: the table cannot be used, or none of its videos exists.
    """
    path, base = _locate(source, lists)
    table = read_table(path)
    if "path" not in table.columns:
        raise UserError(_no_path_column(table))
    splits = _split_columns(table.columns)
    rows, repeated = _unlike(table, base)
    if not rows:
        raise UserError(f"{path} names no video: there is no row below its header")
    folder = _folder_of_ids(list(rows), base)
    ids = unique_ids([_inside(name, folder) for name in rows])
    entries = tuple(
        _entry(video_id, name, row, splits, place=f"{path}, line {number}")
        for video_id, (name, (number, row)) in zip(ids, rows.items(), strict=True)
    )
    if all(entry.status == "missing" for entry in entries):
        raise UserError(
            f"none of the {counted(len(entries), 'video')} of {path} exists; looked for {entries[0].path} and so on. "
            f"Paths in the table start from {base}"
        )
    return Listing(entries, tuple(_remarks(table, entries, repeated)))


def _locate(source: Path, lists: Path | None) -> tuple[Path, Path]:
    """Return (table, folder that its paths start from)."""
    if not source.exists():
        raise UserError(f"the table {source} does not exist; give a CSV file with the columns {_COLUMNS}")
    if not source.is_dir():
        if lists is not None:
            raise UserError(f"{source} is a file and --lists {lists} was given; give the table only once")
        table = source
        base = source.parent
    else:
        base = source
        table = lists if lists is not None and not lists.is_dir() else _only_table(lists or source)
    return table, Path(os.path.abspath(base))  # noqa: PTH100  (links stay as the user wrote them)


def _only_table(folder: Path) -> Path:
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".csv", ".tsv"))
    found = [path for path in found if not path.name.startswith(".")]
    if len(found) != 1:
        what = f"{len(found)} tables ({some([path.name for path in found])})" if found else "no .csv or .tsv file"
        raise UserError(f"{folder} holds {what}; give the table itself: coview prepare TABLE.csv OUT --layout csv")
    return found[0]


def _no_path_column(table: ListTable) -> str:
    hint = "rename the column that holds the file names to 'path'"
    if any(is_video_name(name) for name in table.columns):
        hint = (
            "the first line is already a video: put a line with the names of the columns above it, such as path,label"
        )
    return f"{table.path} has no column 'path'; found: {', '.join(table.columns)}. Expected: {_COLUMNS}; {hint}"


def _split_columns(columns: Sequence[str]) -> dict[str, str]:
    """Return column -> name of the split. A single "split" is what runs train on by default."""
    found = {name: name.removeprefix(SPLIT_PREFIX) for name in columns if name.startswith("split") and name != "split"}
    if "split" in columns:
        if PLAIN_SPLIT in found.values():
            raise UserError(
                f"the table has a column 'split' and a column {PLAIN_SPLIT!r}, which mean the same; keep one"
            )
        found["split"] = PLAIN_SPLIT
    return found


def _unlike(table: ListTable, base: Path) -> tuple[dict[str, tuple[int, Mapping[str, str]]], int]:
    """Return absolute path -> (line, row), and how many rows repeat another one."""
    rows: dict[str, tuple[int, Mapping[str, str]]] = {}
    repeated = 0
    for number, row in table.rows:
        if not row["path"]:
            raise UserError(f"{table.path}, line {number}: the cell 'path' is empty")
        name = _as_it_is_there(row["path"], base)
        first, known = rows.setdefault(name, (number, row))
        if first == number:
            continue
        repeated += 1
        different = [column for column in table.columns if column != "path" and known[column] != row[column]]
        if different:
            raise UserError(
                f"{table.path}, lines {first} and {number} give the same video {row['path']} a different "
                f"{' and '.join(different)}; keep one row a video"
            )
    return rows, repeated


def _as_it_is_there(given: str, base: Path) -> str:
    """Return the absolute path of a cell, as the file is called: with "/", and its accents composed as there."""
    spellings = [given, unicodedata.normalize("NFC", given), unicodedata.normalize("NFD", given)]
    spellings += [spelling.replace("\\", "/") for spelling in spellings]
    paths = [os.path.normpath(os.path.join(base, spelling)) for spelling in spellings]  # noqa: PTH118
    return next((path for path in paths if os.path.exists(path)), paths[0])  # noqa: PTH110


def _folder_of_ids(paths: Sequence[str], base: Path) -> Path:
    """Return the folder that ids start from: the table's, or where all videos lie elsewhere the one that holds them.

    So a file has one id, whether it is named alone or found in its folder.
    """
    if any(Path(path).is_relative_to(base) for path in paths):
        return base
    return Path(os.path.commonpath([os.path.dirname(path) for path in paths]))  # noqa: PTH120


def _inside(path: str, folder: Path) -> str:
    """Return a path as an id may spell it: relative to `folder`, the steps up to a folder above left out."""
    steps = os.path.relpath(path, folder).split("/")
    return "/".join(step for step in steps if step != "..")


def _entry(video_id: str, name: str, row: Mapping[str, str], splits: Mapping[str, str], *, place: str) -> VideoEntry:
    parts = {}
    for column, split in splits.items():
        if row[column]:
            part = split_part(row[column])
            if part is None:
                raise UserError(
                    f"{place}: {column} is {row[column]!r}; allowed: {part_words()}, or empty for a video that is not "
                    "part of the split"
                )
            parts[split] = part
    exists = os.path.isfile(name)  # noqa: PTH113
    if not exists and os.path.isdir(name):  # noqa: PTH112
        if find_frames(os.listdir(name)) is None:  # noqa: PTH208
            raise UserError(f"{place}: {row['path']} is a folder without numbered frames, expected a video file")
        exists = True
    return VideoEntry(
        id=video_id,
        path=name,
        label=row.get("label") or None,
        group=row.get("group") or None,
        splits=parts,
        status="listed" if exists else "missing",
        reason="" if exists else MISSING_REASON,
    )


def _remarks(table: ListTable, entries: Sequence[VideoEntry], repeated: int) -> Iterator[str]:
    yield from missing_remarks(entries)
    if not table.has_header:
        yield f"{table.path} has no line with the names of its columns; read as: {', '.join(table.columns)}"
    if repeated:
        yield f"{counted(repeated, 'row')} left out for repeating another one"
    used = ("path", "label", "group", *([] if table.has_header else ["num_frames"]))
    unused = [c for c in table.columns if c and c not in used and not c.startswith("split")]
    if unused:
        yield f"columns not used: {some(unused, 10)}"
    for split in sorted({name for entry in entries for name in entry.splits}):
        parts: dict[str, set[str]] = {}
        for entry in entries:
            if entry.group is not None and split in entry.splits:
                parts.setdefault(entry.group, set()).add(entry.splits[split])
        torn = sorted(group for group, found in parts.items() if len(found) > 1)
        if torn:
            yield (
                f"{counted(len(torn), 'group')} torn apart by {split!r}, which makes test scores too good: {some(torn)}"
            )
