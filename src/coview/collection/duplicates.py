"""Pairs of videos that show one event: encoded again, cropped, mirrored, shortened, sped up, or part of each other.

Which pairs are worth a look is asked of the vectors of the index and of small pictures, each video's nearest few by
either; a pair counts once its pictures have been laid on each other and agree in how they change.
"""

import logging
import math
import os
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from coview.collection.alignment import Agreement, confirm, propose, target_chunks
from coview.collection.curation import Selection, check_counts
from coview.collection.findings import Findings, span
from coview.collection.pictures import COARSE_RATE, Pictures, describe_pictures, read_pictures
from coview.collection.store import Floats, VideoRow
from coview.datatypes import ProgressSink
from coview.errors import UserError
from coview.remote import is_remote, local_copy
from coview.wording import counted

log = logging.getLogger(__name__)

_ROWS_AT_ONCE = 1024
_VIDEOS_AT_ONCE = 128
_MOST_WINDOWS = 200_000
_KEPT_BYTES = 2**29
"""Of pictures in memory: about an hour of video."""
_EVEN_CORRELATION, _CORRELATION_SPREAD = 0.84, 0.02
"""Correlation at which a pair is as likely a duplicate as not, and how fast that changes: look-alikes of ten classes
of real clips reach 0.82, but for one pair of jumps in time (0.90); of 210 altered copies four are below."""
_BEYOND_DOUBT = 0.92
_LONG_SECONDS, _LARGE_SHARE = 2.0, 0.6
"""Videos that agree for this long, or for this share of the shorter one, are taken for what they look like."""


@dataclass(frozen=True)
class DuplicatePair:
    """Two videos that show one event.

    Attributes:
        rank: 1 for the surest.
        confidence: 0 to 1; 1 for files that hold the same bytes.
        id: of the first video.
        path: of its file.
        start_seconds: where the event begins in it.
        end_seconds: where it ends.
        other_id: of the second video.
        other_path: of its file.
        other_start_seconds: where the event begins in that.
        other_end_seconds: where it ends.
        speed: how many times as fast the second shows it.
        is_mirrored: whether the second is a mirror image.
    """

    rank: int
    confidence: float
    id: str
    path: str
    start_seconds: float
    end_seconds: float
    other_id: str
    other_path: str
    other_start_seconds: float
    other_end_seconds: float
    speed: float
    is_mirrored: bool


class Duplicates(Findings[DuplicatePair]):
    """Pairs that show one event, the surest first."""

    def cells(self, one: DuplicatePair) -> dict[str, str]:
        """Return what is shown of a pair."""
        changed = ["mirrored"] if one.is_mirrored else []
        changed += [f"{one.speed:.2f} x as fast"] if abs(one.speed - 1) > 0.01 else []
        return {
            "": f"{one.rank}.",
            "confidence": f"{one.confidence:.2f}",
            "video": one.id,
            "when": span(one.start_seconds, one.end_seconds),
            "other": one.other_id,
            "other when": span(one.other_start_seconds, one.other_end_seconds),
            "how": ", ".join(changed),
        }


def nearest_videos(rows: Floats, counts: NDArray[np.int64], most: int) -> list[tuple[int, int]]:
    """Return pairs of videos of which one is among the other's nearest.

    How near a video is to another: the mean, over its own rows, of the best cosine to any row of the other.

    Args:
        rows: (n, D) unit rows, those of a video one after the other.
        counts: (V,) how many rows a video has, at least one.
        most: how many nearest of each video.
    """
    firsts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    found: set[tuple[int, int]] = set()
    if len(counts) < 2:
        return []
    for low in range(0, len(counts), _VIDEOS_AT_ONCE):
        high = min(low + _VIDEOS_AT_ONCE, len(counts))
        first, stop = int(firsts[low]), int(firsts[high - 1] + counts[high - 1])
        best = np.concatenate(
            [
                np.maximum.reduceat(rows[at : min(at + _ROWS_AT_ONCE, stop)] @ rows.T, firsts, axis=1)
                for at in range(first, stop, _ROWS_AT_ONCE)
            ]
        )  # (rows of these videos, V)
        means = np.add.reduceat(best, firsts[low:high] - first, axis=0) / counts[low:high, None]
        means[np.arange(high - low), np.arange(low, high)] = -np.inf
        count = min(most, len(counts) - 1)
        for video, others in zip(range(low, high), np.argpartition(-means, max(count - 1, 0), axis=1), strict=True):
            found |= {(min(video, int(other)), max(video, int(other))) for other in others[:count]}
    return sorted(found)


