"""Files that were dropped on the page: kept for a while under a token, bounded in size, embedded in another process."""

import asyncio
import contextlib
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from coview.collection.file_identity import file_stamp
from coview.collection.store import Floats
from coview.errors import UserError
from coview.files import disk_errors
from coview.locks import temporary_folder
from coview.serving.jobs import Lane

LARGEST_BYTES = 2 * 2**30
EMBED_SECONDS = 180.0
_RECEIVE_SECONDS = 600.0
_KEPT, _KEPT_BYTES = 20, 8 * 2**30
_NAME_LENGTH = 120


@dataclass
class Upload:
    """A file that was dropped.

    Attributes:
        token: what the page calls it by.
        name: what its owner calls it: for people, never a path.
        path: where it lies.
        size: in bytes.
        content: hash of parts of it, as an index keeps.
        vectors: (start, end) -> view name -> (D,) unit vector, of what was embedded so far.
    """

    token: str
    name: str
    path: Path
    size: int
    content: str
    vectors: dict[tuple[float | None, float | None], Mapping[str, Floats]] = field(default_factory=dict)


class TooLargeError(UserError):
    """An upload goes beyond the bound."""


class Uploads:
    """Files that were dropped, the last few of them.

    Args:
        lane: where they are decoded and embedded.
        largest_bytes: larger ones are refused as soon as that many bytes have come.
        embed_seconds: a file that takes longer is given up.
    """

    def __init__(self, lane: Lane, *, largest_bytes: int = LARGEST_BYTES, embed_seconds: float = EMBED_SECONDS) -> None:
        self._lane, self._largest_bytes, self._embed_seconds = lane, largest_bytes, embed_seconds
        self._held = contextlib.ExitStack()
        self._folder = self._held.enter_context(temporary_folder())
        self._uploads: OrderedDict[str, Upload] = OrderedDict()
        self._lock = threading.Lock()

    async def receive(self, chunks: AsyncIterator[bytes], *, name: str) -> Upload:
        """Take a file in.

        Raises:
            TooLargeError: more bytes than allowed.
            UserError: nothing came, too slowly, or the disk is full.
        """
        token = secrets.token_urlsafe(12)
        suffix = PurePath(name).suffix.lower()
        plain = suffix if suffix[1:].isalnum() and suffix.isascii() and len(suffix) <= 6 else ""
        path = self._folder / f"{token}{plain}"
        size, started = 0, time.monotonic()
        try:
            with disk_errors(path.parent), path.open("wb") as file:
                async for chunk in chunks:
                    size += len(chunk)
                    if size > self._largest_bytes:
                        bound = self._largest_bytes / 2**20
                        raise TooLargeError(f"the file is larger than {bound:,.0f} MiB; cut it, or index its folder")
                    if time.monotonic() - started > _RECEIVE_SECONDS:
                        raise UserError(f"the file did not arrive within {_RECEIVE_SECONDS:.0f} s")
                    file.write(chunk)
            if size == 0:
                raise UserError("the file is empty")
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        shown = "".join(letter for letter in name if letter.isprintable())[:_NAME_LENGTH] or "a dropped file"
        upload = Upload(token, shown, path, size, file_stamp(path)[2])
        with self._lock:
            self._uploads[token] = upload
            while len(self._uploads) > _KEPT or sum(one.size for one in self._uploads.values()) > _KEPT_BYTES:
                _, oldest = self._uploads.popitem(last=False)
                oldest.path.unlink(missing_ok=True)
        return upload

    def find(self, token: str) -> Upload:
        """Return an upload.

        Raises:
            UserError: it was given up for newer ones, or never came.
        """
        with self._lock:
            if token not in self._uploads:
                raise UserError("the dropped file is no longer here; drop it once more")
            self._uploads.move_to_end(token)
            return self._uploads[token]

    async def embed(self, upload: Upload, start: float | None, end: float | None) -> Mapping[str, Floats]:
        """Return the vectors of an upload, or of some seconds of it, made by another process.

        Raises:
            UserError: it is no video that can be read, has nothing in those seconds, or took too long.
        """
        known = upload.vectors.get((start, end))
        if known is None:
            job = self._lane.submit(
                "embed", timeout_seconds=self._embed_seconds, path=str(upload.path), start=start, end=end
            )
            try:
                known = upload.vectors[start, end] = await asyncio.wrap_future(job)
            except UserError as error:
                raise UserError(str(error).replace(str(upload.path), upload.name)) from None
        return known

    def close(self) -> None:
        """Forget and remove all."""
        with contextlib.suppress(OSError):
            self._held.close()
