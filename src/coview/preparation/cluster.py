"""The same work on the workers of a dask cluster, and how a cluster is reached."""

import hashlib
import logging
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

from coview.datasets.prepared import WORK_FOLDER
from coview.errors import MissingExtraError, UserError
from coview.files import atomic_path, disk_errors, remove_parts
from coview.preparation.outcomes import VideoOutcome, from_line, to_line
from coview.preparation.pool import plugins_of, run_pool
from coview.preparation.video import VideoTask, failed, paths_to_make
from coview.registry import load_plugins

log = logging.getLogger(__name__)

_CONNECT_SECONDS = 15
_WORKER_SECONDS = 120
_LOOK_SECONDS = 5.0
_LATE_SECONDS = 60.0
_BATCH = 8
"""Most videos in one task of the cluster: they share the start of a process."""


def run_cluster(
    tasks: Sequence[VideoTask], *, address: str, on_frames: Callable[[int], None]
) -> Iterator[VideoOutcome]:
    """Prepare videos on a cluster.

    Each worker runs them in a watched process of its own. The scheduler gives the videos of a lost worker to others.
    A video with which several workers were lost is tried once more at the end; then it has failed.

    Args:
        tasks: the videos.
        address: of the scheduler, such as "tcp://10.0.0.1:8786".
        on_frames: called with the number of frames of each finished video.

    Yields:
        Outcomes, as they come.

    Raises:
        UserError: no scheduler or no worker there, a worker that does not see the data set's folder, a full disk.
        MissingExtraError: dask is not installed.
    """
    client = connect(address)
    try:
        size = max(1, min(_BATCH, len(tasks) // (4 * sum(client.nthreads().values()) or 1)))
        batches = [list(tasks[start : start + size]) for start in range(0, len(tasks), size)]
        lost = yield from _round(client, batches, on_frames)
        if lost:
            log.warning("workers were lost with %d videos, which are tried once more, one by one", len(lost))
            for task in (yield from _round(client, [[task] for task in lost], on_frames)):
                yield failed(task, "crashed", "the cluster lost every worker that tried it")
    finally:
        client.close()
        for folder in {path.parent for task in tasks for path in paths_to_make(task).values()}:
            remove_parts(folder)


def connect(address: str, *, what: str = "preparing on a cluster") -> Any:
    """Return a client of a cluster that has workers.

    Raises:
        UserError: no scheduler or no worker there.
        MissingExtraError: dask is not installed; says what needs it.
    """
    try:
        from distributed import Client
    except ImportError:
        raise MissingExtraError(what, package="distributed", extra="cluster") from None
    try:
        client = Client(address, timeout=_CONNECT_SECONDS)
    except (OSError, ValueError) as error:
        raise UserError(f"no dask scheduler answers at {address!r} ({error}); start one with: dask scheduler") from None
    try:
        client.wait_for_workers(1, timeout=_WORKER_SECONDS)
    except TimeoutError:
        client.close()
        raise UserError(f"the scheduler at {address} has no worker; start some with: dask worker {address}") from None
    return client


def _round(
    client: Any, batches: Sequence[list[VideoTask]], on_frames: Callable[[int], None]
) -> Generator[VideoOutcome, None, list[VideoTask]]:
    """Yield an outcome for each task; return the tasks that the workers lost with them did not finish."""
    from distributed import KilledWorker

    plugins = plugins_of([task for batch in batches for task in batch])
    futures = client.map(prepare_there, batches, plugins=plugins, pure=False)
    batch_of = dict(zip((future.key for future in futures), batches, strict=True))
    unfinished = []
    try:
        for future in completed(client, futures):
            if future.cancelled():
                raise lost_cluster("the scheduler")
            error = future.exception()
            if error is not None and not isinstance(error, KilledWorker):
                raise error
            for task in batch_of[future.key]:
                outcome = _collect(task, late_seconds=0.0 if error is not None else _LATE_SECONDS)
                if outcome is None:
                    unfinished.append(task)
                else:
                    on_frames((outcome.num_frames or 0) * len(task.missing))
                    yield outcome
            future.release()
        return unfinished
    finally:
        client.cancel(futures)


def completed(client: Any, futures: Sequence[Any]) -> Iterator[Any]:
    """Yield futures as they complete; a cluster that is gone must not be waited for in silence for ever."""
    from distributed import as_completed

    coming = as_completed(futures)
    looked_at = worked_at = time.monotonic()
    while not coming.is_empty():
        if coming.has_ready():
            yield next(coming)
            continue
        time.sleep(0.05)
        now = time.monotonic()
        if now - looked_at < _LOOK_SECONDS:
            continue
        looked_at = now
        try:
            has_workers = bool(client.nthreads())
        except OSError:
            raise lost_cluster("the scheduler") from None
        worked_at = now if has_workers else worked_at
        if now - worked_at > _WORKER_SECONDS:
            raise lost_cluster("its last worker")


def lost_cluster(what: str) -> UserError:
    """Return the error that says what is gone and how to go on."""
    return UserError(
        f"the cluster has lost {what}; finished videos are kept. When it is back, give the same command again"
    )


def prepare_there(tasks: list[VideoTask], *, plugins: Sequence[str] = ()) -> None:
    """Prepare some videos on a worker of the cluster.

    They have a process of their own: a video that crashes it must not take the worker along. Outcomes go over the
    shared disk: in the worker's memory they would be lost with the worker, and finished videos prepared again.
    """
    load_plugins(plugins)
    for task in tasks[:1]:
        if not (task.out / WORK_FOLDER).is_dir():
            raise UserError(f"a worker of the cluster does not see {task.out}; choose a folder that all machines share")
    letters = {task.entry.id: _letter(task) for task in tasks}
    left = [task for task in tasks if not letters[task.entry.id].exists()]
    for outcome in run_pool(left, workers=1, on_frames=lambda count: None):
        with disk_errors(tasks[0].out), atomic_path(letters[outcome.id]) as aside:
            aside.write_text(to_line(outcome), encoding="utf-8")


def _letter(task: VideoTask) -> Path:
    name = hashlib.sha256(task.entry.id.encode(errors="surrogateescape")).hexdigest()[:32]
    return task.out / WORK_FOLDER / "letters" / f"{name}.json"


def _collect(task: VideoTask, *, late_seconds: float) -> VideoOutcome | None:
    """Take the outcome that a worker has written; network disks may show it a while later."""
    letter = _letter(task)
    limit = time.monotonic() + late_seconds
    while not letter.exists() and time.monotonic() < limit:
        time.sleep(0.1)
    outcome = from_line(letter.read_text(encoding="utf-8")) if letter.exists() else None
    letter.unlink(missing_ok=True)
    return outcome
