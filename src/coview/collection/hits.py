"""What a search in an index found: iterated, as a table, and as it shows itself in a notebook."""

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


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
        return f"IndexHit({self.rank}. {self.id}{_between(self)}, cosine {self.cosine:.3f}{own})"


def _between(hit: IndexHit) -> str:
    return "" if hit.start_seconds is None else f" [{hit.start_seconds:.1f} s to {hit.end_seconds:.1f} s]"


class IndexHits(Sequence[IndexHit]):
    """Hits, best first.

    Attributes:
        query: what was looked for, in words.
    """

    def __init__(self, hits: Sequence[IndexHit], *, query: str) -> None:
        self._hits, self.query = tuple(hits), query

    def __len__(self) -> int:
        return len(self._hits)

    def __getitem__(self, place):  # type: ignore[no-untyped-def]  # an integer gives a hit, a slice gives hits
        """Return one hit, or those of a slice."""
        return IndexHits(self._hits[place], query=self.query) if isinstance(place, slice) else self._hits[place]

    def __iter__(self) -> Iterator[IndexHit]:
        return iter(self._hits)

    def __repr__(self) -> str:
        lines = [f"  {hit.rank}. {hit.id}{_between(hit)} {hit.cosine:.3f}{_mark(hit)}" for hit in self._hits[:10]]
        more = [f"  ... {len(self) - 10} more"] if len(self) > 10 else []
        return "\n".join([f"IndexHits({len(self)} for {self.query})", *lines, *more])

    def rows(self) -> list[dict[str, object]]:
        """Return each hit as plain values by name; the cosine of a view is called "cosine:<view>"."""
        rows = []
        for hit in self._hits:
            row = asdict(hit)
            rows.append(row | {f"cosine:{view}": value for view, value in row.pop("cosines").items()})
        return rows

    def to_pandas(self) -> "pd.DataFrame":
        """Return a row a hit."""
        import pandas as pd

        return pd.DataFrame(self.rows())

    def _repr_html_(self) -> str:
        """Return a table for notebooks; names of files and labels stay text, whatever they hold."""
        head = "".join(f"<th>{name}</th>" for name in ("", "video", "from", "to", "label", "cosine", ""))
        body = []
        for hit in self._hits:
            times = ["" if at is None else f"{at:.1f} s" for at in (hit.start_seconds, hit.end_seconds)]
            cells = [str(hit.rank), hit.id, *times, hit.label or "", f"{hit.cosine:.3f}", _mark(hit).strip()]
            body.append("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>")
        title = html.escape(self.query)
        return f"<table><caption>{title}</caption><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"


def _mark(hit: IndexHit) -> str:
    return " (the query)" if hit.is_query else ""
