"""The table of an index: SQLite, one row a video, written in transactions that are there whole or not."""

import contextlib
import json
import os
import sqlite3
import threading
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields as fields_of
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coview.collection.filters import Filter
from coview.collection.sealed_tables import TABLES, find_damage, keep_seals, register_seal
from coview.collection.store import NewVideo, Status, VideoFacts, VideoRow
from coview.collection.write_ahead import is_log_damaged
from coview.errors import UserError
from coview.files import full_disk_error

_FACTS = tuple(field.name for field in fields_of(VideoFacts))
_COLUMNS = ", ".join(f'"{name}"' for name in _FACTS)
_PARAMETERS_AT_ONCE = 500
_WAIT_SECONDS = 30.0
"""For other processes that are writing."""


class Catalogue:
    """The open table.

    Args:
        path: the file.
        identity: what belongs together with the table, such as the run: name -> text. Written where `create`.
        create: make a new one.
        is_checked: another connection has just looked for damage; see `check` otherwise.

    Raises:
        UserError: not there, damaged, or of another index.
    """

    def __init__(
        self, path: Path, *, identity: Mapping[str, str], create: bool = False, is_checked: bool = False
    ) -> None:
        self.path, self._keeps_seals = path, False
        # SQLite calls seals, which are Python, while it keeps other threads off the connection: one that waited there
        # with Python's own lock in its hands would wait for ever. Nor is any of them to see half a transaction.
        self._lock = threading.RLock()
        if not create and not path.is_file():
            raise UserError(f"{path} is gone: bring it back from a copy, or make the index again")
        if is_log_damaged(path):
            raise UserError(
                f"{path}-wal, which a process that was killed has left, is damaged: what it wrote last is lost. Bring "
                "the folder back from a copy, or remove that file and give coview index again; labels of the last "
                "minutes may be missing then"
            )
        mode = "mode=rwc"
        if not os.access(path.parent, os.W_OK):  # such as a disk for reading alone
            mode = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "immutable=1"
        address = f"{path.resolve().as_uri()}?{mode}"
        with self._told(is_opening=True):
            self._open = sqlite3.connect(
                address, uri=True, timeout=_WAIT_SECONDS, isolation_level=None, check_same_thread=False
            )
            register_seal(self._open)
            self._open.execute("PRAGMA synchronous=FULL")  # a confirmed transaction survives a power failure
            if create:
                self._open.execute("PRAGMA journal_mode=WAL")
                self._open.executescript(f"BEGIN;{TABLES}COMMIT;")
                self._open.executemany("INSERT INTO about VALUES (?, ?)", identity.items())
        try:
            with self._told(is_opening=True):
                found = dict(self._open.execute("SELECT name, value FROM about"))
            if found != dict(identity):
                message = f"{self.path} does not belong to the index.yaml beside it; bring both back from one copy"
                raise UserError(message)
            if not (create or is_checked):
                self.check()
        except BaseException:
            self.close()
            raise

    def check(self) -> None:
        """Look for damage: row by row after a change, by one hash of the file otherwise.

        Raises:
            UserError: something differs from what was written.
        """
        with self._lock, self._told(is_opening=True):
            damage = find_damage(self._open, self.path.with_name(f"{self.path.name}.sha256"))
        if damage:
            raise self._damaged(damage)

    @contextlib.contextmanager
    def _told(self, *, is_opening: bool = False) -> Iterator[None]:
        """Say what SQLite complains of in words for the user; where a file is opened, all else is damage."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            name = getattr(error, "sqlite_errorname", "")
            if name == "SQLITE_FULL":
                raise full_disk_error(self.path.parent) from error
            if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_IOERR")):
                raise UserError(f"cannot use {self.path}: {error}; see to the disk and its permissions") from error
            if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
                raise UserError(f"{self.path} is in use by another process; try again") from error
            if is_opening or name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) or "decode" in str(error):
                raise self._damaged(error) from error
            raise

    def _damaged(self, how: object) -> UserError:
        words = " ".join(str(how).split())
        return UserError(f"{self.path} is damaged ({words}); bring it back from a copy, or make the index again")

    def _all(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        with self._lock, self._told():
            return self._open.execute(query, values).fetchall()

    def _each(self, columns: str, numbers: Iterable[int]) -> dict[int, list[Any]]:
        """Return number -> columns of videos that must be there, in the order of `numbers`."""
        wanted = list(dict.fromkeys(numbers))
        found: dict[int, list[Any]] = {}
        for at in range(0, len(wanted), _PARAMETERS_AT_ONCE):
            some = wanted[at : at + _PARAMETERS_AT_ONCE]
            marks = ", ".join("?" * len(some))
            rows = self._all(f"SELECT number, {columns} FROM videos WHERE number IN ({marks})", some)
            found.update((number, rest) for number, *rest in rows)
        missing = [number for number in wanted if number not in found]
        if missing:
            raise self._damaged(f"it has no video {missing[0]}")
        return {number: found[number] for number in wanted}

    def query(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        """Return the rows that a query finds."""
        return self._all(query, values)

    def write(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Change something, within a transaction; return the number of the row that was inserted."""
        return self._open.execute(statement, values).lastrowid or 0

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Confirm all that is written in the block when it ends, none of it where it fails."""
        with self._lock:
            with self._told():
                if not self._keeps_seals:
                    keep_seals(self._open)
                    self._keeps_seals = True
                self._open.execute("BEGIN IMMEDIATE")
                try:
                    yield
                    self._open.execute("COMMIT")
                except BaseException:
                    with contextlib.suppress(sqlite3.Error):
                        self._open.execute("ROLLBACK")
                    raise
            self._empty_log()

    def _empty_log(self) -> None:
        """Bring what was confirmed into the file, where no other process is reading: a kill leaves little behind."""
        with contextlib.suppress(sqlite3.Error):  # it stays in the log, where it is as good
            self._open.execute("PRAGMA busy_timeout=0")
            self._open.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self._open.execute(f"PRAGMA busy_timeout={round(1000 * _WAIT_SECONDS)}")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._open.close()

    def state(self) -> tuple[int, int]:
        """Return numbers that differ after any change, by this connection or another."""
        with self._lock:
            return self._all("PRAGMA data_version")[0][0], self._open.total_changes

    def counts(self) -> tuple[int, int]:
        """Return how many vectors of (windows, whole videos) are confirmed, those of gone videos too."""
        found = self._all("SELECT first_window + num_windows, row + 1 FROM videos ORDER BY row DESC LIMIT 1")
        windows, videos = found[0] if found else (0, 0)
        return windows or 0, videos or 0

    def totals(self) -> tuple[int, int, int]:
        """Return how many videos are ready, how many windows they have, and how many videos failed."""
        query = (
            "SELECT SUM(status = 'ready'), SUM(num_windows * (status = 'ready')), SUM(status = 'failed') FROM videos"
        )
        ((ready, windows, failed),) = self._all(query)
        return ready or 0, windows or 0, failed or 0

    def insert(
        self, video: NewVideo, *, row: int | None, first_window: int | None, checksums: Mapping[str, Sequence[int]]
    ) -> None:
        """Write a video and its windows, within a transaction."""
        if video.replaces is not None:
            self.mark_gone([video.replaces])
        facts, vectors = video.facts, video.vectors
        count = 0 if vectors is None else len(vectors.starts)
        values = {name: getattr(facts, name) for name in _FACTS} | {"id": self._free_id(facts.id)}
        times = None if vectors is None else _pack_times(vectors.starts, vectors.ends)
        names = ["row", "first_window", "num_windows", "times", "checksums", *_FACTS]
        written = [row, first_window, count, times, json.dumps(checksums), *values.values()]
        marks = ", ".join("?" * len(names))
        columns = ", ".join(f'"{name}"' for name in names)
        self._open.execute(f"INSERT INTO videos ({columns}) VALUES ({marks})", written)

    def _free_id(self, wanted: str) -> str:
        """Return an id that no video has, such as "a", "a (2)"."""
        found, number = wanted, 1
        while self._all("SELECT 1 FROM videos WHERE id = ? AND status != 'gone'", [found]):
            number += 1
            found = f"{wanted} ({number})"
        return found

    def mark_gone(self, numbers: Iterable[int]) -> None:
        """Mark videos gone, within a transaction."""
        self._open.executemany("UPDATE videos SET status = 'gone' WHERE number = ?", ((one,) for one in numbers))

    def mark_ready(self, number: int) -> None:
        """Bring back a video that was gone, within a transaction."""
        self._open.execute("UPDATE videos SET status = 'ready' WHERE number = ?", [number])

    def update(self, number: int, facts: VideoFacts) -> None:
        """Write anew what is known of a video besides its vectors, within a transaction."""
        names = [name for name in _FACTS if name not in ("id", "status")]
        changes = ", ".join(f'"{name}" = ?' for name in names)
        values = [getattr(facts, name) for name in names]
        self._open.execute(f"UPDATE videos SET {changes} WHERE number = ?", [*values, number])

    def rows(
        self, *, status: Status | None = None, below: str | None = None, **equal: str | Iterable[str]
    ) -> list[VideoRow]:
        """See `Store.rows`."""
        condition = "status != 'gone'" if status is None else "status = ?"
        given: list[Any] = [] if status is None else [status]
        if below is not None:
            condition, given = f"{condition} AND substr(path, 1, ?) = ?", [*given, len(below) + 1, f"{below}/"]
        lists: list[list[str]] = [[]]
        for name, value in equal.items():
            if name not in _FACTS:
                raise ValueError(f"videos have no {name!r}")
            if isinstance(value, str):
                condition, given = f'{condition} AND "{name}" = ?', [*given, value]
            else:
                condition, several = f'{condition} AND "{name}" IN ({{}})', list(value)
                lists = [several[at : at + _PARAMETERS_AT_ONCE] for at in range(0, len(several), _PARAMETERS_AT_ONCE)]
        found = []
        for some in lists:
            where = condition.format(", ".join("?" * len(some)))
            query = f"SELECT number, num_windows, {_COLUMNS} FROM videos WHERE {where} ORDER BY number"
            found += self._all(query, [*given, *some])
        return [VideoRow(number, VideoFacts(*facts), count) for number, count, *facts in found]

    def videos(self, numbers: Iterable[int]) -> dict[int, VideoRow]:
        """Return number -> video, whatever its status."""
        found = self._each(f"num_windows, {_COLUMNS}", numbers)
        return {number: VideoRow(number, VideoFacts(*facts), count) for number, (count, *facts) in found.items()}

    def places(self) -> NDArray[np.int64]:
        """Return (V, 4) row, number, first window, windows of all videos that have vectors, gone ones too, by row."""
        query = "SELECT row, number, first_window, num_windows FROM videos WHERE row IS NOT NULL ORDER BY row"
        return np.array(self._all(query), dtype=np.int64).reshape(-1, 4)

    def places_of(self, numbers: Iterable[int]) -> dict[int, tuple[int, int, int, dict[str, list[int]]]]:
        """Return number -> (row, first window, windows, checksums) of videos that have vectors."""
        found = self._each("row, first_window, num_windows, checksums", numbers)
        return {
            number: (row, first, count, self.read_values(checksums))
            for number, (row, first, count, checksums) in found.items()
        }

    def read_values(self, text: str) -> Any:
        """Return what a column holds as JSON.

        Raises:
            UserError: it is damaged.
        """
        try:
            return json.loads(text)
        except (ValueError, TypeError) as error:
            raise self._damaged(error) from None

    def checksums_at(self, window: int) -> str:
        """Return the checksums, as they are stored, of the video to which a window belongs; "" where there is none."""
        query = "SELECT checksums FROM videos WHERE first_window <= ? ORDER BY row DESC LIMIT 1"
        found = self._all(query, [window])
        return str(found[0][0]) if found else ""

    def times(self) -> NDArray[np.float64]:
        """Return (N, 2) start and end in seconds of all windows, those of gone videos too.

        Raises:
            UserError: they are damaged.
        """
        query = "SELECT num_windows, times, path FROM videos WHERE row IS NOT NULL ORDER BY row"
        every = [self._unpack(*one) for one in self._all(query)]
        return np.concatenate([np.empty((0, 2)), *every])

    def times_of(self, numbers: Iterable[int]) -> Iterator[NDArray[np.float64]]:
        """Yield (W, 2) start and end in seconds of the windows of each of these videos.

        Raises:
            UserError: they are damaged.
        """
        found = self._each("num_windows, times, path", numbers)
        return (self._unpack(*one) for one in found.values())

    def _unpack(self, count: int, packed: bytes, path: str) -> NDArray[np.float64]:
        times = _unpack_times(packed)
        if times is None or len(times) != count:
            raise UserError(f"{self.path} is damaged: the times of {path} are lost; make the index again")
        return times

    def select(self, where: Filter) -> NDArray[np.int64]:
        """Return the rows (n,) of ready videos that meet a filter; its time is about windows and not looked at."""
        conditions = ["v.status = 'ready'", "v.row IS NOT NULL"]
        values: list[Any] = []
        for name, texts in where.texts.items():
            marks = ", ".join("?" * len(texts))
            if name in _FACTS:
                conditions.append(f'v."{name}" IN ({marks})')
                values += texts
            else:
                own = "SELECT 1 FROM fields f WHERE f.path = v.path AND f.name = ?"
                conditions.append(f"EXISTS ({own} AND f.text IN ({marks}))")
                values += [name, *texts]
        if where.globs:
            conditions.append("(" + " OR ".join(["v.path GLOB ? OR v.path GLOB ?"] * len(where.globs)) + ")")
            values += [text for glob in where.globs for text in (glob, f"*/{glob}")]
        for name, bounds in where.ranges.items():
            ends: list[Any] = [bounds.low, bounds.high]
            if name == "duration":
                conditions.append("v.duration_seconds BETWEEN ? AND ?")
                values += ends
            else:
                own = "SELECT 1 FROM fields f WHERE f.path = v.path AND f.name = ?"
                conditions.append(f"EXISTS ({own} AND f.number BETWEEN ? AND ?)")
                values += [name, *ends]
        query = f"SELECT v.row FROM videos v WHERE {' AND '.join(conditions)} ORDER BY v.row"
        return np.array(self._all(query, values), dtype=np.int64).reshape(-1)

    def field_names(self) -> list[str]:
        """Return the names of own fields."""
        return [name for (name,) in self._all("SELECT DISTINCT name FROM fields ORDER BY name")]

    def set_fields(self, values: Mapping[str, Mapping[str, str]]) -> None:
        """Write own fields, path -> name -> text, within a transaction; texts that are numbers are kept as both."""
        rows = [(name, path, text, _number(text)) for path, named in values.items() for name, text in named.items()]
        statement = (  # REPLACE would delete rows unseen by triggers
            "INSERT INTO fields (name, path, text, number) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (name, path) DO UPDATE SET text = excluded.text, number = excluded.number"
        )
        self._open.executemany(statement, rows)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _pack_times(starts: NDArray[np.float64], ends: NDArray[np.float64]) -> bytes:
    """Pack the times (W,) of windows, to the microsecond: those at equal distances take next to nothing."""
    steps = np.diff(np.rint(1e6 * np.stack([starts, ends - starts])).astype("<i8"), axis=1, prepend=0)  # (2, W)
    return zlib.compress(steps.tobytes())


def _unpack_times(packed: bytes) -> NDArray[np.float64] | None:
    """Return (W, 2), None where it is damaged."""
    try:
        steps = np.frombuffer(zlib.decompress(packed), "<i8").reshape(2, -1)
    except (zlib.error, TypeError, ValueError):
        return None
    starts, lengths = steps.cumsum(axis=1)
    times = np.empty((len(starts), 2))
    times[:, 0], times[:, 1] = starts, starts + lengths
    times /= 1e6
    return times
