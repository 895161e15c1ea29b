"""`coview clusters`."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from coview.cli.findings import FindingsCommand

if TYPE_CHECKING:
    from coview.collection.findings import Findings
    from coview.collection.index import Index


@dataclass(frozen=True)
class Clusters(FindingsCommand):
    """Find groups of videos in an index, as many as there are; each is named by its most central videos.

    --csv and --json give a row a video: cluster, id, path, and its rank by how central it is.

    Examples:
        coview clusters idx
        coview clusters idx --min-size 20 --csv
    """

    columns: ClassVar[tuple[str, ...]] = ("cluster", "rank", "id", "path")
    way_out: ClassVar[str] = "; a smaller --min-size finds smaller ones"

    min_size: int = 5
    """Fewer videos than this are no cluster."""
    central: int = 3
    """How many videos name a cluster."""

    def ask(self, index: "Index", **chosen: Any) -> "Findings[Any]":
        """Ask the index."""
        return index.clusters(min_size=self.min_size, central=self.central, **chosen)
