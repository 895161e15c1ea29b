"""`coview duplicates`."""

from dataclasses import dataclass

from coview.cli.command import Command, Settings
from coview.cli.findings import IndexFolder, check_format, print_findings
from coview.cli.terminal import progress_bar


@dataclass(frozen=True)
class Duplicates(Command):
    """Find pairs of videos that show one event: encoded again, cropped, mirrored, cut, or at another speed.

    Pairs whose vectors or small pictures are near are laid on each other; each is told with the times at which they
    agree, how sure that is, and what was done to one of them. The files must still be there.

    Examples:
        coview duplicates idx
        coview duplicates idx --min-confidence 0.9 --csv
    """

    index: IndexFolder
    """Folder made by `coview index`."""
    min_confidence: float = 0.5
    """Leave out pairs less sure than this, 0 to 1."""
    candidates: int = 12
    """How many videos each one is compared with: its nearest by vectors, and by pictures."""
    threads: int | None = None
    """Threads that decode; not set: one a core, at most 4."""
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
        with progress_bar("duplicates", unit="steps") as progress:
            found = index.duplicates(
                min_confidence=self.min_confidence,
                candidates=self.candidates,
                view=self.view or None,
                where=where,
                threads=self.threads,
                progress=progress,
            )
        print_findings(
            found,
            as_json=self.json,
            as_csv=self.csv,
            columns=("rank", "confidence", "id", "path", "other_id", "other_path"),
        )
        return 0
