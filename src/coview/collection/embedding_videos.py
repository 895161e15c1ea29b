"""Video files -> vectors of their windows: views are made aside, embedded, and not kept."""

import contextlib
import hashlib
import itertools
import json
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from coview.clips.sampling import window_indices
from coview.collection.store import Floats, VideoVectors, mean_vector
from coview.config import as_plain
from coview.datasets.prepared import PreparedDataset
from coview.datatypes import VideoEntry
from coview.embedding.cache import way_of
from coview.embedding.extract import embed_entries
from coview.embedding.run import Run
from coview.errors import UserError
from coview.files import atomic_path
from coview.locks import temporary_folder
from coview.preparation.outcomes import VideoOutcome
from coview.preparation.pool import run_pool
from coview.preparation.record import fold_outcome
from coview.preparation.settings import PrepareSettings, build_views
from coview.preparation.video import VideoTask, prepare_video
from coview.training.checkpoint import hash_weights
from coview.training.distributed import choose_device
from coview.video.decode import decode_frames, stored_fps
from coview.video.header import FALLBACK_FPS
from coview.video.probe import probe
from coview.video.raw_frames import RAW_SUFFIX
from coview.video.stored import write_rgb
from coview.views.base import SourceVideo, read_storage

_FEW_FILES = 2
"""Up to this many files are prepared in this process: starting workers would take longer than the work."""
_BATCH_VIDEOS, _BATCH_FRAMES, _BATCH_SECONDS = 16, 8192, 5.0
"""Videos are embedded and stored together until one of these is reached: what a kill may cost."""
_GOP, _CRF = 8, 4.0
"""Of the file that a segment passes through: closer to the source than any stored view is."""


@dataclass(frozen=True)
class Embedded:
    """What came of one video: vectors, or the reason why there are none.

    Attributes:
        entry: with frames, rate and length of what was embedded; its reason may be a remark.
        vectors: None where it failed.
        reason: "kind: cause" where it failed.
    """

    entry: VideoEntry
    vectors: VideoVectors | None
    reason: str = ""


