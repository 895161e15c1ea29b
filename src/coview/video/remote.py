"""Videos that lie elsewhere: object storage and web servers, by address (s3://, gs://, https://), through fsspec.

A video is fetched as a whole before it is read: containers are read back and forth, and each view reads them again.
"""

import contextlib
import datetime
import hashlib
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from coview.errors import UserError, VideoError
from coview.locks import temporary_folder

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_SAMPLED_BYTES = 2**16
_PIECE_BYTES = 2**20


def is_remote(path: Path | str) -> bool:
    """Say whether a text is an address rather than a path of this machine."""
    return isinstance(path, str) and _ADDRESS.match(path) is not None


def list_remote(address: str) -> list[str]:
    """Return the files below an address, relative to it, sorted; "" for the address itself where it is a file.

    Raises:
        UserError: nothing there, or it cannot be reached.
    """
    with _told(address):
        system, root = _open(address)
        names = sorted(str(name) for name in system.find(root, on_error="raise"))  # half a listing is worse than none
        if not names:
            system.ls(root)  # some systems say only here that they cannot be reached
    root = root.rstrip("/")
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
    try:
        with _told(address):
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
    except UserError as error:
        raise OSError(str(error)) from error
    return int(size), _nanoseconds(about), digest.hexdigest()[:32]


def _nanoseconds(about: dict[str, Any]) -> int:
    changed = next((about[key] for key in ("LastModified", "mtime", "updated", "created") if about.get(key)), None)
    if isinstance(changed, datetime.datetime):
        return int(changed.timestamp() * 1e9)
    return int(changed * 1e9) if isinstance(changed, int | float) else 0


@contextlib.contextmanager
def local_copy(path: str) -> Iterator[Path]:
    """Give the file at a path; what lies elsewhere is fetched, and removed at the end of the block.

    Raises:
        VideoError: it cannot be fetched.
    """
    if not is_remote(path):
        yield Path(path)
        return
    with temporary_folder() as folder:
        local = folder / f"video{PurePosixPath(path).suffix}"
        try:
            with _told(path):
                system, name = _open(path)
                system.get_file(name, str(local))
        except UserError as error:
            raise VideoError("unreadable", path, str(error)) from error
        yield local


def fetch(
    address: str, out: Path, *, largest_bytes: int, timeout_seconds: float, tell: Callable[[float], None]
) -> None:
    """Write the file at an address to `out`, piece by piece.

    Args:
        address: of the file.
        out: where to.
        largest_bytes: more is refused as soon as it has come.
        timeout_seconds: for the whole of it; looked at between pieces.
        tell: told the share that has come; what it raises ends the work.

    Raises:
        UserError: it cannot be read, is larger, or takes longer.
    """
    until = time.monotonic() + timeout_seconds
    with _told(address):
        system, name = _open(address)
        size = system.info(name).get("size") or 0
    if size > largest_bytes:
        raise UserError(f"{address} has {size:,} bytes, more than the {largest_bytes:,} that are fetched")
    count = 0
    with out.open("wb") as file, _read_in_pieces(address) as pieces:
        for piece in pieces:
            count += len(piece)
            if count > largest_bytes:
                raise UserError(f"{address} has more than the {largest_bytes:,} bytes that are fetched")
            if time.monotonic() > until:
                raise UserError(f"{address} took longer than {timeout_seconds:.0f} s to come and was given up")
            file.write(piece)
            tell(min(1.0, count / max(size, count)))


@contextlib.contextmanager
def _read_in_pieces(address: str) -> Iterator[Iterator[bytes]]:
    """Give what is at an address in pieces; writing them is no part of what is told as a failure to read."""
    with contextlib.ExitStack() as opened:
        with _told(address):
            system, name = _open(address)
            source = opened.enter_context(system.open(name, "rb", cache_type="readahead"))

        def pieces() -> Iterator[bytes]:
            while True:
                with _told(address):
                    piece = source.read(_PIECE_BYTES)
                if not piece:
                    return
                yield piece

        yield pieces()


def _open(address: str) -> tuple[Any, str]:
    from fsspec.core import url_to_fs

    system, name = url_to_fs(address)
    return system, str(name)


@contextlib.contextmanager
def _told(address: str) -> Iterator[None]:
    """Turn what file systems of all kinds complain of into a `UserError`."""
    aiohttp = sys.modules.get("aiohttp")  # its errors are no OSErrors
    failures = (OSError, ValueError, *([aiohttp.ClientError] if aiohttp is not None else []))
    try:
        yield
    except ImportError as error:
        raise UserError(f"cannot reach {address}: {error}. Install what it needs beside 'coview[remote]'") from error
    except failures as error:
        raise UserError(f"cannot read {address}: {error or type(error).__name__}") from error
