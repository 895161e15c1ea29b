"""One process at a time on a folder: two runs of the same command would write over each other's work."""

import contextlib
import errno
import logging
import multiprocessing
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from coview.errors import UserError
from coview.files import part_prefix, remove_parts, writing_error

log = logging.getLogger(__name__)

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)


@contextlib.contextmanager
def folder_lock(path: Path, *, otherwise: str, wait_seconds: float = 0.0) -> Iterator[None]:
    """Hold the lock file `path` until the end of the block; the system lets go of it if this process is killed.

    Processes that are forked meanwhile do not hold it (filelock closes it in them), so that what outlives a killed
    parent is not in the way. Some network disks have no locks; there the user has to take care.

    Args:
        path: the lock file, made if it is not there.
        otherwise: what to tell the user where another process holds it.
        wait_seconds: how long to wait for it.

    Raises:
        UserError: another process holds it, or the folder cannot be written.
    """
    lock = FileLock(path, timeout=wait_seconds, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout:
        raise UserError(otherwise) from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise writing_error(error, path) from error
        log.info("%s: this disk has no locks (%s); two commands at once would disturb each other", path, error.strerror)
    with contextlib.ExitStack() as stack:
        stack.callback(lock.release)
        yield


@contextlib.contextmanager
def temporary_file(data: bytes, *, suffix: str) -> Iterator[Path]:
    """Give a file that holds these bytes until the end of the block; after a kill `sweep_temporary_folders` removes it.

    Raises:
        OSError: it cannot be written.
    """
    with tempfile.NamedTemporaryFile(prefix=part_prefix(), suffix=suffix) as file:
        file.write(data)
        file.flush()
        yield Path(file.name)


SHARED_MEMORY = Path("/dev/shm")
"""Where Linux has memory as a file system; other systems have none there."""


def why_no_processes() -> str:
    """Return why processes cannot work together here, "" where they can: their semaphores lie in shared memory."""
    try:
        multiprocessing.Lock()
    except OSError as error:
        return f"processes cannot work together here: {SHARED_MEMORY} takes no semaphore ({error.strerror or error})"
    return ""


_TEMPORARY, _HELD = "coview-", ".held"
_YOUNG_SECONDS = 60.0


@contextlib.contextmanager
def temporary_folder(place: Path | None = None) -> Iterator[Path]:
    """Make a folder for the moment and hold it; removed on leaving, or by `sweep_temporary_folders` after a kill.

    Args:
        place: where; None: where the system has temporary files.

    Raises:
        OSError: nothing can be written there.
    """
    sweep_temporary_folders()
    with tempfile.TemporaryDirectory(prefix=_TEMPORARY, dir=place, ignore_cleanup_errors=True) as name:
        lock = FileLock(Path(name, _HELD), timeout=0, fallback_to_soft=False)
        with contextlib.suppress(OSError):  # a disk without locks: nobody will take it for abandoned either
            lock.acquire()
        try:
            yield Path(name)
        finally:
            lock.release()


def sweep_temporary_folders() -> None:
    """Remove what commands that were killed left: temporary files, and folders of ours whose lock nobody holds."""
    places = {SHARED_MEMORY}
    with contextlib.suppress(FileNotFoundError):  # where nothing can be written nothing is left, either
        places.add(Path(tempfile.gettempdir()))
    for place in places:
        remove_parts(place)
    for folder in [found for place in places for found in _temporary_in(place)]:
        with contextlib.suppress(OSError, Timeout):
            lock = folder / _HELD
            # One just made may not be held yet.
            if time.time() - (lock if lock.exists() else folder).stat().st_mtime < _YOUNG_SECONDS:
                continue
            if not lock.exists():
                folder.rmdir()  # of a command that was killed before it could hold it: empty, or somebody else's
                continue
            with FileLock(lock, timeout=0, fallback_to_soft=False):
                shutil.rmtree(folder, ignore_errors=True)


def _temporary_in(place: Path) -> list[Path]:
    return list(place.glob(f"{_TEMPORARY}*")) if place.is_dir() else []
