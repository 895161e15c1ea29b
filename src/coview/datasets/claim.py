"""One process at a time on a folder: two runs of the same command would write over each other's work."""

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from coview.errors import UserError

_held: set[IO[bytes]] = set()


@contextlib.contextmanager
def claimed(lock: Path, *, otherwise: str) -> Iterator[None]:
    """Hold the lock file `lock` until the end of the block; the system lets go of it if this process is killed.

    Processes that are forked meanwhile do not hold it, so that what outlives a killed parent is not in the way.

    Args:
        lock: the file, made if it is not there; it stays.
        otherwise: what to tell the user where another process holds it.

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
                    raise UserError(otherwise) from None
        _held.add(file)
        try:
            yield
        finally:
            _held.discard(file)


def _let_go() -> None:
    """Close the parent's lock files in a process that was just forked; the parent still holds them."""
    for file in _held:
        file.close()
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)
