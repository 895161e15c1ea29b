"""The videos of an index as the page knows them: by number, listed, filtered, and where their files are."""

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from coview.collection.file_identity import shown_path
from coview.collection.index import Index
from coview.collection.store import VideoRow
from coview.errors import UserError

_LOOK_AGAIN_SECONDS = 2.0
STORED = "views/rgb"


class NotFoundError(UserError):
    """The index has no such video, or not any more."""


@dataclass(frozen=True)
class _Snapshot:
    rows: tuple[VideoRow, ...] = ()
    by_number: dict[int, VideoRow] = field(default_factory=dict)
    by_id: dict[str, VideoRow] = field(default_factory=dict)
    by_content: dict[tuple[int, str], list[VideoRow]] = field(default_factory=dict)
    texts: dict[int, str] = field(default_factory=dict)
    """Number -> id and label, in no case."""
    fingerprint: str = ""


class Shelf:
    """Videos that are not gone, in order of their ids; read anew when the index has changed.

    A video is asked for by its number, never by a path: what is not in the index cannot be named.
    """

    def __init__(self, index: Index) -> None:
        self._index = index
        self._lock = threading.Lock()
        self._looked_at = -_LOOK_AGAIN_SECONDS
        self._mark = ""
        self._snapshot = _Snapshot()

    @property
    def state(self) -> str:
        """A text that changes when the index does."""
        self._refresh()
        return self._mark

    @property
    def fingerprint(self) -> str:
        """A text that differs for other videos, today and tomorrow."""
        return self._refresh().fingerprint

    def _refresh(self) -> _Snapshot:
        with self._lock:
            now = time.monotonic()
            if now - self._looked_at < _LOOK_AGAIN_SECONDS:
                return self._snapshot
            mark = self._file_mark()
            if mark != self._mark:
                rows = sorted(self._index.store.rows(), key=lambda row: row.facts.id)
                by_content: dict[tuple[int, str], list[VideoRow]] = {}
                for row in rows:
                    if row.facts.status == "ready" and row.facts.content:
                        by_content.setdefault((row.facts.size, row.facts.content), []).append(row)
                told = "\n".join(f"{row.number} {row.facts.status} {row.facts.label}" for row in rows)
                self._snapshot = _Snapshot(
                    tuple(rows),
                    {row.number: row for row in rows},
                    {row.facts.id: row for row in rows},
                    by_content,
                    {row.number: f"{row.facts.id} {row.facts.label or ''}".casefold() for row in rows},
                    hashlib.sha256(told.encode("utf-8", "replace")).hexdigest()[:16],
                )
                self._mark = mark
            self._looked_at = now
            return self._snapshot

    def _file_mark(self) -> str:
        marks = []
        for name in ("index.sqlite", "index.sqlite-wal"):
            path = self._index.path / name
            if path.exists():
                found = path.stat()
                marks.append(f"{found.st_mtime_ns}-{found.st_size}")
        return "/".join(marks)

    def rows(
        self, *, text: str = "", labels: Sequence[str] = (), status: str | None = None, order: str = "name"
    ) -> list[VideoRow]:
        """Return videos whose id or label has all words of `text` in it, in any case, and one of `labels`."""
        snapshot = self._refresh()
        found = [row for row in snapshot.rows if status is None or row.facts.status == status]
        if labels:
            found = [row for row in found if (row.facts.label or "") in labels]
        for word in text.casefold().split():
            found = [row for row in found if word in snapshot.texts[row.number]]
        if order == "longest":
            found.sort(key=lambda row: -(row.facts.duration_seconds or 0.0))
        elif order == "newest":
            found.sort(key=lambda row: -row.number)
        return found

    def labels(self) -> list[tuple[str, int]]:
        """Return labels and how many ready videos have each, most frequent first."""
        counts = Counter(row.facts.label for row in self._refresh().rows if row.facts.status == "ready")
        return [(label, count) for label, count in counts.most_common() if label is not None]

    def video(self, number: int) -> VideoRow:
        """Return a video.

        Raises:
            NotFoundError: the index has none of this number.
        """
        row = self._refresh().by_number.get(number)
        if row is None:
            raise NotFoundError(f"the index has no video {number}")
        return row

    def numbers(self, ids: Sequence[str]) -> list[int | None]:
        """Return the numbers of videos by their ids; None for one that is new."""
        known = self._refresh().by_id
        return [known[one].number if one in known else None for one in ids]

    def copies(self, size: int, content: str) -> list[VideoRow]:
        """Return the ready videos whose file holds the same, in order of their ids."""
        return self._refresh().by_content.get((size, content), [])

    def file(self, row: VideoRow) -> Path:
        """Return the file to show of a video: its own, or where that is gone the stored view of its prepared data set.

        Raises:
            NotFoundError: neither is there.
        """
        path = Path(shown_path(row.facts.path, self._index.path))
        if path.exists():
            return path
        root = Path(shown_path(row.facts.source, self._index.path)) / STORED
        stored = root / f"{row.facts.id}.mp4"
        if row.facts.source and stored.is_file() and stored.resolve().is_relative_to(root.resolve()):
            return stored
        raise NotFoundError(f"the file of {row.facts.id} is not where it was: {path}")
