"""A store holds what it has confirmed, gives back what it was given, and names what is damaged."""

import contextlib
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from coview.collection import local_store, sealed_tables, vectors
from coview.collection.catalogue import Catalogue
from coview.collection.filters import Filter, Range
from coview.collection.labels import Labels
from coview.collection.local_store import LocalStore
from coview.collection.store import NewVideo, Store, VideoFacts
from coview.collection.vectors import Product, cosines
from coview.errors import UserError
from small_index import random_video

EVERYTHING = Filter()


def reopened(store):
    store.close()
    return LocalStore(store.folder, store.views, identity={"index": "x"})


def add(store, *videos):
    with store.writing():
        store.add(videos)


def search(store, vector, **settings):
    chosen = {"top": 5, "kind": "moments", "where": EVERYTHING, "per_video": 2, **settings}
    return store.search({"rgb": vector}, **chosen)


def test_it_is_a_store(store):
    held: Store = store
    assert all(callable(getattr(held, name)) for name in ("add", "remove", "get", "search", "rows", "writing"))


def test_what_was_added_comes_back(store):
    generator = np.random.default_rng(0)
    made = [random_video(generator, f"v{number}", windows=number + 1, label=f"l{number}") for number in range(4)]
    add(store, *made[:2])
    add(store, *made[2:])
    store = reopened(store)
    assert [row.facts for row in store.rows()] == [video.facts for video in made]
    for row, video in zip(store.rows(), made, strict=True):
        vectors = store.get(row.number)
        np.testing.assert_array_equal(vectors.windows["rgb"], video.vectors.windows["rgb"].astype(np.float16))
        np.testing.assert_array_equal(vectors.whole["rgb"], video.vectors.whole["rgb"].astype(np.float16))
        np.testing.assert_array_equal(vectors.starts, video.vectors.starts)
        np.testing.assert_array_equal(vectors.ends, video.vectors.ends)
    assert store.totals() == (4, 10, 0)


def test_each_video_finds_itself_first_until_it_is_removed(store):
    generator = np.random.default_rng(0)
    made = [random_video(generator, f"v{number}", windows=5) for number in range(30)]
    add(store, *made)
    for number, video in enumerate(made, start=1):
        first = search(store, video.vectors.windows["rgb"][2])[0]
        assert (first.number, first.cosine) == (number, pytest.approx(1, abs=1e-3))
        assert first.start_seconds <= 2.0 < 4.0 <= first.end_seconds
        assert search(store, video.vectors.whole["rgb"], kind="videos")[0].number == number
    with store.writing():
        store.remove([7])
    assert all(one.number != 7 for one in search(store, made[6].vectors.windows["rgb"][2], top=100))
    assert store.totals() == (29, 145, 0)


def test_one_video_does_not_fill_the_list(store):
    generator = np.random.default_rng(0)
    query = random_video(generator, "q", windows=1).vectors.windows["rgb"][0]
    long = random_video(generator, "long", windows=200)
    close = query + 0.1 * long.vectors.windows["rgb"]
    long.vectors.windows["rgb"][:] = close / np.linalg.norm(close, axis=1, keepdims=True)
    add(store, long, *(random_video(generator, f"v{number}", windows=5) for number in range(10)))
    found = search(store, query, top=8, per_video=3)
    assert [one.number for one in found].count(1) == 3
    assert len(found) == 8
    assert [one.number for one in search(store, query, top=8, per_video=100)] == [1] * 8


def test_a_replaced_video_keeps_its_id_and_the_old_one_is_not_found(store):
    generator = np.random.default_rng(0)
    old, new = random_video(generator, "v", windows=3), random_video(generator, "v", windows=4)
    add(store, old)
    add(store, NewVideo(new.facts, new.vectors, replaces=1))
    assert [(row.number, row.facts.id, row.num_windows) for row in store.rows()] == [(2, "v", 4)]
    assert [row.number for row in store.rows(status="gone")] == [1]
    assert {one.number for one in search(store, old.vectors.windows["rgb"][0])} == {2}


