"""Looking over a collection: what stands apart, what belongs together, and a few videos that stand for all.

Everything here works on the vectors of whole videos, (V, D) unit rows a view; views are compared by the mean of their
cosines, which is the cosine of the rows put side by side.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from coview.collection.file_identity import shown_paths
from coview.collection.filters import Filter
from coview.collection.findings import Findings
from coview.collection.store import Floats, Store, VideoRow
from coview.errors import UserError
from coview.wording import counted

_ROWS_AT_ONCE = 1024
_MOST_CLUSTERED = 20_000
"""Clusters are found among this many videos; the others join the cluster of the nearest of them."""
_DIMENSIONS = 24
"""Density means little in hundreds of dimensions: clusters are found in the main directions."""


@dataclass(frozen=True)
class Outlier:
    """A video that is far from all others.

    Attributes:
        rank: 1 for the farthest.
        id: of the video.
        path: of its file.
        label: its class, None where unknown.
        distance: 1 - mean cosine to its nearest neighbours.
        score: how far that distance lies above the median of all videos, in units of their usual spread (the median
            absolute deviation, made comparable to a standard deviation); above 3 or so is unusual.
        nearest: id of its nearest neighbour.
    """

    rank: int
    id: str
    path: str
    label: str | None
    distance: float
    score: float
    nearest: str


class Outliers(Findings[Outlier]):
    """Videos that stand apart, the farthest first."""

    def cells(self, one: Outlier) -> dict[str, str]:
        """Return what is shown of a video."""
        return {
            "": f"{one.rank}.",
            "video": one.id,
            "label": one.label or "",
            "score": f"{one.score:z.1f}",
            "distance": f"{one.distance:z.3f}",
            "nearest": one.nearest,
        }


@dataclass(frozen=True)
class Cluster:
    """Videos that belong together.

    Attributes:
        number: 1 for the largest.
        size: how many videos.
        central: ids of its most central videos, which stand for it.
        label: the most frequent class, None where no video has one.
        label_share: which part of its labelled videos that is.
        ids: of all its videos, the most central first.
        paths: of their files.
    """

    number: int
    size: int
    central: tuple[str, ...]
    label: str | None
    label_share: float | None
    ids: tuple[str, ...]
    paths: tuple[str, ...]


class Clusters(Findings[Cluster]):
    """Clusters, the largest first; videos that belong to none are in no cluster."""

    def cells(self, one: Cluster) -> dict[str, str]:
        """Return what is shown of a cluster."""
        share = "" if one.label is None else f"{one.label} {100 * (one.label_share or 0):.0f}%"
        size = counted(one.size, "video")
        return {"": f"{one.number}.", "size": size, "label": share, "central": ", ".join(one.central)}

    def rows(self) -> list[dict[str, object]]:
        """Return a row a video that is in a cluster: cluster, id, path, and its rank by how central it is."""
        return [
            {"cluster": one.number, "rank": rank, "id": name, "path": path}
            for one in self
            for rank, (name, path) in enumerate(zip(one.ids, one.paths, strict=True), 1)
        ]


@dataclass(frozen=True)
class Chosen:
    """A video of a diverse subset.

    Attributes:
        rank: the order of choice; any first few are a diverse subset too.
        id: of the video.
        path: of its file.
        label: its class, None where unknown.
        distance: 1 - cosine to the nearest that was chosen before it; no video left out is farther from the subset.
    """

    rank: int
    id: str
    path: str
    label: str | None
    distance: float


class Sample(Findings[Chosen]):
    """A diverse subset, in the order of choice."""

    def cells(self, one: Chosen) -> dict[str, str]:
        """Return what is shown of a video."""
        return {
            "": f"{one.rank}.",
            "video": one.id,
            "label": one.label or "",
            "distance": f"{one.distance:z.3f}",
        }


def check_counts(**numbers: int) -> None:
    """Refuse numbers below 1.

    Raises:
        UserError: names the number.
    """
    for name, number in numbers.items():
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise UserError(f"{name} is {number!r}; expected a whole number, 1 or more")


@dataclass(frozen=True)
class Selection:
    """The videos that are looked over.

    Attributes:
        videos: V of them.
        paths: of their files.
        rows: (n, D of all views) unit rows, whose cosine is the mean of the views' cosines.
        counts: (V,) how many of them each video has, one after the other.
    """

    videos: Sequence[VideoRow]
    paths: Sequence[str]
    rows: Floats
    counts: NDArray[np.int64]


def select_videos(
    store: Store, where: Filter, *, folder: Path, views: Sequence[str], part: Literal["windows", "videos"]
) -> Selection:
    """Return the ready videos that meet a filter, with the vectors of their windows or of each as a whole.

    Raises:
        UserError: the filter asks for times.
    """
    if where.time is not None:
        raise UserError("a filter by time is about moments, and this is about whole videos; leave it out")
    table = store.table(part, where)
    known = {row.number: row for row in store.rows(status="ready")}
    videos = [known[number] for number in table.numbers.tolist()]
    paths = shown_paths((row.facts.path for row in videos), folder)
    return Selection(videos, paths, join_views(table.rows, views), table.counts)


def join_views(rows: Mapping[str, NDArray[np.float16]], views: Sequence[str]) -> Floats:
    """Return unit rows (n, D of all views) whose cosine is the mean of the views' cosines."""
    parts = [np.asarray(rows[view], dtype=np.float32) for view in views]
    return np.concatenate(parts, axis=1) / np.float32(np.sqrt(len(parts)))


