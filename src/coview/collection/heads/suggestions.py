"""What to label next: a mix of what the head is unsure of, of likely members of rare classes, and of what is new.

Uncertain ones are thinned by how far apart they lie (as in BADGE, Ash et al. 2020); new ones are typical of groups in
which nothing is labelled (TypiClust, Hacohen et al. 2022). Never two of one video, and of a recording that has labels
only once the others have some.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coview.collection.heads.head import Head
from coview.collection.heads.scoring import gather_rows, score_blocks
from coview.collection.store import Floats

_SAMPLE = 2000
"""Rows among which new ones are looked for."""
_WIDER = 8
"""Uncertain ones are thinned out of so many times as many as are wanted."""
_UNSURE_SHARE, _RARE_SHARE = 0.4, 0.3
"""Of the suggestions; the rest is new."""
_RARE_CLASSES = 4
_ROUNDS = 8


@dataclass(frozen=True, eq=False)
class Pool:
    """What may be labelled: a row a window, or a row a video.

    Attributes:
        rows: view name -> (N, D) float16 unit rows.
        owners: (N,) place of each row's video among the videos; rows of one video are neighbours.
        recordings: (V,) recording of each video, as a number.
        is_labelled: (N,) rows that have a label.
    """

    rows: Mapping[str, NDArray[np.float16]]
    owners: NDArray[np.int64]
    recordings: NDArray[np.int64]
    is_labelled: NDArray[np.bool_]


@dataclass(frozen=True)
class Suggestion:
    """A row to label.

    Attributes:
        row: its place in the pool.
        why: "unsure", "rare" or "new".
        classes: the one or two classes that it may be, the likelier first; empty for a new one.
        probability: of the first.
    """

    row: int
    why: str
    classes: tuple[str, ...] = ()
    probability: float = 0.0


def suggest(
    pool: Pool,
    head: Head | None,
    *,
    views: Sequence[str],
    combine: str = "concat",
    counts: Mapping[str, int],
    count: int = 12,
    seed: int = 0,
) -> list[Suggestion]:
    """Return what to label next, the kinds in turn.

    Args:
        pool: what there is.
        head: of the labels so far; None while there is none: then all are new.
        views: whose vectors say what is alike.
        combine: how they are joined.
        counts: class name -> labels so far.
        count: how many.
        seed: of the draws.
    """
    generator = np.random.default_rng(seed)
    labelled_videos = np.unique(pool.owners[pool.is_labelled])
    seen = np.isin(pool.recordings, pool.recordings[labelled_videos])  # (V,) recordings that have a label
    free = ~pool.is_labelled & ~np.isin(pool.owners, labelled_videos)
    if not free.any():
        free = ~pool.is_labelled
    preferred = free & ~seen[pool.owners]
    allowed = preferred if len(np.unique(pool.owners[preferred])) >= count else free
    chosen = _Chosen(pool, count)

    def features(places: NDArray[np.int64]) -> Floats:
        return gather_rows(pool.rows, places, views=views, combine=combine)

    if head is not None:
        scored = _score(pool, head, allowed, rare=_rare_classes(head, counts))
        wanted = round(count * _UNSURE_SHARE)
        chosen.take(_unsure(scored, head, features, wanted, chosen), wanted)
        chosen.take(_rare(scored, head), round(count * _RARE_SHARE))
    chosen.take(_new(pool, allowed, features, count, chosen, generator), count)
    return chosen.mixed()


class _Chosen:
    """What is chosen so far: never two of one video or recording while there are others."""

    def __init__(self, pool: Pool, count: int) -> None:
        self._pool, self._count = pool, count
        self._videos: set[int] = set()
        self._recordings: set[int] = set()
        self.found: list[Suggestion] = []

    def take(self, some: Sequence[Suggestion], most: int) -> None:
        """Take the first that may be taken."""
        taken = 0
        for is_strict in (True, False):
            for one in some:
                if taken >= most or len(self.found) >= self._count:
                    return
                video = int(self._pool.owners[one.row])
                recording = int(self._pool.recordings[video])
                if video in self._videos or (is_strict and recording in self._recordings):
                    continue
                self._videos.add(video)
                self._recordings.add(recording)
                self.found.append(one)
                taken += 1

    def mixed(self) -> list[Suggestion]:
        """Return them, the kinds in turn."""
        kinds = [[one for one in self.found if one.why == why] for why in ("unsure", "rare", "new")]
        longest = max(map(len, kinds))
        return [kind[place] for place in range(longest) for kind in kinds if place < len(kind)]


@dataclass(frozen=True)
class _Scored:
    """The best window of each video by two measures.

    Attributes:
        unsure: rows, the most uncertain first, one a video.
        likely: class place -> rows, the likeliest first, one a video.
        chances: row -> (C,) probabilities, of all rows named here.
    """

    unsure: NDArray[np.int64]
    likely: Mapping[int, NDArray[np.int64]]
    chances: Callable[[int], NDArray[np.float32]]


def _score(pool: Pool, head: Head, allowed: NDArray[np.bool_], *, rare: Sequence[int]) -> _Scored:
    doubt = np.full(len(allowed), -np.inf, dtype=np.float32)
    likely = {place: np.full(len(allowed), -np.inf, dtype=np.float32) for place in rare}
    for start, chances in score_blocks(head, pool.rows):
        own = allowed[start : start + len(chances)]
        doubt[start : start + len(chances)][own] = _doubt(chances, head)[own]
        for place, values in likely.items():
            values[start : start + len(chances)][own] = chances[own, place]

    def chances_of(row: int) -> NDArray[np.float32]:
        some = {view: pool.rows[view][row : row + 1] for view in head.views}
        return np.asarray(next(score_blocks(head, some))[1][0])

    best = {place: _best_of_videos(values, pool.owners) for place, values in likely.items()}
    return _Scored(_best_of_videos(doubt, pool.owners), best, chances_of)


def _doubt(chances: NDArray[np.float32], head: Head) -> NDArray[np.float32]:
    """Return how unsure a head is (n,): the two likeliest answers are close, or a class is near its threshold."""
    if head.is_multi_label:
        return np.asarray(-np.abs(chances - head.thresholds.astype(np.float32)).min(axis=1))
    if head.has_none or chances.shape[1] == 1:
        chances = np.concatenate([chances, 1 - chances.sum(axis=1, keepdims=True)], axis=1)
    largest = np.partition(chances, -2, axis=1)
    return np.asarray(largest[:, -2] - largest[:, -1], dtype=np.float32)


def _best_of_videos(values: NDArray[np.float32], owners: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the row with the largest value of each video, the largest first; none of -inf."""
    starts = np.flatnonzero(np.append(True, owners[1:] != owners[:-1]))
    best = np.maximum.reduceat(values, starts)  # (V,)
    counts = np.diff(np.append(starts, len(owners)))
    candidates = np.flatnonzero(values == np.repeat(best, counts))
    _, first = np.unique(owners[candidates], return_index=True)
    rows = candidates[first]
    rows = rows[np.isfinite(values[rows])]
    return np.asarray(rows[np.argsort(-values[rows], kind="stable")])


