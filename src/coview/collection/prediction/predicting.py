"""Videos -> predictions, one after the other: from the vectors of an index where it has them, else from the files."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coview.collection.about import ABOUT
from coview.collection.embedding_videos import make_views
from coview.collection.file_identity import shown_path
from coview.collection.heads.timeline import Segment, TimelineSettings, find_segments, smooth, window_cells
from coview.collection.index import Index
from coview.collection.opening import open_index
from coview.collection.prediction.classifier import Classifier, HeadClassifier, WindowChances
from coview.collection.sources import Source, list_videos
from coview.datasets.prepared import PreparedDataset
from coview.datatypes import VideoEntry
from coview.errors import UserError
from coview.video.header import FALLBACK_FPS

_PREPARED_AT_ONCE = 16


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a classifier says of one video.

    Attributes:
        id: the video's.
        path: its file.
        classes: C names.
        labels: the classes of the video as a whole; empty for none of them.
        probabilities: (C,) of the video as a whole: the mean over its windows; where several classes may be seen, the
            largest of the smoothed ones.
        segments: stretches that show a class, by start.
        starts: (W,) seconds.
        ends: (W,) seconds.
        windows: (W, C) probabilities of windows.
        reason: why there is no prediction; "" where there is.
    """

    id: str
    path: str
    classes: tuple[str, ...]
    labels: tuple[str, ...]
    probabilities: NDArray[np.float64]
    segments: tuple[Segment, ...]
    starts: NDArray[np.float64]
    ends: NDArray[np.float64]
    windows: NDArray[np.float32]
    reason: str = ""


@dataclass(frozen=True)
class Work:
    """Videos to predict.

    Attributes:
        entries: them.
        data: the prepared data set that holds their views, None where views are to be made.
        index: an index that holds their vectors, None where they are to be made.
    """

    entries: tuple[VideoEntry, ...]
    data: PreparedDataset | None = None
    index: Index | None = None


def list_work(source: "Source | Index", classifier: Classifier) -> Work:
    """Find the videos of a source: what `Index.add` takes, an index, or its folder.

    Raises:
        UserError: no video there.
    """
    is_folder = isinstance(source, str | Path) and (Path(source) / ABOUT).is_file()
    if isinstance(source, Index) or is_folder:
        index = source if isinstance(source, Index) else open_index(Path(str(source)))
        rows = index.store.rows(status="ready")
        if not rows:
            raise UserError(f"{index.path} holds no video")
        entries = tuple(
            VideoEntry(id=row.facts.id, path=shown_path(row.facts.path, index.path), fps=row.facts.fps) for row in rows
        )
        fits = isinstance(classifier, HeadClassifier) and index.run_identity == classifier.head.run["identity"]
        return Work(entries, index=index if fits else None)
    listed = list_videos(source)
    return Work(listed.entries, data=listed.data)


def predict_videos(
    classifier: Classifier,
    work: Work,
    *,
    settings: TimelineSettings,
    device: str = "auto",
    workers: int | None = None,
    on_frames: Callable[[int], None] = lambda count: None,
) -> Iterator[Prediction]:
    """Yield the prediction of each video as soon as it is known; memory holds a few videos at a time.

    Args:
        classifier: see `open_classifier`.
        work: see `list_work`.
        settings: of the timeline.
        device: where to compute.
        workers: processes that make views; None: one a core; 0: this process.
        on_frames: called with the number of frames made since the last call.

    Raises:
        UserError: the disk is full, or a view cannot be made here. A bad video is a prediction with a reason.
    """
    for one in _window_chances(classifier, work, device=device, workers=workers, on_frames=on_frames):
        yield _prediction(classifier, one, settings)


def _window_chances(
    classifier: Classifier, work: Work, *, device: str, workers: int | None, on_frames: Callable[[int], None]
) -> Iterator[WindowChances]:
    if work.index is not None and isinstance(classifier, HeadClassifier):
        yield from _from_vectors(classifier, work.index, work.entries)
    elif work.data is not None:
        for at in range(0, len(work.entries), _PREPARED_AT_ONCE):
            some = [_with_rate(entry) for entry in work.entries[at : at + _PREPARED_AT_ONCE]]
            yield from classifier.classify(work.data, some, device=device)
    else:
        made = make_views(classifier.run, work.entries, workers=workers, on_frames=on_frames)
        with contextlib.closing(made):
            for batch in made:
                ready = [_with_rate(row) for row in batch.data.ready]
                found = classifier.classify(batch.data, ready, device=device) if ready else []
                for one in found:
                    yield replace(one, entry=batch.names[one.entry.id])
                for row in batch.data.entries:
                    if row.status != "ready":
                        yield WindowChances.failed(batch.names[row.id], row.reason)


def _from_vectors(classifier: HeadClassifier, index: Index, entries: Sequence[VideoEntry]) -> Iterator[WindowChances]:
    numbers = {row.facts.id: row.number for row in index.store.rows(status="ready")}
    for entry in entries:
        vectors = index.store.get(numbers[entry.id])
        chances = classifier.head.probabilities(vectors.windows)
        yield WindowChances(entry, chances, vectors.starts, vectors.ends)


def _with_rate(entry: VideoEntry) -> VideoEntry:
    return entry if entry.fps else replace(entry, fps=FALLBACK_FPS)


def _prediction(classifier: Classifier, one: WindowChances, settings: TimelineSettings) -> Prediction:
    about = one.entry.id, one.entry.path, classifier.classes
    windows = one.starts, one.ends, one.probabilities
    if not len(one.starts):
        empty = np.full(len(classifier.classes), np.nan)
        return Prediction(*about, (), empty, (), *windows, one.reason or "no_windows: it is too short")
    if classifier.is_exclusive:
        total = one.probabilities.mean(axis=0, dtype=np.float64)
        best = int(total.argmax())
        is_none = classifier.has_none and 1 - total.sum() > total[best]
        labels: tuple[str, ...] = () if is_none else (classifier.classes[best],)
    else:
        cells = window_cells(one.starts, one.ends)
        total = smooth(one.probabilities, cells, seconds=settings.smooth_seconds).max(axis=0)
        labels = tuple(
            name
            for name, chance, least in zip(classifier.classes, total, classifier.thresholds, strict=True)
            if chance >= least
        )
    segments = find_segments(
        one.probabilities,
        one.starts,
        one.ends,
        classes=classifier.classes,
        thresholds=classifier.thresholds,
        is_exclusive=classifier.is_exclusive,
        settings=settings,
    )
    return Prediction(*about, labels, total, tuple(segments), *windows)
