"""`coview sample`."""

from dataclasses import dataclass
from typing import Annotated

import tyro

from coview.cli.command import Command, Settings
from coview.cli.findings import IndexFolder, check_format, print_findings


@dataclass(frozen=True)
class Sample(Command):
    """Choose videos of an index that differ from each other, so that none left out is far from all of them.

    Any first few of the list are such a subset too.

    Examples:
        coview sample idx 100 --csv
        coview sample idx 20 --where label=run
    """

    index: IndexFolder
    """Folder made by `coview index`."""
    count: Annotated[int, tyro.conf.Positional, tyro.conf.arg(metavar="COUNT")]
    """How many."""
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
        found = index.sample(self.count, view=self.view or None, where=where)
        print_findings(found, as_json=self.json, as_csv=self.csv, columns=("rank", "id", "path"))
        return 0
