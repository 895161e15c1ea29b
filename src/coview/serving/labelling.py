"""The labels of an index while somebody makes them: a head that follows each one, what to label next, timelines.

One thread fits, scores and suggests, always for the newest labels; what it found stays until there is something new.
"""

import concurrent.futures
import logging
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from coview.collection.filters import Filter
from coview.collection.heads.head import Head
from coview.collection.heads.making import make_head
from coview.collection.heads.suggestions import Pool, Suggestion, suggest
from coview.collection.heads.timeline import Segment, TimelineSettings, find_segments
from coview.collection.heads.training_set import covered_windows
from coview.collection.index import Index
from coview.collection.labels import Label
from coview.collection.store import VideoTable, VideoVectors
from coview.errors import UserError
from coview.evaluation.heads import HeadQuality, judge_head

log = logging.getLogger(__name__)

Kind = Literal["moments", "videos"]
_KEPT_VIDEOS = 4000
_AT_ONCE = 12


@dataclass(frozen=True)
class Suggested:
    """Something to label.

    Attributes:
        number: of the video.
        start_seconds: None for a whole video.
        end_seconds: likewise.
        why: "unsure", "rare" or "new".
        classes: that it may be, the likeliest first.
        probability: of the first.
    """

    number: int
    start_seconds: float | None
    end_seconds: float | None
    why: str
    classes: tuple[str, ...]
    probability: float


@dataclass(frozen=True)
class Standing:
    """What is known for some state of the labels.

    Attributes:
        state: of the labels; see `Labels.state`.
        head: None while there is none.
        quality: None while it cannot be said.
        reason: why there is no head, in words for the user.
        seconds: how long the fit took, with its cross-validation.
    """

    state: int = -1
    head: Head | None = None
    quality: HeadQuality | None = None
    reason: str = ""
    seconds: float = 0.0


