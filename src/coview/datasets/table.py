"""A table as people have it: commas, semicolons or tabs, a header line, perhaps from a spreadsheet."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from coview.errors import UserError

_SEPARATORS = ",;\t|"


@dataclass(frozen=True)
class Table:
    """A table with a header line.

    Attributes:
        path: the file.
        columns: names from the header, in lower case.
        rows: (line number, column -> text without outer spaces), blank lines left out.
    """

    path: Path
    columns: tuple[str, ...]
    rows: tuple[tuple[int, Mapping[str, str]], ...]


def read_table(path: Path) -> Table:
    """Read a table whose cells are separated by commas, semicolons, tabs or bars, whichever its header has most of.

    Raises:
        UserError: cannot be read, is empty, has a column twice, or a row with more cells than the header.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not a text in UTF-8 ({error.reason}); save the table as CSV in UTF-8") from None
    except OSError as error:
        raise UserError(f"cannot read the table {path}: {error.strerror}") from None
    header = next((line for line in text.splitlines() if line.strip()), "")
    if not header:
        raise UserError(f"the table {path} is empty; its first line names the columns")
    reader = csv.reader(text.splitlines(keepends=True), delimiter=max(_SEPARATORS, key=header.count))
    try:
        lines = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader]
    except csv.Error as error:
        raise UserError(f"{path}, line {reader.line_num}: {error}; is it a table in CSV?") from None
    lines = [(number, cells) for number, cells in lines if any(cells)]
    columns = tuple(cell.lower() for cell in lines[0][1])
    twice = sorted({name for name in columns if name and columns.count(name) > 1})
    if twice:
        raise UserError(f"{path} has the column {twice[0]!r} more than once; name each column once")
    return Table(path, columns, tuple(_rows(path, columns, lines[1:])))


def _rows(
    path: Path, columns: Sequence[str], lines: Sequence[tuple[int, list[str]]]
) -> Iterator[tuple[int, Mapping[str, str]]]:
    for number, cells in lines:
        if any(cells[len(columns) :]):
            raise UserError(
                f"{path}, line {number}: {len(cells)} cells, but the header has {len(columns)} columns; put a cell "
                'that holds the separator in quotes: "a, b.mp4"'
            )
        # Spreadsheets leave empty cells at the end of a row away.
        yield number, dict(zip(columns, [*cells, *[""] * len(columns)], strict=False))
