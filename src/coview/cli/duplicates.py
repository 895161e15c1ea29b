"""`coview duplicates`."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from coview.cli.findings import FindingsCommand
from coview.cli.terminal import progress_bar

if TYPE_CHECKING:
    from coview.collection.findings import Findings
    from coview.collection.index import Index


@dataclass(frozen=True)
class Duplicates(FindingsCommand):
    """Find pairs of videos that show one event: encoded again, cropped, mirrored, cut, or at another speed.

    Pairs whose vectors or small pictures are near are laid on each other; each is told with the times at which they
    agree, how sure that is, and what was done to one of them. The files must still be there.

    Examples:
        coview duplicates idx
        coview duplicates idx --min-confidence 0.9 --csv
    """

    columns: ClassVar[tuple[str, ...]] = ("rank", "confidence", "id", "path", "other_id", "other_path")

    min_confidence: float = 0.5
    """Leave out pairs less sure than this, 0 to 1."""
    candidates: int = 12
    """How many videos each one is compared with: its nearest by vectors, and by pictures."""
    fetch: bool = False
    """Compare videos in object storage and on web servers, too: each is fetched from the address that the index names.
    Otherwise only their exact copies are found."""
    threads: int | None = None
    """Threads that decode; not set: one a core, at most 4."""

    def ask(self, index: "Index", **chosen: Any) -> "Findings[Any]":
        """Ask the index."""
        with progress_bar("duplicates", unit="steps") as progress:
            return index.duplicates(
                min_confidence=self.min_confidence,
                candidates=self.candidates,
                fetch=self.fetch,
                threads=self.threads,
                progress=progress,
                **chosen,
            )
