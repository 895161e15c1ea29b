"""What a search in an index found."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from coview.collection.findings import Findings, span


@dataclass(frozen=True)
class IndexHit:
    """One moment, or one video, that is like the query.

    Attributes:
        rank: 1 for the nearest.
        id: of the video, in the index.
        path: of its file.
        label: its class, None where unknown.
        cosine: mean over the views searched by.
        cosines: view name -> cosine; of a moment, at its best window.
        start_seconds: where the moment begins; None where whole videos were searched.
        end_seconds: where it ends.
        is_query: whether this is the query's own video, or a copy of its file; with a segment, where it reaches into
            that segment.
    """

    rank: int
    id: str
    path: str
    label: str | None
    cosine: float
    cosines: Mapping[str, float]
    start_seconds: float | None = None
    end_seconds: float | None = None
    is_query: bool = False

    def __repr__(self) -> str:
        own = ", the query itself" if self.is_query else ""
        times = span(self.start_seconds, self.end_seconds)
        return f"IndexHit({self.rank}. {self.id}{times and f' {times}'}, cosine {self.cosine:.3f}{own})"


class IndexHits(Findings[IndexHit]):
    """Hits, best first."""

    @property
    def query(self) -> str:
        """What was looked for, in words."""
        return self.title

    def cells(self, one: IndexHit) -> dict[str, str]:
        """Return what is shown of a hit."""
        return {
            "": f"{one.rank}.",
            "video": one.id,
            "when": span(one.start_seconds, one.end_seconds),
            "label": one.label or "",
            "cosine": f"{one.cosine:.3f}",
            "query": "(the query)" if one.is_query else "",
        }

    def rows(self) -> list[dict[str, Any]]:
        """Return each hit as plain values by name; the cosine of a view is called "cosine:<view>"."""
        rows = []
        for hit in self:
            row = asdict(hit)
            rows.append(row | {f"cosine:{view}": value for view, value in row.pop("cosines").items()})
        return rows
