"""Files that are there whole or not at all: written under a temporary name beside their place, synced, then renamed."""

import contextlib
import errno
import json
import math
import os
import re
import secrets
import shutil
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from coview.errors import UserError

_PART = re.compile(r"^\.part-(?P<host>[A-Za-z0-9_.]+)-(?P<pid>\d+)-[0-9a-f]+(\..*)?$")
_ABANDONED_SECONDS = 3600.0
_FULL = (errno.ENOSPC, errno.EDQUOT)


def as_path(given: object, *, name: str, what: str) -> Path:
    """Return the path that a caller gave.

    Args:
        given: a path, or something else by mistake.
        name: of the argument.
        what: what is expected there, such as "the folder of a run".

    Raises:
        TypeError: it is no path.
    """
    if isinstance(given, str | os.PathLike):
        return Path(given)
    raise TypeError(f"{name} is {short(given)}, expected {what}, as a text or a Path")


def short(given: object) -> str:
    """Return a value as it stands in a message: itself where that is short, and its type."""
    text, kind = repr(given), type(given).__name__
    return f"{text} ({kind})" if len(text) <= 60 and "\n" not in text else f"of type {kind}"


def check_format(found: object, *, known: int, what: str, remedy: str) -> None:
    """Check the format number that a folder of ours carries.

    Args:
        found: the number as it was read; None where there was none yet, which counts as 1.
        known: the number that is read here.
        what: the folder, for messages.
        remedy: what to do with an older one.

    Raises:
        UserError: another number.
    """
    number = 1 if found is None else found
    if not isinstance(number, int):
        raise UserError(f"{what} is damaged: its format is {number!r}, expected a number")
    if number > known:
        raise UserError(f"{what} was made by a newer coview (format {number}; this one reads {known}): update coview")
    if number < known:
        raise UserError(f"{what} was made by an older coview (format {number}; this one reads {known}): {remedy}")


def this_host() -> str:
    """Return the name of this machine as it stands in temporary names."""
    return re.sub(r"[^A-Za-z0-9_.]", "_", socket.gethostname())[:40] or "host"


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; on leaving without an error the file written there takes its place.

    The file reaches the disk before it is renamed. The temporary name tells host and process, so that the next
    start can tell what a dead process has left (`remove_parts`).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".part-{this_host()}-{os.getpid()}-{secrets.token_hex(4)}{path.suffix}")
    try:
        yield aside
        _to_disk(aside)
        aside.replace(path)
        _to_disk(path.parent)
    finally:
        aside.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file atomically, with the folders it needs.

    Raises:
        UserError: it cannot be written.
    """
    try:
        with atomic_path(path) as aside:
            aside.write_bytes(data)
    except OSError as error:
        if is_full(error):
            raise full_disk_error(path.parent) from error
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, as `write_bytes` does."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, values: Any) -> None:
    """Write plain values as JSON, as `write_bytes` does; nan and infinities become null."""
    write_text(path, json.dumps(_without_nan(values), indent=1, ensure_ascii=False, allow_nan=False))


def _without_nan(values: Any) -> Any:
    if isinstance(values, float) and not math.isfinite(values):
        return None
    if isinstance(values, Mapping):
        return {key: _without_nan(value) for key, value in values.items()}
    return [_without_nan(value) for value in values] if isinstance(values, list | tuple) else values


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_parts(folder: Path) -> None:
    """Remove what processes that have ended left half-written directly in `folder`."""
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as files:
        for file in files:
            _remove_if_abandoned(Path(file.path))


def _remove_if_abandoned(path: Path) -> None:
    match = _PART.match(path.name)
    if match is None:
        return
    with contextlib.suppress(FileNotFoundError):
        # Another machine's process cannot be asked; a number may have been given to a new process. Both are judged
        # by the clock: whoever still writes has written within the hour.
        idle_seconds = time.time() - path.stat().st_mtime
        may_write = match["host"] != this_host() or is_running(int(match["pid"]))
        if not may_write or idle_seconds > _ABANDONED_SECONDS:
            path.unlink()


def is_running(pid: int) -> bool:
    """Say whether a process of this machine is alive."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:  # a dead process whose parent has not looked yet (in containers: ever) still has its number
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return True
    return state not in "ZX"


def stored_files(folder: Path) -> set[str]:
    """Return the whole files under `folder`, as relative paths with "/", after removing abandoned temporary ones."""
    found: set[str] = set()
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            if name.startswith(".part-"):
                _remove_if_abandoned(path)
            else:
                found.add(path.relative_to(folder).as_posix())
    return found


def is_full(error: BaseException) -> bool:
    """Say whether an error means that the disk, or the user's share of it, is used up. FFmpeg's errors count too."""
    return getattr(error, "errno", None) in _FULL


def full_disk_error(folder: Path) -> UserError:
    """Return the error that names the folder and how much room is left there."""
    place = next(parent for parent in (folder, *folder.parents) if parent.exists())
    room = shutil.disk_usage(place)
    return UserError(
        f"the disk of {folder} is full, or your quota there is used up: {_amount(room.free)} of {_amount(room.total)} "
        "are free after removing what was half-written. Whatever was finished is kept; make room and give the same "
        "command again"
    )


def _amount(size: int) -> str:
    return f"{size / 2**20:.1f} MiB" if size < 2**30 else f"{size / 2**30:.1f} GiB"


@contextlib.contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn a refusal of the operating system to write under `folder` into a `UserError` that says what to do."""
    try:
        yield
    except Exception as error:
        if is_full(error):
            raise full_disk_error(folder) from error
        if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO):
            raise UserError(
                f"cannot write under {folder}: {error.strerror} ({error.filename or folder}); "
                "every finished video is kept. Mend that, or choose another folder"
            ) from error
        raise
