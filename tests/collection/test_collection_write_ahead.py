"""The log that a killed process leaves is whole, or it is told; each confirmed step reaches the table."""

import contextlib
import os
import signal
import sqlite3

import numpy as np
import pytest

from coview.collection.catalogue import Catalogue
from coview.collection.write_ahead import is_log_damaged
from coview.errors import UserError

IDENTITY = {"index": "x"}


@pytest.fixture
def left(tmp_path):
    """A table whose process was killed while another one read, so that its last steps are in the log alone."""
    table = tmp_path / "index.sqlite"
    Catalogue(table, identity=IDENTITY, create=True).close()
    child = os.fork()
    if child == 0:
        with contextlib.closing(sqlite3.connect(table)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT * FROM about").fetchall()
            catalogue = Catalogue(table, identity=IDENTITY)
            for number in range(5):
                with catalogue.transaction():
                    catalogue.set_fields({f"v{number}": {"camera": f"c{number}"}})
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    return table


def test_a_sound_log_is_taken_in(left):
    assert left.with_name("index.sqlite-wal").stat().st_size > 0
    assert not is_log_damaged(left)
    with contextlib.closing(Catalogue(left, identity=IDENTITY)) as catalogue:
        assert catalogue.query("SELECT COUNT(*) FROM fields") == [(5,)]


def test_a_damaged_log_is_named_wherever_the_damage_is(left):
    log, random = left.with_name("index.sqlite-wal"), np.random.default_rng(0)
    sound = log.read_bytes()
    for place in [0, 17, 31, len(sound) - 1, *random.integers(len(sound), size=20)]:
        changed = bytearray(sound)
        changed[place] ^= 1 << int(random.integers(8))
        for damaged in (changed, sound[:place]):
            log.write_bytes(damaged)
            assert is_log_damaged(left), place
    with pytest.raises(UserError, match="index.sqlite-wal, which a process that was killed has left, is damaged"):
        Catalogue(left, identity=IDENTITY)
    log.unlink()  # as the message says
    with contextlib.closing(Catalogue(left, identity=IDENTITY)) as catalogue:
        assert catalogue.query("SELECT COUNT(*) FROM fields") == [(0,)]


def test_what_tells_of_another_log_or_of_before_a_start_of_the_machine_is_not_believed(left, tmp_path):
    """The system brings the two files to the disk in no order."""
    log, told = (left.with_name(f"index.sqlite-{end}") for end in ("wal", "shm"))
    with contextlib.closing(sqlite3.connect(tmp_path / "other.sqlite")) as other:
        other.execute("PRAGMA journal_mode=WAL")
        other.execute("CREATE TABLE t (x)")
        other.commit()
        another = (tmp_path / "other.sqlite-wal").read_bytes()
    sound = log.read_bytes()
    log.write_bytes(another)
    assert not is_log_damaged(left)
    log.write_bytes(sound[:-1])
    assert is_log_damaged(left)
    os.utime(told, (1, 1))
    assert not is_log_damaged(left)


def test_what_is_confirmed_leaves_the_log_where_nobody_reads(tmp_path):
    table = tmp_path / "index.sqlite"
    with contextlib.closing(Catalogue(table, identity=IDENTITY, create=True)) as catalogue:
        with catalogue.transaction():
            catalogue.set_fields({"v": {"camera": "c"}})
        assert table.with_name("index.sqlite-wal").stat().st_size == 0
