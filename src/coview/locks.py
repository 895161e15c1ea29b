"""One process at a time on a folder: two runs of the same command would write over each other's work."""

import contextlib
import errno
import logging
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from coview.errors import UserError

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
        UserError: another process holds it.
    """
    lock = FileLock(path, timeout=wait_seconds, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout:
        raise UserError(otherwise) from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        log.info("%s: this disk has no locks (%s); two commands at once would disturb each other", path, error.strerror)
    with contextlib.ExitStack() as stack:
        stack.callback(lock.release)
        yield
