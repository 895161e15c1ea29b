"""Commands that ask an index as a whole, and how findings are printed: as lines, as a table of text, or as JSON."""

import abc
import csv
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import tyro

from coview.cli.command import Command, Settings
from coview.cli.encoding import one_line
from coview.errors import UserError

if TYPE_CHECKING:
    from coview.collection.findings import Findings
    from coview.collection.index import Index
    from coview.evaluation.metrics.per_class import ClassScores

IndexFolder = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="INDEX")]


@dataclass(frozen=True)
class FindingsCommand(Command, abc.ABC):
    """A question to an index as a whole, whose answer is a list; a subclass asks it."""

    columns: ClassVar[tuple[str, ...]]
    """Names of the table's columns where nothing was found."""
    way_out: ClassVar[str] = ""
    """What may find more, said where nothing was found."""

    index: IndexFolder
    """Folder made by `coview index`."""
    view: tuple[str, ...] = ()
    """View, or views, to compare; not set: all, by their mean cosine."""
    where: tuple[str, ...] = ()
    """Conditions, NAME=VALUE each, as for coview search; none on time."""
    json: bool = False
    """Print JSON."""
    csv: bool = False
    """Print a table of text."""

    def run(self, settings: Settings) -> int:
        """Look and print."""
        import coview
        from coview.collection.filters import parse_words

        check_format(as_json=self.json, as_csv=self.csv)
        index, where = coview.open_index(self.index), parse_words(self.where)
        found = self.ask(index, view=self.view or None, where=where)
        print_findings(found, as_json=self.json, as_csv=self.csv, columns=self.columns, way_out=self.way_out)
        return 0

    @abc.abstractmethod
    def ask(self, index: "Index", **chosen: Any) -> "Findings[Any]":
        """Ask the index; `chosen` has `view` and `where`, as the methods of `Index` take them."""


def check_format(*, as_json: bool, as_csv: bool) -> None:
    """Refuse two formats at once, before any work is done.

    Raises:
        UserError: both were asked for.
    """
    if as_json and as_csv:
        raise UserError("--json and --csv were both given; choose one")


def print_findings(
    found: "Findings[Any]", *, as_json: bool, as_csv: bool, columns: tuple[str, ...], way_out: str = ""
) -> None:
    """Print findings.

    Args:
        found: what to print.
        as_json: a list of objects.
        as_csv: text with a line of names.
        columns: the names where nothing was found.
        way_out: what may find more, said where nothing was found.
    """
    if as_json:
        print(json.dumps(found.rows(), indent=1))
    elif as_csv:
        rows = found.rows()
        writer = csv.DictWriter(sys.stdout, list(rows[0]) if rows else columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    elif not found:
        print(f"nothing found: 0 {found.title}{way_out}")
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


def from_here(path: str) -> str:
    """Return a path from the current folder on, where it lies below, as it would be typed."""
    here = f"{Path.cwd()}/"
    return path.removeprefix(here) or path


def class_cells(row: "ClassScores", *, counted: str) -> dict[str, str]:
    """Return the scores of a class as a row of a table.

    Args:
        row: of the class.
        counted: what its support counts, such as "windows".
    """
    low, high = row.interval
    return {
        "class": row.name,
        "precision": f"{row.precision:.2f}",
        "recall": f"{row.recall:.2f}",
        "F1": f"{row.f1:.2f}",
        "95%": f"{low:.2f} to {high:.2f}",
        counted: f"{row.support:,}",
        "recordings": f"{row.recordings:,}",
    }
