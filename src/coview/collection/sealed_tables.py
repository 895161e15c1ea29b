"""The tables of an index, and their seals: a byte that changed on the disk is never read as if it had been written.

A row ends with a CRC-32 of its other columns; `seals` holds the sum of them over each table, so that lost rows are
missed too. Triggers, which live in the connection that writes and not in the file, keep both: other programs may read
the file as it is, and what they write is told as damage.

Comparing row by row takes 6 s a million videos. What was found sound is noted by one hash of all its bytes, in a file
beside; as long as the hash is the same, rows need no second look.
"""

import contextlib
import functools
import hashlib
import sqlite3
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from coview.files import hash_file, write_text

TABLES = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE videos (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    row INTEGER UNIQUE,                -- of its whole vector; NULL for a failed video
    first_window INTEGER, num_windows INTEGER NOT NULL,
    times BLOB,                        -- of its windows, packed
    checksums TEXT NOT NULL,           -- JSON: view -> CRC-32 of its windows, of its whole vector
    id TEXT NOT NULL, path TEXT NOT NULL, source TEXT NOT NULL, label TEXT, "group" TEXT,
    size INTEGER, mtime_ns INTEGER, content TEXT, fps REAL, duration_seconds REAL,
    status TEXT NOT NULL, reason TEXT NOT NULL, seal INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX live_ids ON videos (id) WHERE status != 'gone';
CREATE UNIQUE INDEX live_paths ON videos (path) WHERE status != 'gone';
CREATE INDEX sources ON videos (source);
CREATE TABLE fields (
    name TEXT, path TEXT, text TEXT, number REAL, seal INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (name, path)
) WITHOUT ROWID;
CREATE TABLE label_steps (
    number INTEGER PRIMARY KEY AUTOINCREMENT, words TEXT NOT NULL, seal INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE label_classes (
    place INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE NOT NULL, added_by INTEGER NOT NULL,
    seal INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE labels (
    number INTEGER PRIMARY KEY AUTOINCREMENT, path TEXT NOT NULL, content TEXT NOT NULL,
    start_seconds REAL, end_seconds REAL, classes TEXT NOT NULL, who TEXT NOT NULL, made_at TEXT NOT NULL,
    added_by INTEGER NOT NULL, removed_by INTEGER, seal INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX labels_of_videos ON labels (path) WHERE removed_by IS NULL;
CREATE TABLE seals (name TEXT PRIMARY KEY, total INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO seals VALUES ('videos', 0), ('fields', 0), ('label_steps', 0), ('label_classes', 0), ('labels', 0);
"""
_NAMED_BY = {"videos": "path", "fields": "path", "label_steps": "words", "label_classes": "name", "labels": "path"}
"""Sealed table -> the column by which a damaged row is named."""
_TRIGGERS = """
CREATE TEMP TRIGGER IF NOT EXISTS {table}_inserted AFTER INSERT ON main.{table} BEGIN {seal_row}; END;
CREATE TEMP TRIGGER IF NOT EXISTS {table}_updated AFTER UPDATE OF {columns} ON main.{table} BEGIN {seal_row}; END;
CREATE TEMP TRIGGER IF NOT EXISTS {table}_sealed AFTER UPDATE OF seal ON main.{table}
    BEGIN UPDATE seals SET total = total + NEW.seal - OLD.seal WHERE name = '{table}'; END;
CREATE TEMP TRIGGER IF NOT EXISTS {table}_deleted AFTER DELETE ON main.{table}
    BEGIN UPDATE seals SET total = total - OLD.seal WHERE name = '{table}'; END;
"""


def register_seal(connection: sqlite3.Connection) -> None:
    """Let a connection compute seals."""
    connection.create_function("seal", -1, _seal, deterministic=True)


def keep_seals(connection: sqlite3.Connection) -> None:
    """Let every change that a connection makes from now on seal the rows that it changes; outside a transaction."""
    for table, (columns, keys) in _layout().items():
        listed = ", ".join(columns)
        row = " AND ".join(f"{key} = NEW.{key}" for key in keys)
        seal_row = f"UPDATE {table} SET seal = seal({listed}) WHERE {row}"
        connection.executescript(_TRIGGERS.format(table=table, columns=listed, seal_row=seal_row))


def find_damage(connection: sqlite3.Connection, noted: Path) -> str:
    """Return what differs from what was written, in words, "" where nothing does.

    Args:
        connection: to the file.
        noted: the file with the hash of what was last found sound; written anew where it can be.

    Raises:
        sqlite3.DatabaseError: SQLite itself finds the file damaged.
    """
    with _one_state(connection):
        digest = _hash_of(connection, noted.with_suffix(""))
        with contextlib.suppress(OSError, UnicodeDecodeError):
            if digest and digest == noted.read_text(encoding="ascii").strip():
                return ""
        damage = _find_damaged_row(connection)
    if digest and not damage:
        with contextlib.suppress(OSError):  # such as a disk for reading alone
            write_text(noted, f"{digest}\n")
    return damage


def _hash_of(connection: sqlite3.Connection, path: Path) -> str:
    """Return the SHA-256 of what the file is once its log is in it, "" where SQLite is too old to tell."""
    connection.execute("SELECT 1 FROM sqlite_master").fetchall()  # holds the state from here on
    log = path.with_name(f"{path.name}-wal")
    if not log.is_file() or log.stat().st_size == 0:
        return hash_file(path)
    if not hasattr(connection, "serialize"):
        return ""
    return hashlib.sha256(connection.serialize()).hexdigest()


def _find_damaged_row(connection: sqlite3.Connection) -> str:
    if not _schema() <= {*connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master")}:
        return "its tables are not those of an index"
    for table, (columns, keys) in _layout().items():
        differs = f"seal IS NOT seal({', '.join(columns)})"
        noted = "(SELECT total FROM seals WHERE name = ?)"
        query = f"SELECT COUNT(*), TOTAL({differs}), {noted} = COALESCE(SUM(seal), 0) FROM {table} NOT INDEXED"
        ((rows, changed, is_all),) = connection.execute(query, [table])
        if changed:
            query = f"SELECT {_NAMED_BY[table]}, {keys[0]} FROM {table} NOT INDEXED WHERE {differs} LIMIT 1"
            ((name, key),) = connection.execute(query)
            return f"what it says of {name!r} has changed: {table}, row {key!r}"
        if not is_all:
            return f"{table} holds {rows:,} rows, which are not all that were written"
    ((found,),) = connection.execute("PRAGMA integrity_check(1)")  # do indexes agree with their tables?
    return "" if found == "ok" else str(found)


def _seal(*values: Any) -> int:
    """Return the CRC-32 of a row: of its text in ASCII, which is the same in every version of Python."""
    return zlib.crc32(ascii(values).encode())


@contextlib.contextmanager
def _one_state(connection: sqlite3.Connection) -> Iterator[None]:
    """Read what was there at one moment, whatever others write meanwhile."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        if connection.in_transaction:  # SQLite ends it itself after some errors
            connection.execute("ROLLBACK")


@functools.cache
def _schema() -> frozenset[tuple[Any, ...]]:
    """Return (type, name, table, statement) of all that a new file holds."""
    with contextlib.closing(sqlite3.connect(":memory:")) as empty:
        empty.executescript(TABLES)
        return frozenset(empty.execute("SELECT type, name, tbl_name, sql FROM sqlite_master"))


@functools.cache
def _layout() -> dict[str, tuple[list[str], list[str]]]:
    """Return sealed table -> (quoted columns but for the seal, those of its key)."""
    with contextlib.closing(sqlite3.connect(":memory:")) as empty:
        empty.executescript(TABLES)
        found = {table: empty.execute(f"PRAGMA table_info({table})").fetchall() for table in _NAMED_BY}
    return {
        table: (
            [f'"{name}"' for _, name, *_ in rows if name != "seal"],
            [f'"{name}"' for _, name, *_, key in rows if key],
        )
        for table, rows in found.items()
    }