def _rare_classes(head: Head, counts: Mapping[str, int]) -> list[int]:
    """Return the classes with the fewest labels, the rarest first; none where all have as many."""
    known = [counts.get(name, 0) for name in head.classes]
    order = sorted(range(len(known)), key=lambda place: known[place])
    return [place for place in order[:_RARE_CLASSES] if known[place] < max(known)] or order[:1]


def _unsure(
    scored: _Scored, head: Head, features: Callable[[NDArray[np.int64]], Floats], wanted: int, chosen: _Chosen
) -> list[Suggestion]:
    """Return uncertain rows that lie far from each other, the most uncertain first."""
    rows = scored.unsure[: max(1, wanted) * _WIDER]
    if not len(rows):
        return []
    found = []
    for place in _spread(features(rows), wanted * 2):
        chances = scored.chances(int(rows[place]))
        top = np.argsort(-chances)[:2]
        names = tuple(head.classes[at] for at in top)
        found.append(Suggestion(int(rows[place]), "unsure", names, float(chances[top[0]])))
    return found


def _rare(scored: _Scored, head: Head) -> list[Suggestion]:
    """Return likely members of rare classes, the classes in turn."""
    found = []
    for rank in range(_WIDER):
        for place, rows in scored.likely.items():
            if rank < len(rows):
                row = int(rows[rank])
                found.append(Suggestion(row, "rare", (head.classes[place],), float(scored.chances(row)[place])))
    return found


