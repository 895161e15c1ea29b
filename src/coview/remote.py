"""Files that lie elsewhere: object storage and web servers, by address (s3://, gs://, https://), through fsspec.

No store is waited for without an end: a call is made in a thread of its own, which is left behind when nothing comes.
A video is fetched as a whole before it is read: containers are read back and forth, and each view reads them again.
"""

import concurrent.futures
import contextlib
import datetime
import hashlib
import math
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from coview.errors import UserError, VideoError
from coview.files import disk_errors
from coview.locks import temporary_folder

Answer = TypeVar("Answer")

SILENT_SECONDS = 300.0
"""So long a store may take for one answer: a listing, or a piece of a file."""
_TICK_SECONDS = 1.0
_SLOWEST_BYTES = 20_000
"""A second, of files that are sent in one call."""
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_SAMPLED_BYTES = 2**16
_PIECE_BYTES = 2**20
_AT_ONCE = 16
_ERRORS = {
    "aiohttp": "ClientError",
    "azure.core.exceptions": "AzureError",
    "botocore.exceptions": "BotoCoreError",
    "gcsfs.retry": "HttpError",
    "google.auth.exceptions": "GoogleAuthError",
    "paramiko": "SSHException",
}
"""Module -> what it raises where a store is at fault, besides the OSError and ValueError of fsspec itself."""


class UnreachableError(UserError):
    """A store complains."""


class SilentError(UserError):
    """A store does not answer; it may do so the next time."""


def is_remote(path: Path | str) -> bool:
    """Say whether a text is an address rather than a path of this machine."""
    return isinstance(path, str) and _ADDRESS.match(path) is not None


def list_remote(address: str) -> list[str]:
    """Return the files below an address, relative to it, sorted; "" for the address itself where it is a file.

    Raises:
        UserError: nothing there, or it cannot be reached.
    """

    def find() -> tuple[str, list[str]]:
        system, root = _open(address)
        found = sorted(str(name) for name in system.find(root, on_error="raise"))  # half a listing is worse than none
        if not found:
            system.ls(root)  # some systems say only here that they cannot be reached
        return root.rstrip("/"), found

    root, names = _ask(address, find)
    if not names:
        raise UserError(f"nothing at {address}; expected a video, or a folder of them")
    if names == [root]:
        return [""]
    return [name.removeprefix(root).lstrip("/") for name in names]


