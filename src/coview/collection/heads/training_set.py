"""Labels -> the windows that they cover, with their vectors, classes and recordings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from coview.collection.labels.label import Label
from coview.collection.store import Floats, Store, VideoRow, VideoVectors
from coview.errors import UserError

MOST_WINDOWS = 3000
"""Windows that are learnt from; of more, some of each label, evenly spaced: neighbours say the same."""
_LEAST_A_LABEL = 2


@dataclass(frozen=True)
class TrainingSet:
    """What a head is fitted to.

    Attributes:
        features: (n, D) float32.
        targets: (n, C) which classes each window shows; a row without any shows none of them.
        groups: n recordings.
        ids: n ids of videos.
        spans: (n, 2) start and end in seconds.
        classes: C names, in the order in which they were named.
        num_labels: how many labels there are.
        num_videos: of how many videos.
        left_out: labels that cover no window, in words, such as those of videos that are gone.
    """

    features: Floats
    targets: NDArray[np.bool_]
    groups: NDArray[np.str_]
    ids: tuple[str, ...]
    spans: NDArray[np.float64]
    classes: tuple[str, ...]
    num_labels: int
    num_videos: int
    left_out: tuple[str, ...] = ()

    @property
    def has_several(self) -> bool:
        """Whether a window shows several classes at once."""
        return bool((self.targets.sum(axis=1) > 1).any())

    @property
    def has_none(self) -> bool:
        """Whether a window shows none of the classes."""
        return bool((~self.targets.any(axis=1)).any())


def join_views(windows: Mapping[str, Floats], views: Sequence[str], *, combine: str) -> Floats:
    """Return features (n, D): the views' unit rows one after the other, or their mean.

    Raises:
        UserError: the mean of views of different sizes.
    """
    rows = [np.asarray(windows[view], dtype=np.float32) for view in views]
    if combine == "concat" or len(rows) == 1:
        return np.concatenate(rows, axis=1) / np.float32(np.sqrt(len(rows)))
    if len({part.shape[1] for part in rows}) > 1:
        sizes = ", ".join(f"{view}: {part.shape[1]}" for view, part in zip(views, rows, strict=True))
        raise UserError(f"views of different sizes have no mean ({sizes}); combine them with concat")
    return np.asarray(np.mean(rows, axis=0), dtype=np.float32)


def covered_windows(label: Label, starts: NDArray[np.float64], ends: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the windows that a label is about: those with their middle in it, else the one nearest to its own middle.

    Args:
        label: of the video.
        starts: (W,) seconds.
        ends: (W,) seconds.
    """
    if label.is_whole:
        return np.arange(len(starts))
    start, end = label.span
    middles = (starts + ends) / 2
    inside = np.flatnonzero((middles >= start) & (middles <= end))
    return inside if len(inside) else np.array([int(np.abs(middles - (start + end) / 2).argmin())])


def gather_training_set(
    labels: Sequence[Label],
    store: Store,
    *,
    views: Sequence[str],
    combine: str,
    classes: Sequence[str],
    vectors_of: Mapping[int, VideoVectors] | None = None,
) -> TrainingSet:
    """Find the windows of labels.

    A window that several labels cover shows all that they say.

    Args:
        labels: of the index.
        store: of the index.
        views: whose vectors are joined.
        combine: "concat" or "mean".
        classes: names in order; those without a label are left out.
        vectors_of: number of a video -> its vectors, where they are known already.

    Raises:
        UserError: no label covers a window, there is one class only, or a window shows a class and none of them.
    """
    named = {name for label in labels for name in label.classes}
    kept = tuple(name for name in classes if name in named)
    by_video: dict[int, list[Label]] = {}
    left_out = [f"{label.path} is not in the index" for label in labels if label.video is None]
    for label in labels:
        if label.video is not None:
            by_video.setdefault(label.video, []).append(label)
    rows = store.videos(by_video)
    at_most = max(_LEAST_A_LABEL, MOST_WINDOWS // max(1, len(labels)))
    features, targets, groups, ids, spans = [], [], [], [], []
    for number, own in by_video.items():
        row = rows[number]
        if row.facts.status != "ready":
            left_out.append(f"{row.facts.id} has no vectors: {row.facts.reason or row.facts.status}")
            continue
        vectors = (vectors_of or {}).get(number) or store.get(number)
        places, shown = _shown_classes(own, vectors, kept, at_most=at_most)
        features.append(join_views({view: vectors.windows[view][places] for view in views}, views, combine=combine))
        targets.append(shown)
        groups += [_recording(row)] * len(places)
        ids += [row.facts.id] * len(places)
        spans.append(np.stack([vectors.starts[places], vectors.ends[places]], axis=1))
    _require_classes(kept, targets)
    joined = np.concatenate(features), np.concatenate(targets), np.array(groups)
    return TrainingSet(*joined, tuple(ids), np.concatenate(spans), kept, len(labels), len(by_video), tuple(left_out))


def _recording(row: VideoRow) -> str:
    """Return the name of the recording that a video was cut from; a video without a group is one of its own."""
    return f"group {row.facts.group}" if row.facts.group is not None else f"video {row.facts.id}"


def _shown_classes(
    labels: Sequence[Label], vectors: VideoVectors, classes: Sequence[str], *, at_most: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return which windows (n,) of a video are labelled, and what they show (n, C)."""
    shown = np.zeros((len(vectors.starts), len(classes)), dtype=bool)
    used = np.zeros(len(vectors.starts), dtype=bool)
    for label in labels:
        covered = covered_windows(label, vectors.starts, vectors.ends)
        for name in label.classes:
            shown[covered, classes.index(name)] = True
        used[_evenly(covered, at_most)] = True
    places = np.flatnonzero(used)
    return places, shown[places]


def _evenly(places: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    if len(places) <= count:
        return places
    bounds = np.linspace(0, len(places), count + 1)
    return places[[int((low + high) / 2) for low, high in pairwise(bounds.tolist())]]


def _require_classes(classes: Sequence[str], targets: Sequence[NDArray[np.bool_]]) -> None:
    if not classes or not targets:
        raise UserError(
            "there are no labels to learn from; label some moments in the page of coview serve, or with: coview labels "
            "import INDEX FILE"
        )
    if len(classes) == 1 and not any((~rows.any(axis=1)).any() for rows in targets):
        raise UserError(
            f"all labels are of one class, {classes[0]!r}: there is nothing to tell apart. Label another class, or "
            'moments that are "none of them"'
        )
