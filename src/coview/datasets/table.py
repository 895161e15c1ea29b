"""A table as people have it: commas, semicolons, tabs or blanks, with a header or without, from any spreadsheet."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from coview.datasets.listing import is_video_name
from coview.errors import UserError

_SEPARATORS = ",;\t|"
_LIST_COLUMNS = ("path", "num_frames", "label")


@dataclass(frozen=True)
class ListTable:
    """A table.

    Attributes:
        path: the file.
        columns: names from the header, in lower case; those of a list of videos where it has no header.
        rows: (line number, column -> text without outer spaces), blank lines left out.
        has_header: whether the first line names the columns.
    """

    path: Path
    columns: tuple[str, ...]
    rows: tuple[tuple[int, Mapping[str, str]], ...]
    has_header: bool = True


def read_table(path: Path) -> ListTable:
    """Read a table whose cells are separated by commas, semicolons, tabs or bars, whichever its header has most of.

    A list whose first line is a video already (`videos/a.mp4 0`, as SlowFast, VideoMAE and MMAction2 have them) has the
    columns path and label, and num_frames between them where there are three; blanks may separate those.

    Raises:
        UserError: cannot be read, is empty, has a column twice, or a row with more cells than the header.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not a text in UTF-8 ({error.reason}); save the table as CSV in UTF-8") from None
    except OSError as error:
        raise UserError(f"cannot read the table {path}: {error.strerror}") from None
    # Not `splitlines`: it also divides at characters that names may hold, such as U+2028.
    header = next((line for line in text.split("\n") if line.strip()), "")
    if not header:
        raise UserError(f"the table {path} is empty; its first line names the columns")
    separator = max(_SEPARATORS, key=header.count)
    if separator not in header and any(is_video_name(header.strip().rsplit(None, cells)[0]) for cells in (1, 2)):
        return _list_with_blanks(path, text)
    reader = csv.reader(io.StringIO(text, newline="\n"), delimiter=separator)
    try:
        lines = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader]
    except csv.Error as error:
        raise UserError(f"{path}, line {reader.line_num}: {error}; is it a table in CSV?") from None
    lines = [(number, cells) for number, cells in lines if any(cells)]
    first = lines[0][1]
    if is_video_name(first[0]) and 1 < len(first) <= len(_LIST_COLUMNS) and not any(map(is_video_name, first[1:])):
        columns = _list_columns(len(first))
        return ListTable(path, columns, tuple(_rows(path, columns, lines)), has_header=False)
    columns = tuple(cell.lower() for cell in first)
    twice = sorted({name for name in columns if name and columns.count(name) > 1})
    if twice:
        raise UserError(f"{path} has the column {twice[0]!r} more than once; name each column once")
    return ListTable(path, columns, tuple(_rows(path, columns, lines[1:])))


def _list_with_blanks(path: Path, text: str) -> ListTable:
    lines = [(number, line.strip()) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    has_frames = all(len(line.rsplit(None, 2)) == 3 and line.rsplit(None, 2)[1].isdecimal() for _, line in lines)
    columns = _list_columns(3 if has_frames else 2)
    cells = [(number, line.rsplit(None, len(columns) - 1)) for number, line in lines]  # a name may hold blanks
    return ListTable(path, columns, tuple(_rows(path, columns, cells)), has_header=False)


def _list_columns(count: int) -> tuple[str, ...]:
    return _LIST_COLUMNS if count == len(_LIST_COLUMNS) else (_LIST_COLUMNS[0], _LIST_COLUMNS[-1])


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
