"""CSV: path, start, end, label; a line a class. Empty times: the whole video. Also who and made_at, where known."""

import csv
import io
from collections.abc import Mapping, Sequence

from coview.collection.labels.faults import Faults
from coview.collection.labels.label import NONE, Label
from coview.collection.labels.matching import Entry
from coview.errors import UserError

_COLUMNS = ("path", "start", "end", "label", "who", "made_at")


def read(text: str, faults: Faults) -> list[Entry]:
    """Return a label a line; lines that cannot be understood are noted as faults, by their numbers.

    Raises:
        UserError: columns are missing, or it is no table.
    """
    source = faults.source
    header = text.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=header.count))
    entries: list[Entry] = []
    columns: list[str] | None = None
    try:
        for cells in reader:
            if not any(cells):
                continue
            if columns is None:
                columns = _columns(cells)
                continue
            row, place = dict(zip(columns, [*cells, *[""] * len(columns)], strict=False)), f"line {reader.line_num}"
            with faults.gathered(place):
                entries.append(_entry(row, place))
    except csv.Error as error:
        raise UserError(f"{source}, line {reader.line_num}: {error}; is it a table in CSV?") from None
    except UserError as error:
        raise UserError(f"{source}, {error}") from None
    if columns is None:
        raise UserError(f"{source} is empty; its first line names the columns: path,start,end,label")
    return entries


def _columns(cells: Sequence[str]) -> list[str]:
    columns = [cell.strip().lower() for cell in cells]
    missing = [name for name in ("path", "label") if name not in columns]
    if missing:
        raise UserError(
            f"line 1: no column {' or '.join(missing)} among {', '.join(columns)[:100]}; expected path,start,end,label"
        )
    return columns


def _entry(row: Mapping[str, str], place: str) -> Entry:
    label = row["label"].strip()
    if not label:
        raise UserError(f"no label; write {NONE} where it is none of the classes, or leave the line out")
    if not row["path"]:
        raise UserError("no path of a video")
    start, end = (_number(row.get(name, "").strip(), name) for name in ("start", "end"))
    classes = () if label == NONE else (label,)
    said = row.get("who", ""), row.get("made_at", "")
    return Entry(place, row["path"], classes, start, end, None, *said)


def _number(text: str, name: str) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        raise UserError(f"{name} is {text!r}, expected seconds, or nothing for the whole video") from None


def write(labels: Sequence[Label], names: Mapping[str, str]) -> str:
    """Return the table."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for label in labels:
        times = ["" if seconds is None else repr(seconds) for seconds in (label.start_seconds, label.end_seconds)]
        for name in label.classes or (NONE,):
            writer.writerow([names[label.path], *times, name, label.who, label.made_at])
    return out.getvalue()
