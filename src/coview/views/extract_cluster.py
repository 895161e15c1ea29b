"""The same work on the workers of a dask cluster; the only file that imports dask."""

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

from coview.datasets.prepared import WORK_FOLDER
from coview.errors import MissingExtraError, UserError
from coview.views.extract_aside import disk_errors, remove_parts, written_aside
from coview.views.extract_outcomes import VideoOutcome, from_line, to_line
from coview.views.extract_video import VideoTask, failed, paths_to_make, prepare_video
from coview.views.extract_worker import use_one_thread

log = logging.getLogger(__name__)

_CONNECT_SECONDS = 15
_WORKER_SECONDS = 120
_LOOK_SECONDS = 5.0
_LATE_SECONDS = 60.0
_one_video_at_a_time = threading.Lock()


def run_cluster(
    tasks: Sequence[VideoTask], *, address: str, on_frames: Callable[[int], None]
) -> Iterator[VideoOutcome]:
    """Prepare videos on a cluster.

    The scheduler gives the videos of a lost worker to others. A video with which several workers were lost is tried
    once more at the end, alone; then it has failed.

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
    client = _connect(address)
    try:
        crashed = yield from _round(client, tasks, on_frames)
        for task in crashed:
            log.warning("%s: several workers were lost with it; will try it once more, alone", task.entry.id)
            for still in (yield from _round(client, [task], on_frames)):
                yield failed(still, "crashed", "the cluster lost every worker that tried it")
    finally:
        client.close()
        for folder in {path.parent for task in tasks for path in paths_to_make(task).values()}:
            remove_parts(folder)


def _connect(address: str) -> Any:
    try:
        from distributed import Client
    except ImportError:
        raise MissingExtraError("preparing on a cluster", package="distributed", extra="cluster") from None
    try:
        client = Client(address, timeout=_CONNECT_SECONDS)
    except (OSError, ValueError) as error:
        raise UserError(f"no dask scheduler answers at {address!r} ({error}); start one with: dask scheduler") from None
    try:
        client.wait_for_workers(1, timeout=_WORKER_SECONDS)
    except TimeoutError:
        client.close()
        raise UserError(
            f"the scheduler at {address} has no worker; start some with: dask worker {address} --nthreads 1"
        ) from None
    return client


def _round(
    client: Any, tasks: Sequence[VideoTask], on_frames: Callable[[int], None]
) -> Generator[VideoOutcome, None, list[VideoTask]]:
    """Yield an outcome for each task; return the tasks with which workers were lost."""
    from distributed import KilledWorker

    futures = client.map(prepare_there, tasks, pure=False)
    task_of = dict(zip((future.key for future in futures), tasks, strict=True))
    crashed = []
    try:
        for future in _completed(client, futures):
            if future.cancelled():
                raise _lost("the scheduler")
            task, error = task_of[future.key], future.exception()
            future.release()
            if error is None:
                outcome = _collect(task)
                on_frames((outcome.num_frames or 0) * len(task.missing))
                yield outcome
            elif isinstance(error, KilledWorker):
                crashed.append(task)
            elif isinstance(error, UserError):
                raise error
            else:
                yield failed(task, "crashed", repr(error))
        return crashed
    finally:
        client.cancel(futures)


def _completed(client: Any, futures: Sequence[Any]) -> Iterator[Any]:
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
            raise _lost("the scheduler") from None
        worked_at = now if has_workers else worked_at
        if now - worked_at > _WORKER_SECONDS:
            raise _lost("its last worker")


def _lost(what: str) -> UserError:
    return UserError(
        f"the cluster has lost {what}; finished videos are kept. When it is back, give the same command again"
    )


def prepare_there(task: VideoTask) -> None:
    """Prepare one video on a worker of the cluster.

    The outcome goes over the shared disk: in the worker's memory it would be lost with the worker, and the video
    would be prepared again.
    """
    if not (task.out / WORK_FOLDER).is_dir():
        raise UserError(f"a worker of the cluster does not see {task.out}; choose a folder that all machines share")
    # Threads of one worker take turns: compiled flow and OpenCV count on one thread, as in our own workers.
    with _one_video_at_a_time:
        use_one_thread()
        outcome = prepare_video(task)
    with disk_errors(task.out), written_aside(_letter(task)) as aside:
        aside.write_text(to_line(outcome), encoding="utf-8")


def _letter(task: VideoTask) -> Path:
    name = hashlib.sha256(task.entry.id.encode(errors="surrogateescape")).hexdigest()[:32]
    return task.out / WORK_FOLDER / "letters" / f"{name}.json"


def _collect(task: VideoTask) -> VideoOutcome:
    """Take the outcome that a worker has written; network disks may show it a while later."""
    letter = _letter(task)
    limit = time.monotonic() + _LATE_SECONDS
    while not letter.exists() and time.monotonic() < limit:
        time.sleep(0.1)
    outcome = from_line(letter.read_text(encoding="utf-8")) if letter.exists() else None
    letter.unlink(missing_ok=True)
    return outcome or failed(task, "crashed", "a worker of the cluster finished it, but its outcome is not on the disk")