def _new(
    pool: Pool,
    allowed: NDArray[np.bool_],
    features: Callable[[NDArray[np.int64]], Floats],
    count: int,
    chosen: _Chosen,
    generator: np.random.Generator,
) -> list[Suggestion]:
    """Return the most typical row of each cluster without a label, the largest cluster first."""
    places = np.flatnonzero(allowed)
    if len(places) > _SAMPLE:
        places = np.sort(generator.choice(places, _SAMPLE, replace=False))
    labelled = np.flatnonzero(pool.is_labelled)
    if len(labelled) > _SAMPLE // 4:
        labelled = np.sort(generator.choice(labelled, _SAMPLE // 4, replace=False))
    if not len(places):
        return []
    known = np.concatenate([labelled, [one.row for one in chosen.found]]).astype(np.int64)
    rows = features(np.concatenate([known, places]))
    rows = rows - rows.mean(axis=0)
    clusters = min(len(rows), len(np.unique(pool.owners[known])) + count)
    cluster_of, centres = _cluster(rows, clusters, generator)
    sizes = np.bincount(cluster_of[len(known) :], minlength=clusters)
    taken = np.bincount(cluster_of[: len(known)], minlength=clusters)
    found = []
    for rank in range(2):  # the next most typical ones, where one of each is not enough
        for cluster in np.lexsort((-sizes, taken)):
            inside = np.flatnonzero(cluster_of[len(known) :] == cluster)
            if len(inside) > rank:
                distances = ((rows[len(known) + inside] - centres[cluster]) ** 2).sum(axis=1)
                found.append(Suggestion(int(places[inside[np.argsort(distances)[rank]]]), "new"))
    shuffled = generator.permutation(np.flatnonzero(allowed))
    _, first = np.unique(pool.owners[shuffled], return_index=True)  # one of each video
    return found + [Suggestion(int(place), "new") for place in shuffled[np.sort(first)[: 4 * count]]]


def _spread(rows: Floats, count: int) -> list[int]:
    """Return places of rows far from each other, beginning with the first (farthest-first traversal)."""
    found, distances = [0], ((rows - rows[0]) ** 2).sum(axis=1)
    while len(found) < min(count, len(rows)):
        place = int(distances.argmax())
        found.append(place)
        distances = np.minimum(distances, ((rows - rows[place]) ** 2).sum(axis=1))
    return sorted(found)


def _cluster(rows: Floats, count: int, generator: np.random.Generator) -> tuple[NDArray[np.int64], Floats]:
    """Return the cluster (n,) of each row and the centres (count, D): k-means from farthest-first beginnings."""
    start = int(generator.integers(len(rows)))
    order = np.concatenate([[start], np.delete(np.arange(len(rows)), start)])
    centres = rows[order][_spread(rows[order], count)].copy()
    for _ in range(_ROUNDS):
        closeness = rows @ centres.T - (centres**2).sum(axis=1) / 2  # (n, count)
        cluster_of = closeness.argmax(axis=1)
        sums = np.zeros_like(centres)
        np.add.at(sums, cluster_of, rows)
        sizes = np.bincount(cluster_of, minlength=len(centres))
        centres = np.where(sizes[:, None] > 0, sums / np.maximum(sizes, 1)[:, None], centres).astype(np.float32)
    return cluster_of, centres
