"""Files that are there whole or not at all: written under a temporary name beside their place, synced, then renamed."""

import contextlib
import errno
import hashlib
import json
import math
import os
import re
import secrets
import shutil
import socket
import tempfile
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from coview.errors import UserError
from coview.wording import short

_PART = re.compile(r"^\.part-(?P<host>[A-Za-z0-9_.]+)-(?P<pid>\d+)-[0-9a-z_]+(\..*)?$")
_ABANDONED_SECONDS = 3600.0
_FULL = (errno.ENOSPC, errno.EDQUOT)
_NO_PLACE = "No usable temporary directory"
"""What Python says, and no number of an error with it."""
_REFUSALS = {
    errno.EACCES: "you may not write or read there",
    errno.EPERM: "you may not write or read there",
    errno.EROFS: "that disk is read-only",
    errno.EIO: "the disk reports an error of its own",
    errno.ENAMETOOLONG: "a name there is longer than the disk allows",
    errno.ELOOP: "its links go round in a circle",
    errno.ENOTDIR: "a part of that path is a file, where a folder is needed",
    errno.EISDIR: "it is a folder, where a file is needed",
    errno.EEXIST: "it is a file, where a folder is needed",
    errno.ENOTEMPTY: "another command has put something there meanwhile",
    errno.EFBIG: "the file is larger than this process may write (ulimit -f)",
    errno.ESTALE: "the network disk has lost the file",
}
"""What the operating system answers where the place or the user's rights are at fault, and never our code."""


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


def part_prefix() -> str:
    """Return how temporary names of this process begin, by which `remove_parts` tells what dead ones left."""
    return f".part-{this_host()}-{os.getpid()}-"


def part_path(path: Path) -> Path:
    """Return a temporary name beside `path`, of the same kind of file."""
    return path.with_name(f"{part_prefix()}{secrets.token_hex(4)}{path.suffix}")


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; on leaving without an error the file written there takes its place.

    The file reaches the disk before it is renamed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = part_path(path)
    try:
        yield aside
        to_disk(aside)
        aside.replace(path)
        to_disk(path.parent)
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
        raise writing_error(error, path) from error


def writing_error(error: OSError, path: Path) -> UserError:
    """Return the user's error for a file that could not be written at a place that the user chose."""
    return refusal(error, path.parent) or UserError(f"cannot write {path}: {error.strerror or error}")


def make_folder(folder: Path) -> None:
    """Make a folder that the user chose, and those above it.

    Raises:
        UserError: it is not there and cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise writing_error(error, folder) from error


def require_writable(path: Path) -> None:
    """Make sure that a file can be written at `path`: before hours of work for it, not after them.

    What killed commands left half-written beside it is removed.

    Raises:
        UserError: its folder is not there and cannot be made, or takes no files.
    """
    make_folder(path.parent)
    try:
        remove_parts(path.parent)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        error.filename = path.parent  # rather than that of the file of this trial
        raise writing_error(error, path) from error


def write_synced(path: Path, data: bytes) -> str:
    """Write a file straight to its place and to the disk itself; return its SHA-256. For folders renamed as a whole."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return hashlib.sha256(data).hexdigest()


_LINE_SEAL = ', "crc32": "'
"""Before the last value of a sealed line: the CRC-32 of all that stands before it, as eight hexadecimal digits."""


def seal_line(values: Mapping[str, Any]) -> str:
    """Return names and values as one line of JSON that ends in its checksum."""
    text = json.dumps(dict(values)).removesuffix("}")
    return f'{text}{_LINE_SEAL}{zlib.crc32(text.encode()):08x}"}}'


def read_line(line: bytes) -> dict[str, Any]:
    """Return what a line of JSON says, sealed or not.

    Raises:
        ValueError: it is cut off or damaged.
    """
    text = line.decode()
    before, seal, value = text.rpartition(_LINE_SEAL)
    if seal and f"{zlib.crc32(before.encode()):08x}" != value.removesuffix('"}'):
        raise ValueError("its checksum differs")
    try:
        values = json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(values, dict):
        raise ValueError(f"it holds a {type(values).__name__}")
    values.pop("crc32", None)
    return values


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