def test_two_videos_of_one_id_and_a_failed_one(store):
    generator = np.random.default_rng(0)
    first = random_video(generator, "a", windows=1)
    other = NewVideo(VideoFacts(id="a", path="elsewhere/a.mp4"), first.vectors)
    failed = NewVideo(VideoFacts(id="b", path="b.mp4", status="failed", reason="corrupt: so"))
    add(store, first, failed, other)
    assert [row.facts.id for row in store.rows()] == ["a", "b", "a (2)"]
    assert store.totals() == (2, 2, 1)
    assert len(search(store, first.vectors.whole["rgb"], kind="videos")) == 2


def test_what_was_not_confirmed_is_cut_off(store):
    generator = np.random.default_rng(0)
    add(store, random_video(generator, "a", windows=3))
    file = store.folder / "vectors" / "rgb-windows.f16"
    whole = file.read_bytes()
    file.write_bytes(whole + b"\xff" * 1001)  # a process that died while it appended
    assert len(search(store, np.eye(16, dtype=np.float32)[0])) > 0
    with store.writing():
        assert file.read_bytes() == whole
    file.write_bytes(whole + b"\xff" * 64)
    add(store, random_video(generator, "b", windows=2))
    assert len(file.read_bytes()) == 5 * 16 * 2
    assert store.damaged() == []


GROW = """
import sys
from pathlib import Path
import numpy as np
from coview.collection.local_store import LocalStore
from coview.collection.store import NewVideo, VideoFacts, VideoVectors

store = LocalStore(Path(sys.argv[1]), {"rgb": 16}, identity={"index": "x"})
with store.writing():
    print("begun", flush=True)
    for number in range(len(store.rows()), 10_000):
        rows = np.random.default_rng(number).standard_normal((1 + number % 50, 16)).astype(np.float32)
        starts = np.arange(len(rows), dtype=np.float64)
        vectors = VideoVectors({"rgb": rows}, starts, starts + 2, {"rgb": rows[0]})
        store.add([NewVideo(VideoFacts(id=f"v{number}", path=f"v{number}"), vectors)])
        print(number, flush=True)
"""


