"""Very many windows: sorted into cells by themselves, searched there without losing hits, and never trusted blindly."""

import builtins
import shutil
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from coview.collection import cells as cells_module
from coview.collection import local_store
from coview.collection.cells import Cells, build_cells
from coview.collection.filters import Filter
from coview.collection.local_store import LocalStore
from coview.collection.store import NewVideo, VideoFacts, VideoVectors, mean_vector

faiss = pytest.importorskip("faiss", reason="faiss-cpu is not installed: an approximate index needs it")
SIZES = {"rgb": 24, "flow": 16}


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def scenes(generator, count, *, first=0, windows=10):
    """Videos that each show one of 40 scenes, a little different every time."""
    middles = {view: np.random.default_rng(5).standard_normal((40, size)) for view, size in SIZES.items()}
    made = []
    for number in range(first, first + count):
        scene = int(generator.integers(40))
        rows = {
            view: unit(middles[view][scene] + 0.6 * generator.standard_normal((windows, size)))
            for view, size in SIZES.items()
        }
        starts = np.arange(windows, dtype=np.float64)
        facts = VideoFacts(id=f"v{number}", path=f"v{number}", label=f"l{number % 20}")
        whole = {view: mean_vector(values) for view, values in rows.items()}
        made.append(NewVideo(facts, VideoVectors(rows, starts, starts + 2, whole)))
    return made


def add(store, videos):
    with store.writing():
        store.add(videos)
        store.sort()