def remote_stamp(address: str) -> tuple[int, int, str]:
    """Return size, time of the last change in nanoseconds (0 where unknown) and a hash of parts of a file.

    Raises:
        OSError: it is gone or cannot be read.
    """

    def look() -> tuple[int, int, str]:
        system, name = _open(address)
        about = system.info(name)
        size = about.get("size")
        with system.open(name, "rb") as file:
            if size is None:
                data = file.read()
                return len(data), 0, hashlib.sha256(data).hexdigest()[:32]
            digest = hashlib.sha256(str(size).encode())
            for at in sorted({0, max(0, size // 2), max(0, size - _SAMPLED_BYTES)}):
                file.seek(at)
                digest.update(file.read(_SAMPLED_BYTES))
        return int(size), _nanoseconds(about), digest.hexdigest()[:32]

    try:
        return _ask(address, look)
    except UserError as error:
        raise OSError(str(error)) from error


def _nanoseconds(about: dict[str, Any]) -> int:
    changed = next((about[key] for key in ("LastModified", "mtime", "updated", "created") if about.get(key)), None)
    if isinstance(changed, datetime.datetime):
        return int(changed.timestamp() * 1e9)
    return int(changed * 1e9) if isinstance(changed, int | float) else 0


def _nothing_to_do() -> None:
    """Stand where nothing is to be done while a store is waited for."""


@contextlib.contextmanager
def local_copy(path: str, *, on_piece: Callable[[], None] = _nothing_to_do) -> Iterator[Path]:
    """Give the file at a path; what lies elsewhere is fetched, and removed at the end of the block.

    Args:
        path: of a file, or its address.
        on_piece: called whenever more of it has come.

    Raises:
        VideoError: it cannot be fetched.
        UserError: there is no room for it.
    """
    if not is_remote(path):
        yield Path(path)
        return
    with temporary_folder() as folder:
        local = folder / f"video{PurePosixPath(path).suffix}"
        try:
            fetch(path, local, tell=lambda share: on_piece())
        except SilentError as error:
            raise VideoError("too_slow", path, str(error)) from error
        except UnreachableError as error:
            raise VideoError("unreadable", path, str(error)) from error
        yield local


def fetch(
    address: str,
    out: Path,
    *,
    tell: Callable[[float], None],
    meanwhile: Callable[[], None] = _nothing_to_do,
    largest_bytes: float = math.inf,
    timeout_seconds: float = math.inf,
) -> None:
    """Write the file at an address to `out`, piece by piece.

    Args:
        address: of the file.
        out: where to.
        tell: told the share that has come, after every piece.
        meanwhile: called every second; what it raises ends the work.
        largest_bytes: more is refused as soon as it has come.
        timeout_seconds: for the whole of it, looked at every second.

    Raises:
        UserError: it cannot be read, is larger, takes longer, or cannot be written.
    """
    until = time.monotonic() + timeout_seconds

    def look() -> None:
        if time.monotonic() > until:
            raise UserError(f"{address} took longer than {timeout_seconds:.0f} s to come and was given up")
        meanwhile()

    def begin() -> tuple[int, Any]:
        system, name = _open(address)
        return system.info(name).get("size") or 0, system.open(name, "rb", cache_type="readahead")

    size, source = _ask(address, begin, meanwhile=look)
    if size > largest_bytes:
        raise UserError(f"{address} has {size:,} bytes, more than the {largest_bytes:,} that are fetched")
    count = 0
    with disk_errors(out.parent), out.open("wb") as file, contextlib.closing(source):
        while piece := _ask(address, lambda: source.read(_PIECE_BYTES), meanwhile=look):
            count += len(piece)
            if count > largest_bytes:
                raise UserError(f"{address} has more than the {largest_bytes:,} bytes that are fetched")
            file.write(piece)
            tell(count / max(size, count))
            look()


def remote_sizes(addresses: Sequence[str]) -> list[float | None]:
    """Return the bytes of files, several looked up at a time; None: it is not there; infinite: the store does not tell.

    Raises:
        UserError: a store cannot be reached.
    """

    def look(address: str) -> float | None:
        def size() -> float | None:
            system, name = _open(address)
            try:
                about = system.info(name)
            except FileNotFoundError:
                return None
            return math.inf if about.get("size") is None else float(about["size"])

        return _ask(address, size)

    with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as threads:
        return list(threads.map(look, addresses))


def read_part(address: str, *, offset: int, size: int) -> bytes:
    """Return some bytes of the file at an address, fewer where it ends before.

    Raises:
        UserError: it cannot be read.
    """

    def read() -> bytes:
        system, name = _open(address)
        return bytes(system.cat_file(name, start=offset, end=offset + size))

    return _ask(address, read)


def send(path: Path, address: str) -> None:
    """Write a file to an address, with the folders that lie above it there.

    Raises:
        UserError: that cannot be written.
    """

    def put() -> None:
        system, name = _open(address)
        system.makedirs(name.rpartition("/")[0], exist_ok=True)
        system.put_file(str(path), name)

    _ask(address, put, verb="write", seconds=SILENT_SECONDS + path.stat().st_size / _SLOWEST_BYTES)


def _open(address: str) -> tuple[Any, str]:
    from fsspec.core import url_to_fs

    system, name = url_to_fs(address)
    return system, str(name)


def _ask(
    address: str,
    call: Callable[[], Answer],
    *,
    verb: str = "read",
    seconds: float | None = None,
    meanwhile: Callable[[], None] = _nothing_to_do,
) -> Answer:
    """Return what a call to a store gives.

    Time in which this process is suspended does not count: only ticks do.

    Args:
        address: what the call is about.
        call: the call.
        verb: what it does, for messages.
        seconds: how long it may take; not given: `SILENT_SECONDS`.
        meanwhile: called every second until the answer is there; what it raises gives the call up.

    Raises:
        UserError: the store complains, or nothing came.
    """
    answer: concurrent.futures.Future[Answer] = concurrent.futures.Future()
    threading.Thread(target=_answer, args=(answer, call), name="coview-remote", daemon=True).start()
    limit = SILENT_SECONDS if seconds is None else seconds
    for _ in range(math.ceil(limit / _TICK_SECONDS)):
        if concurrent.futures.wait([answer], timeout=_TICK_SECONDS).done:
            with _told(address, verb):
                return answer.result()
        meanwhile()
    raise SilentError(f"{address} gave no answer for {limit:.0f} s")


def _answer(answer: "concurrent.futures.Future[Answer]", call: Callable[[], Answer]) -> None:
    try:
        answer.set_result(call())
    except BaseException as error:  # noqa: BLE001  (it is raised by whoever waits)
        answer.set_exception(error)


@contextlib.contextmanager
def _told(address: str, verb: str) -> Iterator[None]:
    """Turn what stores of all kinds complain of into a `UserError`; a bug stays what it is."""
    loaded = ((sys.modules.get(module), name) for module, name in _ERRORS.items())
    failures = tuple(getattr(module, name) for module, name in loaded if hasattr(module, name))
    try:
        yield
    except ImportError as error:
        raise UserError(f"cannot reach {address}: {error}. Install what it needs beside 'coview[remote]'") from error
    except (OSError, ValueError, NotImplementedError, *failures) as error:
        raise UnreachableError(f"cannot {verb} {address}: {error or type(error).__name__}") from error
