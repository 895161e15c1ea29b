"""Files that are made when they are first asked for: each once, and after a failure not again at once."""

import asyncio
import concurrent.futures
import hashlib
import threading
import time
from pathlib import Path
from typing import Any, Protocol

from coview.collection.store import VideoRow
from coview.errors import UserError
from coview.serving.cache import Cache
from coview.serving.jobs import Tell

_FAILURE_SECONDS = 60.0
"""So long a file that could not be made is not tried again."""


def content_key(row: VideoRow) -> str:
    """Return a name for what a video's file holds."""
    facts = row.facts
    return hashlib.sha256(f"{facts.path}\n{facts.size}\n{facts.content}".encode("utf-8", "replace")).hexdigest()[:24]


class Begin(Protocol):
    """Begins to write a file: a job of a `Lane`, a file of a `Fetcher`."""

    def __call__(self, *, out: str, tell: Tell) -> "concurrent.futures.Future[Any]":
        """Return what is done when the file is there."""


class Maker:
    """Makes files of the cache.

    Args:
        cache: where they are kept.
    """

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._lock = threading.Lock()
        self._at_work: dict[str, concurrent.futures.Future[Any]] = {}
        self._shares: dict[str, float] = {}
        self._failed: dict[str, tuple[float, str]] = {}

    def begin(self, name: str, begin: Begin) -> "concurrent.futures.Future[Any] | None":
        """Begin to make a file, unless it is there (then None) or being made.

        Raises:
            UserError: it failed a moment ago, or too many wait.
        """
        with self._lock:
            if self._cache.find(name) is not None:
                return None
            self._raise_if_failed(name)
            if name not in self._at_work:
                future = begin(out=str(self._cache.path(name)), tell=self._teller(name))
                self._at_work[name] = future
                is_new = True
            else:
                future, is_new = self._at_work[name], False
        if is_new:
            future.add_done_callback(lambda done: self._note(name, done))
        return future

    async def make(self, name: str, begin: Begin) -> Path:
        """Return a file, made first where it is not there.

        Raises:
            UserError: it cannot be made.
        """
        future = self.begin(name, begin)
        if future is not None:
            await asyncio.shield(asyncio.wrap_future(future))
        return self._cache.path(name)

    def share(self, name: str) -> float | None:
        """Return how much of a file is made: 1 where it is there, None where nobody has begun.

        Raises:
            UserError: it failed a moment ago.
        """
        if self._cache.find(name) is not None:
            return 1.0
        with self._lock:
            self._raise_if_failed(name)
            return self._shares.get(name, 0.0) if name in self._at_work else None

    def _raise_if_failed(self, name: str) -> None:
        failed = self._failed.get(name)
        if failed is not None:
            if time.monotonic() - failed[0] < _FAILURE_SECONDS:
                raise UserError(failed[1])
            del self._failed[name]

    def _teller(self, name: str) -> Tell:
        def tell(share: float) -> None:
            self._shares[name] = min(share, 0.99)

        return tell

    def _note(self, name: str, done: "concurrent.futures.Future[Any]") -> None:
        with self._lock:
            self._at_work.pop(name, None)
            self._shares.pop(name, None)
            error = None if done.cancelled() else done.exception()
            if error is not None:
                self._failed[name] = time.monotonic(), str(error)
        if not done.cancelled() and error is None:
            self._cache.note_made(name)
