"""One process at a time: two runs of the same command on one folder would only do each other's work."""

import contextlib
import errno
import sys
from collections.abc import Iterator
from pathlib import Path

from coview.errors import UserError


@contextlib.contextmanager
def claimed(lock: Path) -> Iterator[None]:
    """Hold the lock file `lock` until the end of the block; the system lets go of it if this process is killed.

    Raises:
        UserError: another process holds it.
    """
    with lock.open("ab") as file:
        if sys.platform != "win32":
            import fcntl

            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                # Some network disks have no locks (ENOLCK, ENOTSUP); there the user has to take care.
                if error.errno in (errno.EACCES, errno.EAGAIN):
                    raise UserError(
                        f"another coview prepare is at work on {lock.parent.parent}; "
                        "wait for it, or share the work with --shard 1/2 and --shard 2/2"
                    ) from None
        yield
