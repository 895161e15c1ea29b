"""What can be said of a collection as a whole: map, clusters, outliers, duplicates, a sample. As plain values for JSON.

It runs in a process of `coview.serving.jobs`: it takes seconds to minutes.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coview.collection.index import Index

Tell = Callable[[float], None]

_MOST_POINTS = 50_000
_LAID_OUT = 3_000
"""So many videos are laid out by t-SNE; further ones are put among those that are most like them."""
_ANCHORS = 3
_PERPLEXITY = 30.0
_FEW = 5
"""Fewer videos than this are laid out by their main axes."""
_OUTLIERS = 60
_CHOSEN = 240
"""Of a sample; its first few are one, too."""


def draw_map(index: Index, tell: Tell) -> dict[str, Any]:
    """Return "numbers" and places "x", "y" (0 to 1) of videos: near ones are alike, by the mean over views."""
    rows = index.store.rows(status="ready")
    if len(rows) > _MOST_POINTS:
        chosen = np.sort(np.random.default_rng(0).choice(len(rows), _MOST_POINTS, replace=False))
        rows = [rows[place] for place in chosen]
    vectors = []
    for count, row in enumerate(rows):
        whole = index.store.get(row.number).whole
        vectors.append(np.concatenate([whole[view] for view in index.views]))
        if count % 500 == 0:
            tell(0.5 * count / len(rows))
    points = place_rows(np.array(vectors, dtype=np.float32)) if rows else np.zeros((0, 2))
    x, y = (np.round(points[:, axis], 4).tolist() for axis in (0, 1))
    return {"numbers": [row.number for row in rows], "x": x, "y": y}


def place_rows(vectors: NDArray[np.float32], *, laid_out: int = _LAID_OUT) -> NDArray[np.float64]:
    """Return a place (n, 2) within 0 to 1 for each vector (n, D), all of one length.

    Up to `laid_out` of them are laid out by t-SNE; each other one stands at the mean of the few that it is most
    like, a little aside so that points do not hide each other.
    """
    from coview.analysis.projection import lay_out, within_unit

    if len(vectors) < _FEW:
        return lay_out(vectors, method="pca", perplexity=1.0, seed=0) if len(vectors) > 2 else _in_a_row(len(vectors))
    if len(vectors) <= laid_out:
        return lay_out(vectors, method="tsne", perplexity=_PERPLEXITY, seed=0)
    generator = np.random.default_rng(0)
    anchors = np.sort(generator.choice(len(vectors), laid_out, replace=False))
    places = lay_out(vectors[anchors], method="tsne", perplexity=_PERPLEXITY, seed=0)
    found = np.empty((len(vectors), 2))
    for begin in range(0, len(vectors), 4096):
        cosines = vectors[begin : begin + 4096] @ vectors[anchors].T  # (b, A)
        nearest = np.argpartition(-cosines, _ANCHORS, axis=1)[:, :_ANCHORS]
        found[begin : begin + 4096] = places[nearest].mean(axis=1)
    found += generator.normal(scale=0.004, size=found.shape)
    found[anchors] = places
    return within_unit(found)


def _in_a_row(count: int) -> NDArray[np.float64]:
    return np.column_stack([(np.arange(count) + 0.5) / max(count, 1), np.full(count, 0.5)])


def list_clusters(index: Index, tell: Tell) -> dict[str, Any]:
    """Return "found": groups of videos, by id, the largest first."""
    return {"found": [dataclasses.asdict(one) for one in index.clusters()]}


def list_outliers(index: Index, tell: Tell) -> dict[str, Any]:
    """Return "found": the videos that are farthest from all others, by id."""
    return {"found": [dataclasses.asdict(one) for one in index.outliers(top=_OUTLIERS)]}


def list_duplicates(index: Index, tell: Tell) -> dict[str, Any]:
    """Return "found": pairs that show one event, by id, the surest first."""

    def progress(done: int, total: int, amounts: Mapping[str, float]) -> None:
        tell(done / max(1, total))

    return {"found": [dataclasses.asdict(one) for one in index.duplicates(progress=progress)]}


def list_sample(index: Index, tell: Tell) -> dict[str, Any]:
    """Return "found": videos that differ from each other, by id, in the order of choice."""
    return {"found": [dataclasses.asdict(one) for one in index.sample(_CHOSEN)]}


LOOKS: Mapping[str, Callable[[Index, Tell], dict[str, Any]]] = {
    "map": draw_map,
    "clusters": list_clusters,
    "outliers": list_outliers,
    "duplicates": list_duplicates,
    "sample": list_sample,
}
