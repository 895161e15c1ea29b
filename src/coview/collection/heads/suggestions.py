"""What to label next: a mix of what the head is unsure of, of likely members of rare classes, and of what is new.

New ones and uncertain ones are found by facility location (Wei et al. 2015, "Submodularity in data subset selection"):
each is the row that most raises how much all rows resemble what is labelled or chosen; uncertain rows are counted by
their doubt. Never two of one video, and of a recording that has labels only once the others have some.
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
"""Uncertain ones are chosen among so many times as many as are wanted."""
_UNSURE_SHARE, _RARE_SHARE = 0.3, 0.1
"""Of the suggestions; the rest is new."""
_RARE_CLASSES = 4


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

    sample = _Sample.draw(pool, allowed, features, generator)
    if head is not None:
        scored = _score(pool, head, allowed, rare=_rare_classes(head, counts))
        wanted = round(count * _UNSURE_SHARE)
        chosen.take(_unsure(scored, head, pool, features, wanted, sample), wanted)
        chosen.take(_rare(scored, head), round(count * _RARE_SHARE))
    chosen.take(_new(pool, allowed, features, count, chosen, sample, generator), count)
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


@dataclass(frozen=True)
class _Sample:
    """Rows that stand for the pool.

    Attributes:
        places: (n,) of rows that may be chosen.
        rows: (n, D) their features, centred, unit.
        labelled: (m, D) those of rows with a label, alike.
        centre: (D,) that was taken off.
    """

    places: NDArray[np.int64]
    rows: Floats
    labelled: Floats
    centre: Floats

    @classmethod
    def draw(
        cls,
        pool: Pool,
        allowed: NDArray[np.bool_],
        features: Callable[[NDArray[np.int64]], Floats],
        generator: np.random.Generator,
    ) -> "_Sample":
        """Return a sample of the allowed rows, and of the labelled ones."""
        places, labelled = (
            _drawn(np.flatnonzero(which), most, generator)
            for which, most in ((allowed, _SAMPLE), (pool.is_labelled, _SAMPLE // 4))
        )
        rows = features(np.concatenate([labelled, places]))
        centre = rows.mean(axis=0) if len(rows) else np.zeros(rows.shape[1], np.float32)
        rows = _unit(rows - centre)
        return cls(places, rows[len(labelled) :], rows[: len(labelled)], centre)


def _drawn(places: NDArray[np.int64], most: int, generator: np.random.Generator) -> NDArray[np.int64]:
    return places if len(places) <= most else np.sort(generator.choice(places, most, replace=False))


def _unit(rows: Floats) -> Floats:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9), dtype=np.float32)


def _unsure(
    scored: _Scored,
    head: Head,
    pool: Pool,
    features: Callable[[NDArray[np.int64]], Floats],
    wanted: int,
    sample: _Sample,
) -> list[Suggestion]:
    """Return uncertain rows that together resemble the uncertain ones most, as labelled ones do not."""
    places = scored.unsure[: max(1, wanted) * _WIDER]
    if not len(places):
        return []
    rows = _unit(features(places) - sample.centre)
    chances = np.stack([scored.chances(int(place)) for place in places])  # (n, C)
    weights = 1 + _doubt(chances, head)
    recordings = pool.recordings[pool.owners[places]]
    found = []
    for place in _represent(rows, rows, weights=weights, known=sample.labelled, recordings=recordings, count=wanted):
        top = np.argsort(-chances[place])[:2]
        names = tuple(head.classes[at] for at in top)
        found.append(Suggestion(int(places[place]), "unsure", names, float(chances[place, top[0]])))
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
    sample: _Sample,
    generator: np.random.Generator,
) -> list[Suggestion]:
    """Return rows that stand for those which resemble nothing that is labelled or chosen; then any."""
    if not len(sample.places):
        return []
    own = np.array([one.row for one in chosen.found], dtype=np.int64)
    known = np.concatenate([sample.labelled, _unit(features(own) - sample.centre)]) if len(own) else sample.labelled
    recordings = pool.recordings[pool.owners[sample.places]]
    taken = pool.recordings[pool.owners[own]]
    order = _represent(
        sample.rows, sample.rows, known=known, recordings=recordings, taken=set(taken.tolist()), count=count
    )
    shuffled = generator.permutation(np.flatnonzero(allowed))
    _, first = np.unique(pool.owners[shuffled], return_index=True)  # one of each video
    rest = shuffled[np.sort(first)[: 4 * count]]
    return [Suggestion(int(place), "new") for place in [*sample.places[order], *rest]]


def _represent(
    rows: Floats,
    candidates: Floats,
    *,
    known: Floats,
    recordings: NDArray[np.int64],
    count: int,
    weights: NDArray[np.float32] | None = None,
    taken: set[int] | None = None,
) -> list[int]:
    """Return places of candidates, each the one that most raises the sum over rows of the largest cosine to it.

    Args:
        rows: (n, D) unit rows, to be represented.
        candidates: (m, D) unit rows.
        known: (k, D) unit rows, which represent already.
        recordings: (m,) of the candidates: never two of one.
        count: at most so many.
        weights: (n,) of the rows; None: all alike.
        taken: recordings that are out.
    """
    alike = np.maximum(rows @ candidates.T, 0)  # (n, m)
    reached = np.maximum(rows @ known.T, 0).max(axis=1, initial=0)  # (n,)
    weight = np.ones(len(rows), np.float32) if weights is None else weights
    free = ~np.isin(recordings, list(taken or ()))
    found: list[int] = []
    while len(found) < count and free.any():
        gains = weight @ np.maximum(alike - reached[:, None], 0)  # (m,)
        best = int(np.where(free, gains, -1).argmax())
        found.append(best)
        reached = np.maximum(reached, alike[:, best])
        free &= recordings != recordings[best]
    return found