def list_outliers(among: Selection, *, top: int, neighbours: int) -> Outliers:
    """Name the videos that stand apart; see `Index.outliers`."""
    count = len(among.videos)
    if count < 2:
        return Outliers([], title=f"outliers of {counted(count, 'video')}")
    order, distances, scores, nearest = rank_outliers(among.rows, neighbours=neighbours)
    found = []
    for rank, place in enumerate(order[:top], 1):
        facts = among.videos[place].facts
        other = among.videos[nearest[place]].facts.id
        known = (facts.id, among.paths[place], facts.label)
        found.append(Outlier(rank, *known, float(distances[place]), float(scores[place]), other))
    return Outliers(found, title=f"outliers of {counted(count, 'video')}")


def list_clusters(among: Selection, *, min_size: int, central: int) -> Clusters:
    """Name the groups of videos; see `Index.clusters`."""
    found = find_clusters(among.rows, min_size=min_size)
    left = len(among.videos) - sum(len(places) for places in found)
    clusters = [_describe_cluster(number, places, among, central=central) for number, places in enumerate(found, 1)]
    return Clusters(clusters, title=f"clusters of {counted(len(among.videos), 'video')}, {left:,} in none")


def list_sample(among: Selection, count: int) -> Sample:
    """Name a diverse subset; see `Index.sample`."""
    places, distances = choose_diverse(among.rows, count) if len(among.rows) else ([], [])
    found = []
    for rank, (place, distance) in enumerate(zip(places, distances, strict=True), 1):
        facts = among.videos[place].facts
        found.append(Chosen(rank, facts.id, among.paths[place], facts.label, distance))
    return Sample(found, title=f"of {counted(len(among.videos), 'video')}")


def nearest_neighbours(rows: Floats, count: int) -> tuple[Floats, NDArray[np.int64]]:
    """Return cosines and places (V, count) of each row's nearest others, best first."""
    count = min(count, len(rows) - 1)
    cosines = np.empty((len(rows), count), np.float32)
    places = np.empty((len(rows), count), np.int64)
    for first in range(0, len(rows), _ROWS_AT_ONCE):
        block = rows[first : first + _ROWS_AT_ONCE] @ rows.T  # (B, V)
        own = np.arange(len(block))
        block[own, first + own] = -np.inf
        best = np.argpartition(-block, count - 1, axis=1)[:, :count] if count else np.empty((len(block), 0), int)
        values = np.take_along_axis(block, best, axis=1)
        order = np.argsort(-values, axis=1, kind="stable")
        places[first : first + len(block)] = np.take_along_axis(best, order, axis=1)
        cosines[first : first + len(block)] = np.take_along_axis(values, order, axis=1)
    return cosines, places


