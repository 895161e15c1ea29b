"""How findings in an index are printed: as lines, as a table of text, or as JSON."""

import csv
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from coview.errors import UserError

if TYPE_CHECKING:
    from coview.collection.findings import Findings

IndexFolder = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="INDEX")]


def check_format(*, as_json: bool, as_csv: bool) -> None:
    """Refuse two formats at once, before any work is done.

    Raises:
        UserError: both were asked for.
    """
    if as_json and as_csv:
        raise UserError("--json and --csv were both given; choose one")


def print_findings(found: "Findings[Any]", *, as_json: bool, as_csv: bool, columns: tuple[str, ...]) -> None:
    """Print findings.

    Args:
        found: what to print.
        as_json: a list of objects.
        as_csv: text with a line of names.
        columns: the names where nothing was found.
    """
    if as_json:
        print(json.dumps(found.rows(), indent=1))
    elif as_csv:
        rows = found.rows()
        writer = csv.DictWriter(sys.stdout, list(rows[0]) if rows else columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    elif not found:
        print(f"nothing found: 0 {found.title}")
    else:
        print_table([found.cells(one) for one in found])
        print(one_line(f"{len(found):,} {found.title}"))


def print_table(rows: list[dict[str, str]]) -> None:
    """Print rows below their names, in columns that are as wide as what they hold."""
    cells = [list(rows[0]), *(list(row.values()) for row in rows)]
    shown = [[one_line(cell) for cell in row] for row in cells]
    kept = [place for place in range(len(shown[0])) if any(row[place] for row in shown[1:])]
    widths = {place: max(len(row[place]) for row in shown) for place in kept}
    for row in shown:
        print("  ".join(row[place].ljust(widths[place]) for place in kept).rstrip())


def one_line(text: str) -> str:
    """Return text that a terminal shows as it is: no line breaks, no control characters."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