class Workbench:
    """Labels, and what follows from them.

    Args:
        index: whose labels.
    """

    def __init__(self, index: Index) -> None:
        self.index = index
        self.standing = Standing()
        self._thread = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="coview-labelling")
        self._lock = threading.Lock()
        self._is_waiting = False
        self._vectors: OrderedDict[int, VideoVectors] = OrderedDict()
        self._tables: dict[Kind, tuple[tuple[int, int, int], VideoTable]] = {}
        self._suggested: dict[tuple[int, Kind, int], list[Suggested]] = {}

    @property
    def is_current(self) -> bool:
        """Whether the head knows the newest labels; begins to fit where it does not."""
        if self.standing.state == self.index.labels.state:
            return True
        with self._lock:
            if not self._is_waiting:
                self._is_waiting = True
                self._thread.submit(self._follow)
        return False

    def suggestions(self, kind: Kind, round_number: int) -> list[Suggested] | None:
        """Return what to label next; None while that is being found.

        Args:
            kind: moments, or whole videos.
            round_number: another number, another draw.
        """
        if not self.is_current:
            return None
        key = (self.standing.state, kind, round_number)
        with self._lock:
            if key in self._suggested:
                return self._suggested[key]
            if not self._is_waiting:
                self._is_waiting = True
                self._thread.submit(self._suggest, kind, round_number)
        return None

    def chances(self, number: int) -> tuple[VideoVectors, NDArray[np.float32] | None, list[Segment]]:
        """Return the windows of a video, what the head says of each (W, C), and the segments that follow."""
        vectors, head = self._vectors_of(number), self.standing.head
        if head is None:
            return vectors, None, []
        found = head.probabilities(vectors.windows)
        segments = find_segments(
            found,
            vectors.starts,
            vectors.ends,
            classes=head.classes,
            thresholds=head.thresholds,
            is_exclusive=not head.is_multi_label,
            settings=TimelineSettings(),
        )
        return vectors, found, segments

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _done(self) -> None:
        with self._lock:
            self._is_waiting = False

    def _follow(self) -> None:
        """Fit to the newest labels."""
        try:
            state, started = self.index.labels.state, time.perf_counter()
            labels = self.index.labels.rows()
            try:
                known = {one.video: self._vectors_of(one.video) for one in labels if self._has_vectors(one)}
                head = make_head(self.index, views=self.index.views, vectors_of={n: v for n, v in known.items() if n})
                quality = judge_head(head)
                self.standing = Standing(state, head, quality, "", time.perf_counter() - started)
            except UserError as error:
                self.standing = Standing(state, None, None, str(error))
        except Exception:
            log.exception("the head could not follow the labels")
            self.standing = Standing(
                state, None, None, "the head could not be fitted; see the terminal of coview serve"
            )
        finally:
            self._done()

    def _has_vectors(self, label: Label) -> bool:
        return label.video is not None and self.index.store.video(label.video).facts.status == "ready"

    def _vectors_of(self, number: int | None) -> VideoVectors:
        assert number is not None
        with self._lock:
            if number in self._vectors:
                self._vectors.move_to_end(number)
                return self._vectors[number]
        row = self.index.store.video(number)
        if row.facts.status != "ready":
            raise UserError(f"{row.facts.id} is in the index without vectors: {row.facts.reason or row.facts.status}")
        found = self.index.store.get(number)
        with self._lock:
            self._vectors[number] = found
            while len(self._vectors) > _KEPT_VIDEOS:
                self._vectors.popitem(last=False)
        return found

    def _suggest(self, kind: Kind, round_number: int) -> None:
        """Find what to label next."""
        try:
            standing = self.standing
            table = self._table(kind)
            labels = self.index.labels.rows()
            counts = Counter(name for label in labels for name in label.classes)
            found = suggest(
                self._pool(table, labels, kind),
                standing.head,
                views=self.index.views,
                counts=counts,
                count=_AT_ONCE,
                seed=round_number,
            )
            places = np.append(0, np.cumsum(table.counts))
            suggested = [self._place(one, table, places, kind) for one in found]
            with self._lock:
                self._suggested = {(standing.state, kind, round_number): suggested}
        except Exception:
            log.exception("no suggestions")
            with self._lock:
                self._suggested = {(self.standing.state, kind, round_number): []}
        finally:
            self._done()

    def _table(self, kind: Kind) -> VideoTable:
        totals = self.index.store.totals()
        known = self._tables.get(kind)
        if known is None or known[0] != totals:
            table = self.index.store.table("windows" if kind == "moments" else "videos", Filter())
            known = self._tables[kind] = (totals, table)
        return known[1]

    def _pool(self, table: VideoTable, labels: Sequence[Label], kind: Kind) -> Pool:
        rows = {row.number: row for row in self.index.store.rows(status="ready")}
        groups = [rows[number].facts.group or f"\0{number}" for number in table.numbers.tolist()]
        _, recordings = np.unique(np.array(groups), return_inverse=True)
        owners = np.repeat(np.arange(len(table.numbers)), table.counts)
        first = np.append(0, np.cumsum(table.counts))
        place_of = {number: place for place, number in enumerate(table.numbers.tolist())}
        is_labelled = np.zeros(len(owners), dtype=bool)
        for label in labels:
            place = place_of.get(label.video) if label.video is not None else None
            if place is None:
                continue
            if kind == "videos" or label.is_whole:
                is_labelled[first[place] : first[place + 1]] = True
            else:
                vectors = self._vectors_of(label.video)
                is_labelled[first[place] + covered_windows(label, vectors.starts, vectors.ends)] = True
        return Pool(table.rows, owners, recordings.astype(np.int64), is_labelled)

    def _place(self, one: Suggestion, table: VideoTable, first: NDArray[np.int64], kind: Kind) -> Suggested:
        place = int(np.searchsorted(first, one.row, side="right")) - 1
        number = int(table.numbers[place])
        start = end = None
        if kind == "moments":
            vectors, window = self._vectors_of(number), one.row - int(first[place])
            start, end = float(vectors.starts[window]), float(vectors.ends[window])
        return Suggested(number, start, end, one.why, one.classes, one.probability)