def run_identity(run: Run) -> str:
    """Return a hash of all that vectors of a run depend on: its weights and how clips, views and features are made."""
    config, data = as_plain(run.config), run.resolved["data"]
    for given in config["views"].values():  # as before there was such a setting: older indexes and heads stay right
        if given.get("encoder") is None:
            given.pop("encoder", None)
    parts = {
        "features": way_of(run),
        "weights": hash_weights(run.checkpoint),
        "config": {name: config[name] for name in ("views", "method", "encoder", "clip")},
        "channels": as_plain(run.resolved["channels"]),
        "data": as_plain({"views": {view: data["views"][view] for view in run.views}, "storage": data["storage"]}),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def embed_prepared(run: Run, data: PreparedDataset, entries: Sequence[VideoEntry], *, device: str) -> list[Embedded]:
    """Embed every half-overlapping window of ready videos of a prepared data set.

    Raises:
        UserError: the data set lacks a view of the run.
    """
    data.require_views(run.views)
    entries = [entry if entry.fps else replace(entry, fps=FALLBACK_FPS) for entry in entries]
    if not entries:
        return []
    evaluation = replace(run.config.evaluation, max_windows=None)
    training = replace(run.config.training, workers=0)  # a few videos at a time: processes would start for each few
    try:
        found = embed_entries(
            run.encoders,
            data,
            entries,
            config=replace(run.config, evaluation=evaluation, training=training),
            pool=run.method.pool,
            device=choose_device(device),
            dtypes=run.embedding_dtypes(device),
            per_window=True,
        )
    except UserError as error:  # a stored view that cannot be read: find out whose
        if len(entries) > 1:
            return [one for entry in entries for one in embed_prepared(run, data, [entry], device=device)]
        return [Embedded(entries[0], None, f"unreadable: {error}")]
    starts, ends = found.start_seconds, found.end_seconds
    assert starts is not None
    assert ends is not None
    ids = np.array(found.ids, dtype=object)
    made = []
    for entry in entries:
        own = ids == entry.id
        windows = {view: found[view][own] for view in run.views}  # (W, D)
        broken = next((view for view, rows in windows.items() if not np.isfinite(rows).all()), None)
        if broken is not None:
            made.append(Embedded(entry, None, f"not_finite: the encoder of {broken} gave values that are no numbers"))
            continue
        whole = {view: mean_vector(rows) for view, rows in windows.items()}
        made.append(Embedded(entry, VideoVectors(windows, starts[own], ends[own], whole), entry.reason))
    return made


@dataclass(frozen=True)
class MadeViews:
    """Some videos whose views were made, in a temporary folder, until the next ones are asked for.

    Attributes:
        data: the views; a video is called by a number there.
        names: number -> the video, as it was given.
    """

    data: PreparedDataset
    names: Mapping[str, VideoEntry]


def make_views(
    run: Run, entries: Sequence[VideoEntry], *, workers: int | None = None, on_frames: Callable[[int], None]
) -> Generator[MadeViews, None, None]:
    """Make the views of video files as those of the run's own data were made, and forget them.

    The views of one batch, and of one video a worker, lie in a temporary folder at a time.

    Args:
        run: the run.
        entries: videos whose `path` is there.
        workers: processes that make views; None: one a core.
        on_frames: called with the number of frames made since the last call.

    Yields:
        Some videos, as soon as they are made.

    Raises:
        UserError: the disk is full, a view cannot be made here, or workers cannot be started.
    """
    settings = view_settings(run, workers=workers)
    options, storage = settings.options, settings.storage
    views = build_views(settings, stored={})
    for view in views.values():
        view.check()
    # Ids may be long or strange; in the temporary folder a number will do.
    names = {f"video-{number:09d}": entry for number, entry in enumerate(entries)}
    made_with = {name: view.options for name, view in views.items()}
    used = partial(window_indices, clip=run.config.clip)
    with temporary_folder() as out:
        tasks = [
            VideoTask(
                replace(entry, id=name), out, made_with, tuple(views), None, storage, settings.timeout_seconds, used
            )
            for name, entry in names.items()
        ]
        outcomes = _prepare(tasks, workers=settings.num_workers, on_frames=on_frames)
        with contextlib.closing(outcomes):  # ends the workers
            for batch in _batches(outcomes):
                rows = [fold_outcome(replace(names[one.id], id=one.id), one, views=run.views) for one in batch]
                data = PreparedDataset(out, tuple(rows), options, {"storage": run.resolved["data"]["storage"]})
                yield MadeViews(data, names)
                for row in rows:
                    for name, view in views.items():
                        for suffix in (view.suffix, RAW_SUFFIX):
                            data.view_path(name, row.id, suffix).unlink(missing_ok=True)


def view_settings(run: Run, *, workers: int | None = None) -> PrepareSettings:
    """Return how the views of a run's own data were made."""
    made_like = run.resolved["data"]
    options = {view: made_like["views"][view] for view in run.views}
    storage = read_storage(made_like["storage"])
    return PrepareSettings(views=run.views, options=options, storage=storage, workers=workers)


def embed_files(
    run: Run,
    entries: Sequence[VideoEntry],
    *,
    device: str,
    workers: int | None = None,
    on_frames: Callable[[int], None],
) -> Generator[list[Embedded], None, None]:
    """Make the views of video files, embed them, forget them; see `make_views`.

    Yields:
        What came of some videos, as soon as it is known.

    Raises:
        UserError: the disk is full, a view cannot be made here, or workers cannot be started.
    """
    made = make_views(run, entries, workers=workers, on_frames=on_frames)
    with contextlib.closing(made):
        for batch in made:
            embedded = embed_prepared(run, batch.data, batch.data.ready, device=device)
            embedded += [Embedded(row, None, row.reason) for row in batch.data.entries if row.status != "ready"]
            yield [replace(one, entry=replace(one.entry, id=batch.names[one.entry.id].id)) for one in embedded]


def _prepare(
    tasks: Sequence[VideoTask], *, workers: int, on_frames: Callable[[int], None]
) -> Generator[VideoOutcome, None, None]:
    if workers and len(tasks) > _FEW_FILES:
        yield from run_pool(tasks, workers=workers, on_frames=on_frames)
    else:
        for task in tasks:
            yield prepare_video(task, on_frame=lambda: on_frames(1))


def _batches(outcomes: Iterable[VideoOutcome]) -> Iterator[list[VideoOutcome]]:
    """Gather a few at a time: fewer of long ones, and of slow ones, since what is gathered is lost with the process."""
    batch: list[VideoOutcome] = []
    begun = time.monotonic()
    for outcome in outcomes:
        batch.append(outcome)
        is_full = len(batch) >= _BATCH_VIDEOS or sum(one.num_frames or 0 for one in batch) >= _BATCH_FRAMES
        if is_full or time.monotonic() - begun >= _BATCH_SECONDS:
            yield batch
            batch, begun = [], time.monotonic()
    if batch:
        yield batch


def embed_query(
    run: Run, path: Path, *, start_seconds: float | None, end_seconds: float | None, device: str
) -> dict[str, Floats]:
    """Embed a video file, or some seconds of it: view name -> (D,) unit vector, the mean over its windows.

    Raises:
        UserError: the file cannot be read, or has nothing in those seconds.
    """
    with temporary_folder() as folder:
        if start_seconds is not None or end_seconds is not None:
            cut = folder / f"segment-{folder.name}.mp4"  # of which the user's files know nothing
            cut_segment(run, path, cut, start_seconds or 0.0, end_seconds)
            path = cut
        entry = VideoEntry(id="query", path=str(path))
        ((found,),) = embed_files(run, [entry], device=device, on_frames=lambda count: None)
    if found.vectors is None:
        raise UserError(f"cannot search for {path}: {found.reason}")
    return dict(found.vectors.whole)


def cut_segment(run: Run, path: Path, out: Path, start_seconds: float, end_seconds: float | None) -> None:
    """Write some seconds of a video into a file, and beside it what the user's files say of them for views of the run.

    One frame is in memory at a time.

    Raises:
        UserError: the video cannot be read, ends before, or a view's file does not fit it.
    """
    storage = read_storage(run.resolved["data"]["storage"])
    info = probe(path, source=storage.source)
    rate = stored_fps(info, storage.fps)
    first = round(start_seconds * rate)
    stop = None if end_seconds is None else max(round(end_seconds * rate), first + 1)
    decoded = decode_frames(path, short_side=storage.short_side, fps=storage.fps, source=storage.source)
    with atomic_path(out) as aside:
        with contextlib.closing(decoded) as frames:
            chosen = itertools.islice(frames, first, stop)
            count = write_rgb(chosen, aside, fps=rate, gop=_GOP, crf=_CRF, preset="veryfast")
        if count == 0:
            raise UserError(f"{path} ends before {start_seconds:g} s; choose an earlier start")
        stretch = SourceVideo(path.stem, path, info.width, info.height, first_frame=first)
        for view in build_views(view_settings(run), stored={}).values():
            view.cut(stretch, out, num_frames=count)
