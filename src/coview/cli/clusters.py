"""`coview clusters`."""

from dataclasses import dataclass

from coview.cli.command import Command, Settings
from coview.cli.findings import IndexFolder, check_format, print_findings


@dataclass(frozen=True)
class Clusters(Command):
    """Find groups of videos in an index, as many as there are; each is named by its most central videos.

    --csv and --json give a row a video: cluster, id, path, and its rank by how central it is.

    Examples:
        coview clusters idx
        coview clusters idx --min-size 20 --csv
    """

    index: IndexFolder
    """Folder made by `coview index`."""
    min_size: int = 5
    """Fewer videos than this are no cluster."""
    central: int = 3
    """How many videos name a cluster."""
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
        found = index.clusters(min_size=self.min_size, central=self.central, view=self.view or None, where=where)
        print_findings(found, as_json=self.json, as_csv=self.csv, columns=("cluster", "rank", "id", "path"))
        return 0
