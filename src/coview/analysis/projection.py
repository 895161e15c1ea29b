"""Features laid out on a plane: PCA, t-SNE, UMAP; and how far such a layout can be trusted. Numbers in, numbers out."""

from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from coview.embedding.search import nearest
from coview.errors import MissingExtraError

Layout = Literal["tsne", "pca", "umap"]
Points = NDArray[np.float64]
REDUCED = 50
"""Dimensions that t-SNE and UMAP start from, as is usual: the rest is noise to them, and slow."""


def principal(features: NDArray[np.float32], size: int) -> Points:
    """Return the coordinates on the first principal axes, (n, size); the largest value of each axis is positive.

    Args:
        features: (n, D).
        size: axes wanted; beyond the rank of the features coordinates are 0.
    """
    centred = features.astype(np.float64) - features.mean(axis=0, dtype=np.float64)
    if len(centred) >= centred.shape[1]:
        values, axes = np.linalg.eigh(centred.T @ centred)  # ascending
        found = centred @ axes[:, np.argsort(-values)[:size]]  # (n, <= size)
    else:
        values, vectors = np.linalg.eigh(centred @ centred.T)
        order = np.argsort(-values)[:size]
        found = vectors[:, order] * np.sqrt(np.maximum(values[order], 0))
    if not found.size:
        return np.zeros((len(features), size))
    largest = found[np.abs(found).argmax(axis=0), np.arange(found.shape[1])]
    found = found * np.where(largest < 0, -1.0, 1.0)
    return np.asarray(np.pad(found, ((0, 0), (0, size - found.shape[1]))))


def lay_out(features: NDArray[np.float32], *, method: Layout, perplexity: float, seed: int) -> Points:
    """Lay features out on a plane.

    Args:
        features: (n, D) unit rows, n >= 3.
        method: how. pca: the two axes of largest spread; tsne, umap: near ones stay near, far ones do not matter.
        perplexity: neighbours that t-SNE and UMAP keep near; see `fitting_perplexity`.
        seed: of t-SNE and UMAP.

    Returns:
        (n, 2), within 0 to 1 on both axes, one scale for both.

    Raises:
        UserError: umap is not installed.
    """
    if method == "pca":
        return within_unit(principal(features, 2))
    few = principal(features, min(REDUCED, features.shape[1]))
    perplexity = fitting_perplexity(perplexity, len(features))
    return within_unit(_tsne(few, perplexity, seed) if method == "tsne" else _umap(few, perplexity, seed))


def fitting_perplexity(wanted: float, count: int) -> float:
    """Return at most a tenth of the videos, but 5 where that is less, and what so few videos allow: a third."""
    return max(1.0, min(wanted, max(5.0, count / 10), (count - 1) / 3))


def _tsne(few: Points, perplexity: float, seed: int) -> Points:
    from sklearn.manifold import TSNE

    start = few[:, :2] / max(float(few[:, 0].std()), 1e-12) * 1e-4  # as is usual, small
    rest: Any = TSNE(perplexity=perplexity, init=start, learning_rate="auto", random_state=seed)
    return np.asarray(rest.fit_transform(few), dtype=np.float64)


def _umap(few: Points, perplexity: float, seed: int) -> Points:
    try:
        from umap import UMAP
    except ImportError:
        raise MissingExtraError("a map by umap", package="umap-learn", extra="umap") from None
    model: Any = UMAP(n_neighbors=max(2, round(perplexity)), random_state=seed, n_jobs=1)
    return np.asarray(model.fit_transform(few), dtype=np.float64)


def within_unit(points: Points) -> Points:
    """Move and scale points so that the longer side of their box is 0 to 1 and the other lies in its middle."""
    low, high = points.min(axis=0), points.max(axis=0)
    span = max(float((high - low).max()), 1e-12)
    return np.asarray((points - (low + high) / 2) / span + 0.5)


def turned_like(points: Points, reference: Points) -> Points:
    """Turn and mirror a layout so that its points come as near as can be to those of another, for two side by side.

    Args:
        points: (n, 2).
        reference: (n, 2) of the same videos.
    """
    own, other = points - points.mean(axis=0), reference - reference.mean(axis=0)
    left, _, right = np.linalg.svd(own.T @ other)
    return within_unit(own @ left @ right)


def nearest_rows(rows: NDArray[Any], k: int) -> NDArray[np.int64]:
    """Return the (n, k) nearest other rows by Euclidean distance; for unit rows these are the largest cosines.

    Args:
        rows: (n, D), n > k.
        k: how many.
    """
    vectors = torch.from_numpy(np.ascontiguousarray(rows, dtype=np.float32))
    # Least distance is the largest a.b - |b|^2 / 2, which is a product of vectors with one number more.
    squares = vectors.square().sum(dim=1, keepdim=True)
    queries = torch.cat([vectors, torch.ones_like(squares)], dim=1)
    gallery = torch.cat([vectors, -squares / 2], dim=1)
    own = torch.arange(len(vectors))
    indices, _ = nearest(queries, gallery, k=k, query_groups=own, gallery_groups=own)
    return indices.numpy()


def shared_neighbours(one: NDArray[np.int64], other: NDArray[np.int64]) -> float:
    """Return the mean share of a row's k neighbours in one list that are in the other, too: (n, k) and (n, k)."""
    common = (one[:, :, None] == other[:, None, :]).any(axis=2)  # (n, k)
    return float(common.mean())
