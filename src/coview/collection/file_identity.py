"""How an index names a file, and tells one state of it from another."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from coview.remote import is_remote, remote_stamp

_SAMPLED_BYTES = 2**16


def absolute(path: Path | str) -> str:
    """Return a path from the root on; links stay as the user wrote them, and addresses as they are."""
    if is_remote(path):
        return str(path)
    return os.path.abspath(path)  # noqa: PTH100


def stored_path(path: Path | str, folder: Path) -> str:
    """Return a path as an index keeps it: relative to its folder, that both may be moved together; or the address.

    What is no text in a name stands as an escape: such a video is in no index, and may still be searched for.
    """
    if is_remote(path):
        return str(path)
    try:
        kept = Path(os.path.relpath(absolute(path), folder.resolve())).as_posix()
    except ValueError:  # another drive of Windows
        kept = Path(absolute(path)).as_posix()
    return kept.encode("utf-8", "backslashreplace").decode()


def shown_path(stored: str, folder: Path) -> str:
    """Return the absolute path, or the address, of what an index keeps."""
    return shown_paths([stored], folder)[0]


def shown_paths(stored: Iterable[str], folder: Path) -> list[str]:
    """Return the absolute paths, or the addresses, of what an index keeps; links on the way to it are followed once."""
    root = str(folder.resolve())
    return [one if is_remote(one) else os.path.normpath(os.path.join(root, one)) for one in stored]  # noqa: PTH118


def file_stamp(path: Path | str) -> tuple[int, int, str]:
    """Return size, time of the last change and a hash of the beginning, middle and end of a file.

    Raises:
        OSError: it is gone or cannot be read.
    """
    if is_remote(path):
        return remote_stamp(str(path))
    with Path(path).open("rb") as file:
        found = os.fstat(file.fileno())
        digest = hashlib.sha256(str(found.st_size).encode())
        for at in sorted({0, max(0, found.st_size // 2), max(0, found.st_size - _SAMPLED_BYTES)}):
            file.seek(at)
            digest.update(file.read(_SAMPLED_BYTES))
    return found.st_size, found.st_mtime_ns, digest.hexdigest()[:32]
