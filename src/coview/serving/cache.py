"""What was made for the page once, kept in a folder of bounded size: pictures, copies, films of views."""

import contextlib
import os
import re
import threading
from pathlib import Path

from coview.files import remove_parts
from coview.locks import temporary_folder

FOLDER = "page"
"""Within the folder of the index."""
_LARGEST_BYTES = 10 * 2**30
_LOOK_EVERY, _LOOK_BYTES = 200, 2**30
"""Files made, or bytes of them, between two looks at the size."""


class Cache:
    """A folder of files under names that say all that they depend on.

    Args:
        index: folder of the index; where it cannot be written to, a temporary folder is used.
        largest_bytes: what was used longest ago is removed above this size.
    """

    def __init__(self, index: Path, *, largest_bytes: int = _LARGEST_BYTES) -> None:
        self._largest_bytes = largest_bytes
        self._temporary = contextlib.ExitStack()
        self.folder = index / FOLDER
        try:
            self.folder.mkdir(exist_ok=True)
            (self.folder / ".writable").touch()
            remove_parts(self.folder)
        except OSError:
            self.folder = self._temporary.enter_context(temporary_folder())
        self._num_made, self._bytes_made = 0, 0
        self._lock = threading.Lock()

    def path(self, name: str) -> Path:
        """Return where a file is, or will be.

        Raises:
            ValueError: a name that is not made of letters, digits, "-", "_" and ".".
        """
        if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,200}", name):
            raise ValueError(f"{name!r} is no name of a cached file")
        return self.folder / name

    def find(self, name: str) -> Path | None:
        """Return a file that is there, noting that it was used."""
        path = self.path(name)
        try:
            os.utime(path)
        except OSError:
            return path if path.is_file() else None
        return path

    def note_made(self, name: str) -> None:
        """Count a new file; now and then make room."""
        with self._lock:
            self._num_made += 1
            with contextlib.suppress(OSError):
                self._bytes_made += self.path(name).stat().st_size
            if self._num_made % _LOOK_EVERY == 1 or self._bytes_made > _LOOK_BYTES:
                self._bytes_made = 0
                self._make_room()

    def _make_room(self) -> None:
        with os.scandir(self.folder) as entries:
            files = [(entry.stat().st_mtime, entry.stat().st_size, entry.path) for entry in entries if entry.is_file()]
        total = sum(size for _, size, _ in files)
        for _, size, path in sorted(files):
            if total <= self._largest_bytes:
                return
            with contextlib.suppress(OSError):
                Path(path).unlink()
                total -= size

    def close(self) -> None:
        """Remove the folder, where it was a temporary one."""
        self._temporary.close()