def near_in_vectors(among: Selection, most: int) -> list[tuple[int, int]]:
    """Return pairs of videos whose windows are near, as seen from the middle of all; of very many, whole videos."""
    rows, counts = among.rows, among.counts
    if len(rows) > _MOST_WINDOWS:
        rows = np.add.reduceat(rows, np.cumsum(counts) - counts, axis=0) / counts[:, None]  # (V, D)
        counts = np.ones_like(counts)
    if not len(rows):
        return []
    centred = rows - rows.mean(axis=0)
    centred /= np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-6)
    return nearest_videos(centred, counts, most)


def _pictures_of(path: str) -> Pictures:
    with local_copy(path) as local:
        return read_pictures(local)


class _PictureShelf:
    """Keeps the pictures of the videos that were asked for last."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = paths
        self._kept: OrderedDict[int, Pictures] = OrderedDict()

    def take(self, place: int) -> Pictures:
        pictures = self._kept.pop(place, None) or _pictures_of(self._paths[place])
        self.put(place, pictures)
        return pictures

    def put(self, place: int, pictures: Pictures) -> None:
        self._kept[place] = pictures
        while sum(one.nbytes for one in self._kept.values()) > _KEPT_BYTES and len(self._kept) > 2:
            self._kept.popitem(last=False)


class _Comparison:
    """What is known of each video for comparing it: coarse pictures of all, fine ones of those asked for last."""

    def __init__(self, videos: Sequence[VideoRow], paths: Sequence[str]) -> None:
        self.videos, self.paths = videos, paths
        self.coarse: dict[int, Floats] = {}
        self.unreadable: dict[int, str] = {}
        self._shelf = _PictureShelf(paths)

    def read(self, places: Sequence[int], threads: int, progress: ProgressSink | None) -> None:
        """Read videos, by their places, once."""
        others = len(self.videos) - len(places)

        def look(place: int) -> tuple[int, Pictures | None, Floats | None, str]:
            try:
                pictures = _pictures_of(self.paths[place])
            except (UserError, OSError) as error:
                return place, None, None, str(error)
            return place, pictures, pictures.coarse(), ""

        with ThreadPoolExecutor(threads) as pool:
            for done, (place, pictures, coarse, why) in enumerate(pool.map(look, places), 1 + others):
                if pictures is None or coarse is None:
                    self.unreadable[place] = why
                else:
                    self.coarse[place] = coarse.astype(np.float16)
                    self._shelf.put(place, pictures)
                if progress is not None:
                    progress(done, 2 * len(self.videos), {"unreadable": len(self.unreadable)})

    def compare(self, video: int, others: Iterable[int]) -> list[tuple[int, int, Agreement]]:
        """Return (the one looked for, the one it was found in, how they agree) of a video with others."""
        found = []
        for other in others:
            one, target = sorted((video, other), key=lambda place: len(self.coarse[place]))
            chunks = target_chunks(self.coarse[target].astype(np.float32))
            agreed = []
            for alignment in propose(self.coarse[one].astype(np.float32), chunks):
                agreed.append(confirm(self._shelf.take(one), self._shelf.take(target), alignment))
                if agreed[-1] is not None and agreed[-1].correlation > _BEYOND_DOUBT:
                    break
            best = max((one for one in agreed if one is not None), key=lambda one: one.correlation, default=None)
            if best is not None:
                found.append((one, target, best))
        return found

    def pair(self, one: int, target: int, agreed: Agreement) -> DuplicatePair:
        """Put what agrees in words, the video that came first in the index first."""
        speed, shift = agreed.alignment.speed, agreed.alignment.shift
        start, end = agreed.start_seconds, agreed.end_seconds
        length = (len(self.coarse[target]) - 1) / COARSE_RATE
        there = min(max(speed * start + shift, 0.0), length), min(max(speed * end + shift, 0.0), length)
        share = (end - start) / max((len(self.coarse[one]) - 1) / COARSE_RATE, 0.1)
        sides = {one: (start, end), target: there}
        first, second = sorted((one, target))
        return DuplicatePair(
            rank=0,
            confidence=_confidence(agreed.correlation, end - start, share),
            id=self.videos[first].facts.id,
            path=self.paths[first],
            start_seconds=sides[first][0],
            end_seconds=sides[first][1],
            other_id=self.videos[second].facts.id,
            other_path=self.paths[second],
            other_start_seconds=sides[second][0],
            other_end_seconds=sides[second][1],
            speed=speed if first == target else 1 / speed,
            is_mirrored=agreed.alignment.is_mirrored,
        )


def _confidence(correlation: float, seconds: float, share: float) -> float:
    """Return 0 to 1: how sure it is, from how well two videos agree and for how long."""
    sure = 1 / (1 + math.exp(-(correlation - _EVEN_CORRELATION) / _CORRELATION_SPREAD))
    return sure * min(1.0, max(seconds / _LONG_SECONDS, share / _LARGE_SHARE))


def list_duplicates(
    among: Selection,
    *,
    min_confidence: float,
    candidates: int,
    fetch: bool,
    threads: int | None,
    progress: ProgressSink | None,
) -> Duplicates:
    """Name the pairs that show one event; see `Index.duplicates`."""
    check_counts(candidates=candidates)
    if not 0 <= min_confidence <= 1:
        raise UserError(f"min_confidence is {min_confidence}; expected 0 to 1")
    if threads is not None and threads < 1:
        raise UserError(f"threads is {threads}; expected 1 or more")
    found = find_duplicates(
        among,
        near_in_vectors(among, candidates),
        most=candidates,
        min_confidence=min_confidence,
        fetch=fetch,
        threads=threads or min(4, os.cpu_count() or 1),
        progress=progress,
    )
    return Duplicates(found, title=f"pairs among {counted(len(among.videos), 'video')}")


def find_duplicates(
    among: Selection,
    candidates: Iterable[tuple[int, int]],
    *,
    most: int,
    min_confidence: float,
    fetch: bool,
    threads: int,
    progress: ProgressSink | None,
) -> list[DuplicatePair]:
    """Compare videos whose vectors, or whose pictures, are among each other's nearest.

    Args:
        among: the videos to compare.
        candidates: pairs of places among them whose vectors are near.
        most: how many nearest of each by its pictures.
        min_confidence: less sure pairs are left out.
        fetch: read videos that lie elsewhere, too.
        threads: that decode.
        progress: told (work done, all of it, {"unreadable": videos so far}).

    Returns:
        Pairs, the surest first; videos whose files are not or cannot be read are only known by the hash of their files.
    """
    videos, paths = among.videos, among.paths
    same = defaultdict(list)
    for place, row in enumerate(videos):
        same[row.facts.size, row.facts.content or row.number].append(place)
    copies = {pair for places in same.values() for pair in combinations(places, 2)}
    comparison = _Comparison(videos, paths)
    to_read = [place for place, path in enumerate(paths) if fetch or not is_remote(path)]
    if len(to_read) < len(paths):
        log.warning(
            "compared by the hash of the file alone, since they lie elsewhere: %s; to fetch and compare them: "
            "coview duplicates INDEX --fetch, or fetch=True",
            counted(len(paths) - len(to_read), "video"),
        )
    comparison.read(to_read, threads, progress)
    for place, why in comparison.unreadable.items():
        log.warning("not compared with others: %s: %s", paths[place], why)
    readable = sorted(comparison.coarse)
    described = [describe_pictures(comparison.coarse[place].astype(np.float32)) for place in readable]
    by_pictures: list[tuple[int, int]] = []
    if described:
        counts = np.array([len(rows) for rows in described])
        near = nearest_videos(np.concatenate(described), counts, most)
        by_pictures = [(readable[one], readable[other]) for one, other in near]
    others: dict[int, set[int]] = defaultdict(set)
    for one, other in {*candidates, *by_pictures} - copies:
        if one in comparison.coarse and other in comparison.coarse:
            others[one].add(other)
    found = [_exact_pair(videos, paths, *pair) for pair in sorted(copies)]
    for place in range(len(videos)):
        found += [comparison.pair(*agreed) for agreed in comparison.compare(place, sorted(others[place]))]
        if progress is not None:
            progress(len(videos) + place + 1, 2 * len(videos), {"unreadable": len(comparison.unreadable)})
    kept = sorted((pair for pair in found if pair.confidence >= min_confidence), key=lambda pair: -pair.confidence)
    return [replace(pair, rank=rank) for rank, pair in enumerate(kept, 1)]


def _exact_pair(videos: Sequence[VideoRow], paths: Sequence[str], one: int, other: int) -> DuplicatePair:
    first, second = videos[one].facts, videos[other].facts
    here, there = (0.0, first.duration_seconds or 0.0), (0.0, second.duration_seconds or 0.0)
    return DuplicatePair(0, 1.0, first.id, paths[one], *here, second.id, paths[other], *there, 1.0, False)