def rank_outliers(rows: Floats, *, neighbours: int) -> tuple[NDArray[np.int64], Floats, Floats, NDArray[np.int64]]:
    """Rank videos by the distance to their nearest neighbours (Ramaswamy et al. 2000, their mean as in Angiulli 2002).

    Args:
        rows: (V, D) unit rows, at least two.
        neighbours: how many are looked at: as many look-alikes do not hide each other.

    Returns:
        Places (V,) with the farthest first; and by place: distance, score, and the nearest other.
    """
    cosines, places = nearest_neighbours(rows, neighbours)
    distances = 1 - cosines.mean(axis=1)  # (V,)
    middle = float(np.median(distances))
    spread = 1.4826 * float(np.median(np.abs(distances - middle)))  # of a normal distribution: its standard deviation
    scores = (distances - middle) / max(spread, 1e-6)
    return np.argsort(-distances, kind="stable"), distances, scores, places[:, 0]


def find_clusters(rows: Floats, *, min_size: int, seed: int = 0) -> list[NDArray[np.int64]]:
    """Find groups of videos with HDBSCAN (Campello et al. 2013), which needs no number of clusters.

    Args:
        rows: (V, D) unit rows.
        min_size: fewer videos than this are no cluster.
        seed: of the choice among very many videos.

    Returns:
        Places of the videos of each cluster, the most central first; the largest cluster first.
    """
    if len(rows) < max(2, min_size):
        return []
    from sklearn.cluster import HDBSCAN

    chosen = np.arange(len(rows))
    if len(rows) > _MOST_CLUSTERED:
        chosen = np.sort(np.random.default_rng(seed).choice(len(rows), _MOST_CLUSTERED, replace=False))
    centred = rows - rows[chosen].mean(axis=0)
    _, vectors = np.linalg.eigh(centred[chosen].T @ centred[chosen])
    low = centred @ vectors[:, ::-1][:, :_DIMENSIONS]  # (V, at most 24)
    own = np.asarray(HDBSCAN(min_cluster_size=min_size, copy=True).fit_predict(low[chosen]))
    labels = np.full(len(rows), -1)
    labels[chosen] = own
    others = np.setdiff1d(np.arange(len(rows)), chosen)
    for first in range(0, len(others), _ROWS_AT_ONCE):
        some = others[first : first + _ROWS_AT_ONCE]
        labels[some] = own[(rows[some] @ rows[chosen].T).argmax(axis=1)]
    found = []
    for label in range(int(labels.max()) + 1):
        places = np.flatnonzero(labels == label)
        centrality = rows[places] @ rows[places].mean(axis=0)
        found.append(places[np.argsort(-centrality, kind="stable")])
    return sorted(found, key=lambda places: (-len(places), int(places[0])))


def choose_diverse(rows: Floats, count: int) -> tuple[list[int], list[float]]:
    """Choose rows far from each other: each next one is the farthest from those chosen (Gonzalez 1985).

    The first is the most central one. The largest distance of any row to its nearest chosen one is at most twice that
    of the best possible choice (in the metric of the angle's chord).

    Args:
        rows: (V, D) unit rows.
        count: how many.

    Returns:
        Places in the order of choice, and 1 - cosine of each to the nearest chosen before it; 0 for the first.
    """
    place = int((rows @ rows.mean(axis=0)).argmax())
    nearest = np.full(len(rows), np.inf, dtype=np.float32)
    places, distances = [place], [0.0]
    while len(places) < min(count, len(rows)):
        nearest = np.minimum(nearest, 1 - rows @ rows[place])
        nearest[places] = -np.inf
        place = int(nearest.argmax())
        places.append(place)
        distances.append(max(float(nearest[place]), 0.0))
    return places, distances


def _describe_cluster(number: int, places: NDArray[np.int64], among: Selection, *, central: int) -> Cluster:
    """Put a cluster in words: its most central videos and most frequent class."""
    videos = [among.videos[place] for place in places]
    labels = [row.facts.label for row in videos if row.facts.label is not None]
    label = max(sorted(set(labels)), key=labels.count) if labels else None
    share = None if label is None else labels.count(label) / len(labels)
    ids = tuple(row.facts.id for row in videos)
    paths = tuple(among.paths[place] for place in places)
    return Cluster(number, len(videos), ids[:central], label, share, ids, paths)
