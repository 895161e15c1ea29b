"""Exact nearest neighbours by cosine: chunks of a matrix product and top-k."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from coview.datatypes import ProgressSink, check_shape
from coview.embedding.embeddings import Embeddings, join_views
from coview.embedding.run import Run
from coview.embedding.sources import VideoSource
from coview.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

NOBODY = -1
"""Index that fills the rows of queries with fewer than k candidates."""
_CHUNK_ELEMENTS = 2**24
_FILES = (".parquet", ".csv")


def nearest(
    queries: Tensor,
    gallery: Tensor,
    *,
    k: int,
    query_groups: Tensor | None = None,
    gallery_groups: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Find the k rows of a gallery with the largest dot product (cosine, for unit rows) for each query.

    Equal cosines are ordered by gallery index, so that the result depends on nothing but the numbers.

    Args:
        queries: (q, D) float.
        gallery: (n, D) float, on the same device.
        k: how many; with fewer than k in the gallery, all of them.
        query_groups: (q,) integers; gallery rows of the query's own group are left out. With `gallery_groups`.
        gallery_groups: (n,) integers.

    Returns:
        indices: (q, min(k, n)) int64, best first; `NOBODY` (-1) where no candidate is left.
        cosines: (q, min(k, n)) float, -inf where no candidate is left.

    Raises:
        ValueError: shapes do not fit or k < 1.
    """
    check_shape("queries", queries, None, gallery.shape[1])
    if k < 1:
        raise ValueError(f"k is {k}, expected at least 1")
    if (query_groups is None) != (gallery_groups is None):
        raise ValueError("query_groups and gallery_groups go together")
    k = min(k, gallery.shape[0])
    if k == 0 or len(queries) == 0:
        shape = (len(queries), k)
        return torch.empty(shape, dtype=torch.int64), torch.empty(shape)
    rows = max(1, _CHUNK_ELEMENTS // gallery.shape[0])
    found = []
    for start in range(0, len(queries), rows):
        cosines = queries[start : start + rows] @ gallery.T  # (rows, n)
        if query_groups is not None and gallery_groups is not None:
            cosines.masked_fill_(query_groups[start : start + rows, None] == gallery_groups[None], -torch.inf)
        found.append(_top(cosines, k=k))
    indices, best = (torch.cat(parts) for parts in zip(*found, strict=True))
    return indices.masked_fill(best == -torch.inf, NOBODY), best


def _top(cosines: Tensor, *, k: int) -> tuple[Tensor, Tensor]:
    """Return indices and values (q, k) of the largest entries of each row (q, n), equal ones by index."""
    more = min(k + 1, cosines.shape[1])
    best, indices = cosines.topk(more, dim=1)  # (q, k + 1)
    # topk picks any of the entries that tie for the last place: those rows are sorted whole.
    ties = (best[:, k - 1] == best[:, k]).nonzero()[:, 0] if more > k else best.new_empty(0, dtype=torch.int64)
    indices, by_index = indices[:, :k].sort(dim=1)
    best, by_value = best.gather(1, by_index).sort(dim=1, descending=True, stable=True)
    indices = indices.gather(1, by_value)
    if len(ties):
        ordered, order = cosines[ties].sort(dim=1, descending=True, stable=True)
        best[ties], indices[ties] = ordered[:, :k], order[:, :k]
    return indices, best


@dataclass(frozen=True)
class Hit:
    """One video, or window, found for a query.

    Attributes:
        query: id of the query's video.
        rank: 1 for the nearest.
        id: of the video found.
        path: its source file.
        label: its class, None where unknown.
        cosine: mean over the views.
        cosines: view name -> cosine.
        start_seconds: where the window begins; None where the collection holds whole videos.
        end_seconds: where it ends.
        is_query: whether this is the query's own file.
    """

    query: str
    rank: int
    id: str
    path: str
    label: str | None
    cosine: float
    cosines: Mapping[str, float]
    start_seconds: float | None = None
    end_seconds: float | None = None
    is_query: bool = False


class Hits(Sequence[Hit]):
    """What a search found: the hits of the first query, best first, then those of the second."""

    def __init__(self, hits: Sequence[Hit]) -> None:
        self._hits = tuple(hits)

    def __len__(self) -> int:
        return len(self._hits)

    def __getitem__(self, place):  # type: ignore[no-untyped-def]  # an integer gives a hit, a slice gives hits
        """Return one hit, or those of a slice."""
        return Hits(self._hits[place]) if isinstance(place, slice) else self._hits[place]

    def __iter__(self) -> Iterator[Hit]:
        return iter(self._hits)

    def __repr__(self) -> str:
        lines = [
            f"  {hit.query} {hit.rank}. {hit.id}{_moment(hit)} {hit.cosine:.3f}{_mark(hit)}" for hit in self._hits[:10]
        ]
        more = [f"  ... {len(self) - 10} more"] if len(self) > 10 else []
        return "\n".join([f"Hits({len(self)})", *lines, *more])

    def to_pandas(self) -> "pd.DataFrame":
        """Return a row a hit; `cosines` becomes a column a view, "cosine:<view>"."""
        import pandas as pd

        rows = []
        for hit in self._hits:
            row = asdict(hit)
            rows.append(row | {f"cosine:{view}": value for view, value in row.pop("cosines").items()})
        return pd.DataFrame(rows)


def _moment(hit: Hit) -> str:
    return "" if hit.start_seconds is None else f" [{hit.start_seconds:.1f} s to {hit.end_seconds:.1f} s]"


def _mark(hit: Hit) -> str:
    return " (the query itself)" if hit.is_query else ""


def search(
    query: Embeddings | VideoSource,
    collection: Embeddings | VideoSource,
    *,
    run: Run | Path | str | None = None,
    top: int = 5,
    views: Sequence[str] | None = None,
    device: str = "auto",
    progress: ProgressSink | None = None,
) -> Hits:
    """Find the videos of a collection that are most like each query, by the mean cosine over views.

    Args:
        query: what to look for: embeddings, their file (.parquet, .csv), or videos in any way that `Run.embed` takes.
        collection: where to look, given in the same way; a query that is in it itself (same source file) is found and
            marked, by its best window where the collection holds windows.
        run: makes embeddings of videos: a run or its folder. Not needed where both sides are embeddings.
        top: how many hits a query.
        views: views to compare; not set: all that both sides have.
        device: where videos are embedded.
        progress: told of embedding.

    Raises:
        TypeError: one of the sides is neither embeddings nor videos.
        UserError: videos without a run, sides that share no view, or that come from encoders of different sizes.
    """
    if top < 1:
        raise UserError(f"top is {top}; ask for at least 1 hit")
    opened = Run.load(run) if isinstance(run, (str, Path)) else run
    sides = [_as_embeddings(side, opened, device=device, progress=progress) for side in (query, collection)]
    return _search(sides[0], sides[1], top=top, views=views)


def _as_embeddings(
    side: Embeddings | VideoSource, run: Run | None, *, device: str, progress: ProgressSink | None
) -> Embeddings:
    if isinstance(side, Embeddings):
        return side
    if isinstance(side, (str, Path)) and Path(side).suffix.lower() in _FILES:
        return Embeddings.load(side)
    if run is None:
        raise UserError(f"searching videos needs the run that embeds them: search(..., run=RUN); got {str(side):.80}")
    return run.embed(side, device=device, progress=progress)


def _search(queries: Embeddings, collection: Embeddings, *, top: int, views: Sequence[str] | None) -> Hits:
    chosen = [view for view in queries.views if view in collection.views]
    if views is not None:
        chosen = [views] if isinstance(views, str) else list(views)
    for view in chosen or ["any view"]:
        if view not in queries.views or view not in collection.views:
            have, there = ", ".join(queries.views), ", ".join(collection.views)
            raise UserError(f"cannot search by {view}: the queries have {have}; the collection has {there}")
        sizes = queries[view].shape[1], collection[view].shape[1]
        if sizes[0] != sizes[1]:
            raise UserError(
                f"cannot search by {view}: {sizes[0]} numbers a query, {sizes[1]} a video of the collection; "
                "embed both with the same run"
            )
    # Frames that came as arrays have no source: each is one of its own.
    own = [[place for place, there in enumerate(collection.sources) if one and there == one] for one in queries.sources]
    indices, cosines = nearest(
        torch.from_numpy(join_views(queries.features, chosen)),
        torch.from_numpy(join_views(collection.features, chosen)),
        k=top + max(map(len, own), default=0),
    )
    hits = []
    for number, (found, values) in enumerate(zip(indices.tolist(), cosines.tolist(), strict=True)):
        itself = [index for index in found if index in own[number]]
        pairs = [pair for pair in zip(found, values, strict=True) if pair[0] not in itself[1:]]
        for rank, (index, cosine) in enumerate(pairs[:top], start=1):
            row = collection[index]
            by_view = {view: float(queries[view][number] @ row.features[view]) for view in chosen}
            moment = row.start_seconds, row.end_seconds
            hit = Hit(queries.ids[number], rank, row.id, row.path, row.label, cosine, by_view, *moment)
            hits.append(replace(hit, is_query=index in itself))
    return Hits(hits)
