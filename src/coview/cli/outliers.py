"""`coview outliers`."""

from dataclasses import dataclass

from coview.cli.command import Command, Settings
from coview.cli.findings import IndexFolder, check_format, print_findings


@dataclass(frozen=True)
class Outliers(Command):
    """List the videos of an index that are farthest from their nearest neighbours: what does not belong, or is rare.

    The score says how far a video stands apart, in units of the usual spread; above 3 or so is unusual.

    Examples:
        coview outliers idx
        coview outliers idx --top 50 --view flow --csv
    """

    index: IndexFolder
    """Folder made by `coview index`."""
    top: int = 20
    """How many."""
    neighbours: int = 10
    """How many neighbours are looked at; fewer look-alikes than that do not hide each other."""
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
        found = index.outliers(top=self.top, neighbours=self.neighbours, view=self.view or None, where=where)
        print_findings(found, as_json=self.json, as_csv=self.csv, columns=("rank", "id", "path"))
        return 0
