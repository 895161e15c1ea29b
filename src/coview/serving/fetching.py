"""Videos that lie elsewhere are brought into the cache before they are shown: whole, up to a size, in threads."""

import concurrent.futures
import re
import threading
from pathlib import Path, PurePosixPath

from coview.errors import UserError
from coview.files import atomic_path, disk_errors
from coview.remote import fetch
from coview.serving.jobs import BusyError, Tell

LARGEST_BYTES = 2 * 2**30
"""Of a video that is opened."""
LARGEST_GLANCED_BYTES = 2**26
"""Of a video of which nothing but a picture is wanted, as of dozens at once."""
FETCH_SECONDS = 1800.0
_AT_ONCE, _MOST_WAITING = 4, 100


class Fetcher:
    """Fetches files; what `coview.serving.making.Maker` makes films with, too.

    These threads move bytes alone; what they bring is decoded in processes of its own.
    """

    def __init__(self) -> None:
        self._threads = concurrent.futures.ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="coview-fetching")
        self._ends = threading.Event()
        self._lock, self._num_waiting = threading.Lock(), 0

    def submit(self, address: str, *, out: str, tell: Tell) -> "concurrent.futures.Future[None]":
        """Queue the file at an address, to be written to `out`.

        Raises:
            BusyError: too many wait already. The future raises `UserError` where it cannot be fetched.
        """
        with self._lock:
            if self._num_waiting >= _MOST_WAITING:
                raise BusyError(f"{self._num_waiting} videos are being fetched already; try again in a moment")
            self._num_waiting += 1
        future = self._threads.submit(self._fetch, address, Path(out), tell)
        future.add_done_callback(self._count_down)
        return future

    def _count_down(self, future: "concurrent.futures.Future[None]") -> None:
        with self._lock:
            self._num_waiting -= 1

    def _fetch(self, address: str, out: Path, tell: Tell) -> None:
        bounds = {"largest_bytes": LARGEST_BYTES, "timeout_seconds": FETCH_SECONDS}
        with disk_errors(out.parent), atomic_path(out) as aside:
            fetch(address, aside, tell=tell, meanwhile=self._raise_if_ending, **bounds)

    def _raise_if_ending(self) -> None:
        if self._ends.is_set():
            raise UserError("the server is ending")

    def close(self) -> None:
        """End for good; what is half there is removed."""
        self._ends.set()
        self._threads.shutdown(wait=False, cancel_futures=True)


def fetched_name(key: str, address: str) -> str:
    """Return the name in the cache of what is fetched from an address."""
    suffix = PurePosixPath(address).suffix.lower()
    return f"{key}-fetched{suffix if re.fullmatch(r'[.][a-z0-9]{1,8}', suffix) else ''}"