def test_killed_while_it_grows_it_holds_what_it_confirmed(store):
    """SIGKILL at random moments, many times in one store; what was printed is there, and every vector is right."""
    store.close()
    moments = random.Random(3)
    confirmed, kills, held = -1, 0, 0
    for _ in range(12):
        command = [sys.executable, "-c", GROW, str(store.folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout.readline() == "begun\n"
            said = [process.stdout.readline().strip() for _ in range(moments.randrange(1, 6))]
            time.sleep(moments.uniform(0, 0.03))
            process.kill()
            said += process.stdout.read().split("\n")[:-1]  # the last line may be cut off
        kills += process.returncode == -signal.SIGKILL
        confirmed = max([confirmed, *map(int, said)])
        here = reopened(store)
        rows = here.rows()
        held = max(held, confirmed + 1)
        assert held <= len(rows) <= held + 1  # one may be there and not yet printed
        held = len(rows)
        assert here.damaged() == []
        here.close()
    here = reopened(store)
    for number, row in enumerate(here.rows()):
        expected = np.random.default_rng(number).standard_normal((1 + number % 50, 16)).astype(np.float32)
        np.testing.assert_array_equal(here.get(row.number).windows["rgb"], expected.astype(np.float16))
    assert kills == 12
    assert confirmed > 20


def test_a_failing_transaction_leaves_everything_as_it_was(store, monkeypatch):
    generator = np.random.default_rng(0)
    add(store, random_video(generator, "a", windows=3))

    def fail(*arguments, **named):
        raise OSError(28, "No space left on device")

    before = [row.facts for row in store.rows()]
    monkeypatch.setattr(local_store.VectorFile, "append", fail)
    with pytest.raises(UserError, match="is full"):
        add(store, random_video(generator, "b", windows=3))
    monkeypatch.undo()
    monkeypatch.setattr(store.catalogue, "_free_id", fail)
    with pytest.raises(OSError, match="No space"):
        add(store, random_video(generator, "b", windows=3))
    monkeypatch.undo()
    assert [row.facts for row in store.rows()] == before
    add(store, random_video(generator, "b", windows=3))
    assert [row.facts.id for row in reopened(store).rows()] == ["a", "b"]


def test_sqlite_on_a_full_disk_is_named(store):
    generator = np.random.default_rng(0)
    add(store, random_video(generator, "a", windows=3))
    (pages,) = store.catalogue._open.execute("PRAGMA page_count").fetchone()
    store.catalogue._open.execute(f"PRAGMA max_page_count = {pages}")
    confirmed = ["a"]

    def fill():
        for number in range(1000):
            add(store, random_video(generator, f"b{number}", windows=3))
            confirmed.append(f"b{number}")

    with pytest.raises(UserError, match="is full"):
        fill()
    assert [row.facts.id for row in reopened(store).rows()] == confirmed


def test_one_writer_at_a_time(store):
    other = LocalStore(store.folder, store.views, identity={"index": "x"})
    with store.writing(), pytest.raises(UserError, match="another process is writing"):
        other.writing().__enter__()
    with other.writing():
        pass


def test_a_reader_sees_what_another_adds(store):
    generator = np.random.default_rng(0)
    add(store, random_video(generator, "a", windows=3))
    reader = LocalStore(store.folder, store.views, identity={"index": "x"})
    vector = np.eye(16, dtype=np.float32)[0]
    assert {one.number for one in search(reader, vector)} == {1}
    add(store, random_video(generator, "b", windows=3))
    assert {one.number for one in search(reader, vector)} == {1, 2}
    with store.writing():
        store.remove([1])
    assert {one.number for one in search(reader, vector)} == {2}


@pytest.mark.parametrize("part", ["windows", "videos"])
def test_damaged_vectors_are_named(store, part):
    generator = np.random.default_rng(0)
    made = [random_video(generator, f"v{number}", windows=3) for number in range(3)]
    add(store, *made)
    file = store.folder / "vectors" / f"rgb-{part}.f16"
    whole = bytearray(file.read_bytes())
    place = (4 if part == "windows" else 1) * 32 + 5
    whole[place] ^= 0x40
    file.write_bytes(whole)
    store = reopened(store)
    assert store.damaged() == [2]
    with pytest.raises(UserError, match=rf"rgb-{part}.f16 is damaged where it holds ../videos/v1.mp4.*--verify"):
        search(store, made[1].vectors.whole["rgb"])
    file.write_bytes(whole[:-7])
    with pytest.raises(UserError, match=rf"rgb-{part}.f16 is cut off"):
        reopened(store).writing().__enter__()
    file.unlink()
    with pytest.raises(UserError, match=rf"rgb-{part}.f16 is gone"):
        reopened(store).get(1)


def test_vectors_that_are_no_numbers_are_named(store):
    generator = np.random.default_rng(0)
    add(store, *(random_video(generator, f"v{number}", windows=3) for number in range(3)))
    file = store.folder / "vectors" / "rgb-windows.f16"
    whole = bytearray(file.read_bytes())
    whole[3 * 32 : 6 * 32] = np.full(48, np.nan, np.float16).tobytes()
    file.write_bytes(whole)
    with pytest.raises(UserError, match="damaged where it holds ../videos/v1.mp4"):
        search(reopened(store), np.eye(16, dtype=np.float32)[0])


def test_a_damaged_table_is_named(store):
    add(store, random_video(np.random.default_rng(0), "a", windows=300))
    store.close()
    table = store.folder / "index.sqlite"
    whole = table.read_bytes()
    for damaged in (b"no table at all", b"\0" * 100 + whole[100:], whole[:4096], b""):
        table.write_bytes(damaged)
        with pytest.raises(UserError, match="index.sqlite"):
            reopened(store).rows()
    table.unlink()
    with pytest.raises(UserError, match="is gone"):
        reopened(store)


@pytest.mark.parametrize("column", ["times", "checksums", "path", "label", "status"])
def test_a_changed_byte_of_a_row_is_told_with_its_video(store, column):
    generator = np.random.default_rng(0)
    add(store, *(random_video(generator, f"v{number}", windows=3 + number, label="walk") for number in range(3)))
    ((checksums, value),) = store.catalogue.query(f'SELECT checksums, "{column}" FROM videos WHERE number = 2')
    store.catalogue.check()  # notes that all is sound
    store.close()
    table = store.folder / "index.sqlite"
    whole = bytearray(table.read_bytes())
    row, sought = whole.index(checksums.encode()), value if column == "times" else value.encode()
    at = whole.rindex(sought, 0, row) if column == "times" else whole.index(sought, row)
    whole[at + len(sought) // 2] ^= 1
    table.write_bytes(whole)
    with pytest.raises(UserError, match=r"index.sqlite is damaged \(what it says of '\.\./.*1.mp4' .*row 2.*bring"):
        reopened(store)


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("DELETE FROM videos WHERE number = 2", "videos holds 2 rows, which are not all"),
        ("UPDATE fields SET text = 'Tuesday'", "'../videos/v1.mp4' has changed: fields, row 'day'"),
        ("UPDATE labels SET start_seconds = NULL", "'../videos/v0.mp4' has changed: labels, row 1"),
        ("UPDATE label_classes SET name = 'run'", "'run' has changed: label_classes, row 1"),
        ("DROP INDEX live_paths", "its tables are not those of an index"),
        ("DELETE FROM seals", "videos holds 3 rows"),
    ],
)
def test_what_no_writer_of_ours_wrote_is_told(store, statement, words):
    write_everything(store)
    store.catalogue.check()
    store.close()
    with contextlib.closing(sqlite3.connect(store.folder / "index.sqlite")) as table, table:
        table.execute(statement)
    with pytest.raises(UserError, match=rf"index.sqlite is damaged \(.*{words}"):
        reopened(store)


def test_rows_are_compared_once_after_a_change(store, monkeypatch):
    compared = []
    whole = sealed_tables._find_damaged_row
    monkeypatch.setattr(sealed_tables, "_find_damaged_row", lambda table: compared.append(1) or whole(table))
    write_everything(store)
    compared.clear()
    for _ in range(3):
        store = reopened(store)
    assert len(compared) == 1
    with store.writing():
        store.remove([1])
        store.check_table()  # as `coview index` does in the end
    assert len(compared) == 2
    store = reopened(store)
    assert len(compared) == 2


def write_everything(store):
    """Write in every way that there is: three videos, a field, a label, and what was taken back or replaced."""
    generator = np.random.default_rng(0)
    made = [random_video(generator, f"v{number}", windows=3) for number in range(3)]
    with store.writing():
        store.add(made)
        store.remove([2])
        store.update({2: made[1].facts}, ready=[2])
        for day in ("Sunday", "Monday"):
            store.set_fields({"../videos/v1.mp4": {"day": day}})
    labels = Labels(Catalogue(store.folder / "index.sqlite", identity={"index": "x"}), store, store.folder)
    for name in ("walk", "walk", "sit"):
        labels.add("v0", name, start=1.0, end=2.0)
    labels.undo()
    labels.close()


def test_what_was_written_in_every_way_is_sound(store):
    write_everything(store)
    store = reopened(store)
    assert len(store.rows()) == 3
    assert store.catalogue.query("SELECT text FROM fields") == [("Monday",)]


def test_a_video_that_the_table_lacks_is_told(store):
    for ask in (store.video, store.get, lambda number: store.check([number])):
        with pytest.raises(UserError, match="it has no video 99"):
            ask(99)


def test_a_table_of_another_index_is_refused(store):
    store.close()
    with pytest.raises(UserError, match="does not belong to the index.yaml"):
        LocalStore(store.folder, store.views, identity={"index": "y"})


def test_a_full_row_count_needs_no_python_loop(store):
    """One statement a search, however many videos: what is asked of SQLite does not grow with the index."""
    generator = np.random.default_rng(0)
    add(store, *(random_video(generator, f"v{number}", windows=2) for number in range(50)))
    statements = []
    store.catalogue._open.set_trace_callback(statements.append)
    search(store, np.eye(16, dtype=np.float32)[0], top=3)
    assert len(statements) < 25


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 1.0])
def test_the_compiled_product_equals_numpys(share, monkeypatch):
    generator = np.random.default_rng(0)
    rows = generator.standard_normal((40_000, 24)).astype(np.float16)
    rows[0], rows[1] = 6e-8, 65504  # the least and the largest there is
    rows[2, 3] = np.nan
    chosen = generator.random(40_000) < share
    chosen[:3] = share > 0
    query = generator.standard_normal(24).astype(np.float32)
    monkeypatch.setattr(vectors, "_FEW_NUMBERS", 10**9)
    (plain,) = cosines([Product(rows, query, chosen)])
    monkeypatch.setattr(vectors, "_FEW_NUMBERS", 0)
    (compiled,) = cosines([Product(rows, query, chosen)])
    np.testing.assert_allclose(compiled, plain, rtol=1e-3, atol=1e-5)
    assert (np.isneginf(plain) == ~chosen).all()
    if share > 0:
        assert plain[2] == compiled[2] == np.inf
        place = 3 + int(chosen[3:].argmax())
        assert plain[place] == pytest.approx(float(rows[place].astype(np.float32) @ query), rel=1e-4)


