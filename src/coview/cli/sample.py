"""`coview sample`."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import tyro

from coview.cli.findings import FindingsCommand

if TYPE_CHECKING:
    from coview.collection.findings import Findings
    from coview.collection.index import Index


@dataclass(frozen=True, kw_only=True)
class Sample(FindingsCommand):
    """Choose videos of an index that differ from each other, so that none left out is far from all of them.

    Any first few of the list are such a subset too.

    Examples:
        coview sample idx 100 --csv
        coview sample idx 20 --where label=run
    """

    columns: ClassVar[tuple[str, ...]] = ("rank", "id", "path")

    count: Annotated[int, tyro.conf.Positional, tyro.conf.arg(metavar="COUNT")]
    """How many."""

    def ask(self, index: "Index", **chosen: Any) -> "Findings[Any]":
        """Ask the index."""
        return index.sample(self.count, **chosen)
