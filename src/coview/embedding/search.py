"""Exact nearest neighbours by cosine: chunks of a matrix product and top-k."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from coview.datatypes import Embeddings, check_shape
from coview.errors import UserError

NOBODY = -1
"""Index that fills the rows of queries with fewer than k candidates."""
_CHUNK_ELEMENTS = 2**24


@dataclass(frozen=True)
class Neighbour:
    """One video found for a query."""

    id: str
    path: str
    label: str | None
    cosine: float


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


def joined(
    features: Mapping[str, NDArray[np.float32]], views: Sequence[str], weights: Mapping[str, float] | None = None
) -> NDArray[np.float32]:
    """Join views into one vector a video whose cosine is the weighted mean of the views' cosines: (n, sum of D_v).

    Args:
        features: view name -> unit rows.
        views: which of them.
        weights: view name -> weight; equal where not given.
    """
    shares = np.array([1.0 if weights is None else weights[view] for view in views], dtype=np.float64)
    shares /= shares.sum()
    parts = [features[view] * np.float32(np.sqrt(share)) for view, share in zip(views, shares, strict=True)]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)


def search(
    queries: Embeddings, collection: Embeddings, *, k: int = 10, views: Sequence[str] | None = None
) -> list[list[Neighbour]]:
    """Find the videos of a collection that are most like each query, by the mean cosine over views.

    Args:
        queries: what to look for, one row a video.
        collection: where to look; a query that is itself in it (same source file) is not returned for itself.
        k: how many neighbours a query.
        views: views to compare; not set: all that both sides have.

    Returns:
        For each query at most k neighbours, best first.

    Raises:
        UserError: the two sides share no view, or come from encoders of different sizes.
    """
    chosen = list(views) if views is not None else [view for view in queries.features if view in collection.features]
    for view in chosen or ["any view"]:
        if view not in queries.features or view not in collection.features:
            have, there = ", ".join(queries.features), ", ".join(collection.features)
            raise UserError(f"cannot search by {view}: the queries have {have}; the collection has {there}")
        sizes = queries.features[view].shape[1], collection.features[view].shape[1]
        if sizes[0] != sizes[1]:
            raise UserError(
                f"cannot search by {view}: {sizes[0]} numbers a query, {sizes[1]} a video of the collection; "
                "embed both with the same run"
            )
    places = {path: place for place, path in enumerate(dict.fromkeys((*collection.paths, *queries.paths)))}
    indices, cosines = nearest(
        torch.from_numpy(joined(queries.features, chosen)),
        torch.from_numpy(joined(collection.features, chosen)),
        k=k,
        query_groups=torch.tensor([places[path] for path in queries.paths], dtype=torch.int64),
        gallery_groups=torch.tensor([places[path] for path in collection.paths], dtype=torch.int64),
    )
    return [
        [
            Neighbour(collection.ids[index], collection.paths[index], collection.labels[index], cosine)
            for index, cosine in zip(found, values, strict=True)
            if index != NOBODY
        ]
        for found, values in zip(indices.tolist(), cosines.tolist(), strict=True)
    ]