def search(store, video, *, views=("rgb", "flow"), where=None, top=10):
    vectors = video.vectors.windows
    query = {view: vectors[view][4] for view in views}
    return store.search(query, top=top, kind="moments", where=where or Filter(), per_video=3)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A folder with 4,000 windows in cells, and its videos."""
    folder = tmp_path_factory.mktemp("many") / "idx"
    store = LocalStore(folder, SIZES, identity={"index": "x"}, create=True)
    videos = scenes(np.random.default_rng(0), 400)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local_store, "FEWEST_SORTED", 1000)
        add(store, videos)
    store.close()
    return folder, videos


@pytest.fixture
def few(monkeypatch):
    """Cells from 1,000 windows on, and few windows that are looked at."""
    monkeypatch.setattr(local_store, "FEWEST_SORTED", 1000)
    monkeypatch.setattr(cells_module, "FEWEST_WANTED", 300)


@pytest.fixture
def store(built, few, tmp_path):
    """A copy of that folder, opened."""

    shutil.copytree(built[0], tmp_path / "idx")
    opened = LocalStore(tmp_path / "idx", SIZES, identity={"index": "x"})
    yield opened
    opened.close()


def exactly(store, monkeypatch, *arguments, **named):
    """What a search finds that looks at everything."""
    with monkeypatch.context() as patch:
        patch.setattr(local_store, "FEWEST_SORTED", 10**9)
        return search(store, *arguments, **named)


def places(found):
    return {(one.number, one.start_seconds, one.end_seconds) for one in found}


@pytest.mark.parametrize("views", [("rgb", "flow"), ("flow",)])
@pytest.mark.parametrize("where", [None, Filter(texts={"label": ("l3",)})])
def test_cells_find_what_a_full_search_finds(built, store, monkeypatch, views, where):
    looked_at = []
    product = local_store.cosines_at
    monkeypatch.setattr(local_store, "cosines_at", lambda *given: looked_at.append(len(given[2])) or product(*given))
    shared, wanted = 0, 0
    for video in built[1][:60]:
        expected = exactly(store, monkeypatch, video, views=views, where=where)
        found = search(store, video, views=views, where=where)
        shared, wanted = shared + len(places(found) & places(expected)), wanted + len(expected)
        by_place = {(one.number, one.start_seconds): one for one in expected}
        for one in found:
            if (one.number, one.start_seconds) in by_place:  # ranked by the vectors themselves, not by a code of them
                assert one.cosine == pytest.approx(by_place[one.number, one.start_seconds].cosine, abs=1e-5)
    assert shared >= 0.98 * wanted
    assert len(looked_at) == 60 * len(views)
    assert max(looked_at) < 1000


def test_what_comes_later_is_found_at_once_and_sorted_in_time(built, store):
    file = store.folder / "ann" / "cells.safetensors"
    before = file.read_bytes()
    later = scenes(np.random.default_rng(1), 20, first=400)
    add(store, later)
    assert file.read_bytes() == before  # a twentieth more is looked at one by one
    for number, video in enumerate(later, start=401):
        assert search(store, video)[0].number == number
    add(store, scenes(np.random.default_rng(2), 40, first=420))
    assert store._cell_file.read().count == 4600


def test_what_is_removed_is_not_found(built, store):
    with store.writing():
        store.remove([8])
    assert 8 not in {one.number for one in search(store, built[1][7], top=50)}


def damage_bytes(file):
    whole = bytearray(file.read_bytes())
    whole[-20] ^= 0xFF
    file.write_bytes(whole)


def cut_off(file):
    file.write_bytes(file.read_bytes()[:-1000])


def point_outside(file):
    """What a stranger might write: numbers of windows that do not exist."""
    tensors = load_file(file)
    tensors["rgb:rows"] = np.full_like(tensors["rgb:rows"], 2**32 - 1)
    save_file(tensors, file, metadata={"format": "1", "count": "4000", "names": '["rgb"]', "sum": "0", "of": ""})


def leave_out(file):
    save_file({"rgb:rows": np.zeros(3, np.uint32)}, file, metadata={"format": "1", "count": "x", "names": "[3]"})


def name_nothing(file):
    file.write_bytes(b"not a table of numbers")


@pytest.mark.parametrize("damage", [damage_bytes, cut_off, point_outside, leave_out, name_nothing])
def test_damaged_cells_are_told_of_and_made_again(built, store, damage, caplog):
    file = store.folder / "ann" / "cells.safetensors"
    damage(file)
    assert search(store, built[1][7])[0].number == 8
    assert search(store, built[1][8])[0].number == 9
    told = [message for message in caplog.messages if "searches look at everything" in message]
    assert len(told) == 1
    assert str(file) in told[0]
    with store.writing():
        store.sort()
    assert store._cell_file.read().count == 4000


def test_cells_of_other_vectors_are_not_used(built, store, tmp_path, caplog):
    other = LocalStore(tmp_path / "other", SIZES, identity={"index": "x"}, create=True)
    videos = scenes(np.random.default_rng(9), 400)
    with other.writing():
        other.add(videos)
    (tmp_path / "other" / "ann").mkdir()
    (store.folder / "ann" / "cells.safetensors").rename(tmp_path / "other" / "ann" / "cells.safetensors")
    assert search(other, videos[7])[0].number == 8
    assert "made of other vectors" in caplog.text


def test_without_faiss_a_search_looks_at_everything(built, store, monkeypatch, caplog):
    (store.folder / "ann" / "cells.safetensors").unlink()
    usual = builtins.__import__

    def refuse(name, *arguments, **named):
        if name == "faiss":
            raise ImportError(name)
        return usual(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with store.writing():
        store.sort()
    assert "looks at all 4,000 windows" in caplog.text
    assert "coview[ann]" in caplog.text
    assert search(store, built[1][7])[0].number == 8


def test_a_filter_opens_more_cells(monkeypatch):
    monkeypatch.setattr(cells_module, "FEWEST_WANTED", 4)
    cells = Cells(np.eye(3, dtype=np.float32), np.array([0, 3, 1, 4, 2, 5], np.uint32), np.array([2, 4, 6]))
    query, chosen = np.array([0.1, 0.9, 0.5], np.float32), np.ones(8, bool)
    assert cells.choose(query, chosen).tolist() == [1, 2, 4, 5, 6, 7]  # two cells, and what came later
    chosen[[2, 4, 7]] = False
    assert cells.choose(query, chosen).tolist() == [0, 1, 3, 5, 6]
    chosen[:] = False
    assert cells.choose(query, chosen).tolist() == []


def test_cells_part_what_is_apart():
    generator = np.random.default_rng(0)
    middles = np.eye(3, 16)[generator.integers(3, size=64)]
    rows = unit(middles + 0.01 * generator.standard_normal((64, 16)))
    cells = build_cells(lambda places: rows[places], 64)
    assert cells.are_whole(16)
    for first, stop in zip([0, *cells.ends], cells.ends, strict=False):
        assert len(np.unique(middles[cells.rows[first:stop]], axis=0)) <= 1


@pytest.mark.parametrize("order", ["torch, faiss", "faiss, torch"])
def test_faiss_and_torch_get_on_in_one_process(order):
    """Each brings an OpenMP of its own."""
    script = f"""
import {order}
import numpy as np
rows = np.random.default_rng(0).standard_normal((4096, 32)).astype("f4")
means = faiss.Kmeans(32, 16, niter=2)
means.train(rows)
with torch.no_grad():
    before = torch.nn.functional.conv3d(torch.ones(2, 3, 8, 32, 32), torch.ones(4, 3, 3, 3, 3)).sum()
flat = faiss.IndexFlatIP(32)
flat.add(rows)
assert (flat.search(rows, 1)[1][:, 0] >= 0).all()
assert before == 2 * 4 * 6 * 30 * 30 * 81
"""
    done = subprocess.run(
        [sys.executable, "-c", script], env={"OMP_NUM_THREADS": "2"}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