SUMS = "SHA256SUMS"
"""File of checksums beside the files that it names, in the form that `sha256sum --check` takes."""


def write_sums(folder: Path, names: Sequence[str]) -> None:
    """Write SHA256SUMS of files of a folder into it."""
    lines = [f"{hash_file(folder / name)}  {name}\n" for name in names]
    write_synced(folder / SUMS, "".join(lines).encode())


def is_as_summed(path: Path) -> bool:
    """Whether a file is what SHA256SUMS beside it says; also where it says nothing of it.

    Raises:
        OSError: one of the two cannot be read.
    """
    if not path.with_name(SUMS).is_file():
        return True
    lines = path.with_name(SUMS).read_text(encoding="utf-8", errors="replace").split("\n")
    return f"{hash_file(path)}  {path.name}" in lines or all(path.name not in line for line in lines)


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, as `write_bytes` does; file names that are no text keep their bytes."""
    write_bytes(path, text.encode("utf-8", errors="surrogateescape"))


def write_json(path: Path, values: Any, *, is_sealed: bool = False) -> None:
    """Write plain values as JSON, as `write_bytes` does; nan and infinities become null.

    With `is_sealed` names and values end in their checksum, so that `read_json` sees damage.
    """
    values = _without_nan(values)
    if is_sealed:
        values = {**values, _JSON_SEAL: _digest_of_values(json.loads(json.dumps(values)))}
    write_text(path, json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False))


_JSON_SEAL = "sha256"


def read_json(path: Path) -> dict[str, Any]:
    """Read names and values that `write_json` wrote, sealed or not.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no JSON, or damaged.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(values, dict):
        raise ValueError(f"it holds a {type(values).__name__}")
    seal = values.pop(_JSON_SEAL, None)
    if seal is not None and seal != _digest_of_values(values):
        raise ValueError("it is damaged: its checksum differs")
    return values


def _digest_of_values(values: Any) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _without_nan(values: Any) -> Any:
    if isinstance(values, float) and not math.isfinite(values):
        return None
    if isinstance(values, Mapping):
        return {key: _without_nan(value) for key, value in values.items()}
    return [_without_nan(value) for value in values] if isinstance(values, list | tuple) else values


def to_disk(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk itself."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_parts(folder: Path) -> None:
    """Remove what processes that have ended left half-written directly in `folder`."""
    with contextlib.suppress(OSError), os.scandir(folder) as files:
        for file in files:
            _remove_if_abandoned(Path(file.path))


def _remove_if_abandoned(path: Path) -> None:
    match = _PART.match(path.name)
    if match is None:
        return
    with contextlib.suppress(OSError):  # gone meanwhile, or of another user: writing will tell what is amiss
        # Another machine's process cannot be asked; a number may have been given to a new process. Both are judged
        # by the clock: whoever still writes has written within the hour.
        idle_seconds = time.time() - max(part.lstat().st_mtime for part in (path, *path.rglob("*")))
        may_write = match["host"] != this_host() or is_running(int(match["pid"]))
        if not may_write or idle_seconds > _ABANDONED_SECONDS:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
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


def refusal(error: BaseException, folder: Path) -> UserError | None:
    """Return the user's error for what the operating system refused under `folder`; None for an error of our code."""
    if is_full(error):
        return full_disk_error(folder)
    if isinstance(error, FileNotFoundError) and _NO_PLACE in str(error):
        return UserError(f"no folder for temporary files can be written, or all are full: {error.strerror}; set TMPDIR")
    if not isinstance(error, OSError) or error.errno not in _REFUSALS:
        return None
    place = error.filename if isinstance(error.filename, str | os.PathLike) else folder
    return UserError(
        f"{_shortened(place)} cannot be used: {error.strerror} ({_REFUSALS[error.errno]}). Whatever was finished is "
        "kept; mend that, or choose another folder"
    )


def _shortened(place: str | os.PathLike[str]) -> str:
    text = os.fspath(place)
    return text if len(text) <= 200 else f"{text[:120]}...{text[-60:]}"


@contextlib.contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn a refusal of the operating system to write under `folder` into a `UserError` that says what to do."""
    try:
        yield
    except Exception as error:
        refused = refusal(error, folder)
        if refused is None:
            raise
        raise refused from error
