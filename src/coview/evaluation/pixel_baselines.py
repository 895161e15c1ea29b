"""What pixels alone give: three vectors a video from the stored rgb view, no network. Scores must beat these."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from coview.clips.frame_memory import FrameMemory
from coview.datasets.prepared import PreparedDataset
from coview.datatypes import Frame, ProgressSink, VideoEntry
from coview.embedding.cache import FOLDER, data_identity, remembered_of
from coview.embedding.embeddings import Embeddings
from coview.embedding.run import Run
from coview.views.opened import open_views

_WIDTH, _HEIGHT, _BINS = 32, 24, 8
_CHUNK = 64

PIXEL_BASELINES = {
    "mean frame": f"the mean of all frames at {_WIDTH} x {_HEIGHT} rgb, minus its mean; cosine",
    "frame difference": f"the mean absolute difference of neighbouring frames at {_WIDTH} x {_HEIGHT} grey; cosine",
    "colour histogram": f"square roots of the shares of {_BINS} x {_BINS} x {_BINS} rgb bins over all frames; cosine "
    "(the Bhattacharyya coefficient)",
}
"""Name -> what vector and what similarity."""


def _pixel_vectors(frames: Iterator[Frame]) -> dict[str, NDArray[np.float32]]:
    """Compute the three baseline vectors of one video.

    Args:
        frames: (H, W, 3) uint8, all frames in order, at least one.

    Returns:
        Baseline name -> (D,) float32 of length 1 (zero for the difference of a video that stands still).
    """
    total = np.zeros((_HEIGHT, _WIDTH, 3))
    difference = np.zeros((_HEIGHT, _WIDTH))
    histogram = np.zeros(_BINS**3)
    before: NDArray[np.float32] | None = None
    for frame in frames:
        small = cv2.resize(frame, (_WIDTH, _HEIGHT), interpolation=cv2.INTER_AREA)
        total += small
        grey = small.astype(np.float32).mean(axis=2)
        if before is not None:
            difference += np.abs(grey - before)
        before = grey
        bins = cv2.calcHist([np.ascontiguousarray(frame)], [0, 1, 2], None, [_BINS] * 3, [0, 256] * 3)
        histogram += bins.ravel()
    vectors = {
        "mean frame": (total - total.mean()).ravel(),
        "frame difference": difference.ravel(),
        "colour histogram": np.sqrt(histogram),
    }
    return {
        name: (vector / max(float(np.linalg.norm(vector)), 1e-12)).astype(np.float32)
        for name, vector in vectors.items()
    }


def _embed_pixels(
    data: PreparedDataset,
    entries: Sequence[VideoEntry],
    *,
    workers: int,
    frame_memory: FrameMemory | None = None,
    progress: ProgressSink | None = None,
) -> Embeddings:
    """Compute the baseline vectors of many videos, several at a time; memory holds a few frames of each.

    Args:
        data: where the stored views are, rgb among them.
        entries: ready videos.
        workers: threads; decoding runs outside Python's lock.
        frame_memory: through which frames are read; None: from the stored files.
        progress: told after every video.

    Raises:
        VideoError: a stored file is damaged.
    """
    rgb = open_views(data.view_options, ("rgb",))["rgb"]

    def vectors(entry: VideoEntry) -> dict[str, NDArray[np.float32]]:
        num_frames, key = entry.num_frames or 0, (rgb.name, entry.id)
        with ExitStack() as opened:
            place = cache(lambda: opened.enter_context(data.stored_file(rgb.name, entry, rgb.suffix)))

            def read(wanted: NDArray[np.int64]) -> NDArray[np.uint8]:
                return rgb.read(place(), wanted)

            def read_kept(wanted: NDArray[np.int64]) -> NDArray[np.uint8]:
                assert frame_memory is not None
                return frame_memory.read(key, wanted, num_frames=num_frames, read=read)

            return _pixel_vectors(_frames(read if frame_memory is None else read_kept, num_frames=num_frames))

    rows = []
    with ThreadPoolExecutor(max(1, workers)) as threads:
        for done, found in enumerate(threads.map(vectors, entries), start=1):
            rows.append(found)
            if progress is not None:
                progress(done, len(entries), {})
    return Embeddings(
        ids=tuple(entry.id for entry in entries),
        features={name: np.stack([row[name] for row in rows]) for name in PIXEL_BASELINES},
        labels=tuple(entry.label for entry in entries),
        groups=tuple(entry.group for entry in entries),
        paths=tuple(entry.path for entry in entries),
        description={"baselines": PIXEL_BASELINES},
    )


def cached_pixels(
    run: Run,
    data: PreparedDataset,
    entries: Sequence[VideoEntry],
    *,
    workers: int,
    frame_memory: FrameMemory | None = None,
    shard: str | None = None,
    progress: ProgressSink | None,
) -> Embeddings:
    """Return the pixel baselines of some videos, computed once and kept with the run's embeddings.

    Raises:
        VideoError: a stored file is damaged.
    """
    identity = {"pixels": PIXEL_BASELINES, "data": data_identity(data, entries, ("rgb",))}

    def make(chosen: Sequence[VideoEntry]) -> Embeddings:
        return _embed_pixels(data, chosen, workers=workers, frame_memory=frame_memory, progress=progress)

    return remembered_of(run.path / FOLDER, identity, entries, make, shard=shard)


def _frames(read: Callable[[NDArray[np.int64]], NDArray[np.uint8]], *, num_frames: int) -> Iterator[Frame]:
    for start in range(0, num_frames, _CHUNK):
        yield from read(np.arange(start, min(start + _CHUNK, num_frames)))
