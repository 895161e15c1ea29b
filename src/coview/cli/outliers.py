"""`coview outliers`."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from coview.cli.findings import FindingsCommand

if TYPE_CHECKING:
    from coview.collection.findings import Findings
    from coview.collection.index import Index


@dataclass(frozen=True)
class Outliers(FindingsCommand):
    """List the videos of an index that are farthest from their nearest neighbours: what does not belong, or is rare.

    The score says how far a video stands apart, in units of the usual spread; above 3 or so is unusual.

    Examples:
        coview outliers idx
        coview outliers idx --top 50 --view flow --csv
    """

    columns: ClassVar[tuple[str, ...]] = ("rank", "id", "path")

    top: int = 20
    """How many."""
    neighbours: int = 10
    """How many neighbours are looked at; fewer look-alikes than that do not hide each other."""

    def ask(self, index: "Index", **chosen: Any) -> "Findings[Any]":
        """Ask the index."""
        return index.outliers(top=self.top, neighbours=self.neighbours, **chosen)