def test_searches_of_many_threads_at_once_find_what_each_finds_alone(store, monkeypatch):
    monkeypatch.setattr(vectors, "_FEW_NUMBERS", 0)
    generator = np.random.default_rng(0)
    made = [random_video(generator, f"v{number}", windows=9, label=f"l{number % 3}") for number in range(300)]
    add(store, *made)
    filters = (EVERYTHING, Filter(texts={"label": ("l1",)}), Filter(time=Range(2.0, 4.0)))
    asked = [
        (video.vectors.windows["rgb"][3], {"where": where, "top": top})
        for video in made[:20]
        for where in filters
        for top in (1, 30)
    ]
    alone = [search(store, vector, **settings) for vector, settings in asked]
    with ThreadPoolExecutor(12) as threads:
        together = list(threads.map(lambda one: search(store, one[0], **one[1]), asked))
    assert together == alone


def test_a_search_while_another_thread_adds_sees_whole_videos(store):
    generator = np.random.default_rng(0)
    made = [random_video(generator, f"v{number}", windows=3 + number % 4) for number in range(120)]
    add(store, *made[:20])
    query, ends = made[0].vectors.windows["rgb"][0], threading.Event()

    def look():
        found = []
        while not ends.is_set():
            found.append(search(store, query, top=500, per_video=100))
        return found

    with ThreadPoolExecutor(3) as threads:
        looking = [threads.submit(look) for _ in range(3)]
        for at in range(20, 120, 5):
            add(store, *made[at : at + 5])
        ends.set()
        seen = [hits for one in looking for hits in one.result()]
    assert all(hits[0].number == 1 for hits in seen)
    assert {len({hit.number for hit in hits}) % 5 for hits in seen} == {0}, (
        "what is confirmed together is seen together"
    )


def test_sqlite_holds_what_people_may_read(store):
    add(store, random_video(np.random.default_rng(0), "a", windows=2))
    with sqlite3.connect(store.folder / "index.sqlite") as table:
        rows = table.execute("SELECT path, status, num_windows FROM videos")
        assert list(rows) == [("../videos/a.mp4", "ready", 2)]


def test_times_of_windows_take_little_and_are_named_where_they_are_damaged(store):
    starts = np.arange(1000) * 0.213333
    video = random_video(np.random.default_rng(0), "a", windows=1000)
    add(store, replace(video, vectors=replace(video.vectors, starts=starts, ends=starts + 0.64)))
    number = store.rows()[0].number
    (kept,) = store.catalogue.times_of([number])
    np.testing.assert_array_equal(store.catalogue.times(), kept)
    np.testing.assert_allclose(kept, np.stack([starts, starts + 0.64], axis=1), atol=1e-6)
    ((size,),) = store.catalogue.query("SELECT LENGTH(times) FROM videos")
    assert size < 2 * len(starts)
    with store.catalogue.transaction():
        store.catalogue.write("UPDATE videos SET times = x'00'")
    with pytest.raises(UserError, match="is damaged: the times of ../videos/a.mp4 are lost"):
        store.get(number)
