"""What every store of an index promises, over all kinds of them."""

import numpy as np
import pytest

from coview.collection.filters import Filter, Range
from coview.collection.store import NewVideo, Store, VideoFacts
from coview.collection.stores import STORES, open_store
from coview.errors import UserError
from small_index import random_video

VIEWS = {"rgb": 16}


@pytest.fixture(scope="module", params=STORES)
def kind(request, tmp_path_factory):
    """A kind of store that works here."""
    if request.param == "milvus":
        pytest.importorskip("pymilvus", reason="pymilvus is not installed: pip install 'coview[milvus]'")
        pytest.importorskip("milvus_lite", reason="milvus-lite is not installed: pip install 'coview[milvus]'")
    return request.param


@pytest.fixture(scope="module")
def filled(kind, tmp_path_factory):
    """A store of 20 videos of 5 windows, one more that failed and one that is gone; and the 20. Only read."""
    folder = tmp_path_factory.mktemp(kind)
    store = open_store(kind, folder, VIEWS, identity={"index": f"of {kind}"}, create=True)
    generator = np.random.default_rng(0)
    made = [random_video(generator, f"v{number}", windows=5, label=f"l{number % 4}") for number in range(20)]
    with store.writing():
        store.add(made)
        store.add([random_video(generator, "gone", windows=3), NewVideo(VideoFacts("bad", "b", status="failed"))])
        store.remove([21])
        store.sort()
    yield store, made
    store.close()


def search(store, vector, where=None, **settings):
    chosen = {"top": 5, "kind": "moments", "per_video": 2, **settings}
    return store.search({"rgb": vector}, where=where or Filter(), **chosen)


def all_windows(made, vector, keep=lambda number, window: True):
    """Cosine, number and window of all windows, best first, in plain loops."""
    found = [
        (float(np.float32(np.float16(row)) @ vector), number, window)
        for number, video in enumerate(made, 1)
        for window, row in enumerate(video.vectors.windows["rgb"])
        if keep(number, window)
    ]
    return sorted(found, reverse=True)


def test_it_is_a_store(filled):
    held: Store = filled[0]
    assert dict(held.views) == VIEWS
    assert held.totals() == (20, 100, 1)


def test_vectors_come_back(filled):
    store, made = filled
    for number, video in enumerate(made, 1):
        vectors = store.get(number)
        np.testing.assert_array_equal(vectors.windows["rgb"], video.vectors.windows["rgb"].astype(np.float16))
        np.testing.assert_array_equal(vectors.whole["rgb"], video.vectors.whole["rgb"].astype(np.float16))
        np.testing.assert_array_equal(vectors.starts, video.vectors.starts)
    assert store.damaged() == []


def test_moments_are_ranked_as_by_plain_loops(filled):
    store, made = filled
    generator = np.random.default_rng(7)
    for vector in generator.standard_normal((5, 16)).astype(np.float32):
        vector /= np.linalg.norm(vector)
        expected = all_windows(made, vector)
        found = search(store, vector, top=4, per_video=1)
        best = {}
        for cosine, number, _ in expected:
            best.setdefault(number, cosine)
        assert [one.number for one in found] == list(best)[:4]
        np.testing.assert_allclose([one.cosine for one in found], list(best.values())[:4], atol=1e-5)


def test_whole_videos_are_ranked(filled):
    store, made = filled
    for number in (3, 17):
        first = search(store, made[number - 1].vectors.whole["rgb"], kind="videos", top=3)
        assert first[0].number == number
        assert first[0].cosine == pytest.approx(1, abs=2e-3)
        assert first[0].start_seconds is None
        assert len(first) == 3


@pytest.mark.parametrize(
    ("where", "keep"),
    [
        (Filter(texts={"label": ("l3",)}), lambda number, window: (number - 1) % 4 == 3),
        (Filter(texts={"label": ("l0", "l1", "l2")}), lambda number, window: (number - 1) % 4 != 3),
        (Filter(time=Range(3.5, 100.0)), lambda number, window: window + 2 > 3.5),
        (Filter(texts={"id": ("v5",)}, time=Range(-np.inf, 0.5)), lambda number, window: number == 6 and window == 0),
        (Filter(texts={"label": ("none",)}), lambda number, window: False),
    ],
)
def test_filters_cost_no_hit(filled, where, keep):
    store, made = filled
    vector = made[0].vectors.windows["rgb"][2]
    best = {}
    for cosine, number, _ in all_windows(made, vector, keep):
        best.setdefault(number, cosine)
    found = search(store, vector, where, top=20, per_video=1)
    assert [one.number for one in found] == list(best)
    np.testing.assert_allclose([one.cosine for one in found], list(best.values()), atol=1e-5)


def test_a_time_is_no_filter_of_whole_videos(filled):
    with pytest.raises(UserError, match="a filter by time is about moments"):
        search(filled[0], np.eye(16, dtype=np.float32)[0], Filter(time=Range(0, 1)), kind="videos")


@pytest.mark.parametrize("part", ["windows", "videos"])
def test_tables_hold_what_a_filter_lets_through(filled, part):
    store, made = filled
    table = store.table(part, Filter(texts={"label": ("l1",)}))
    assert table.numbers.tolist() == [2, 6, 10, 14, 18]
    chosen = [made[number - 1].vectors for number in table.numbers]
    rows = [one.windows["rgb"] if part == "windows" else one.whole["rgb"][None] for one in chosen]
    assert table.counts.tolist() == [len(one) for one in rows]
    np.testing.assert_array_equal(table.rows["rgb"], np.concatenate(rows).astype(np.float16))


def test_it_grows_shrinks_and_forgets_what_was_not_confirmed(kind, tmp_path, monkeypatch):
    opened = {"identity": {"index": "grows"}}
    store = open_store(kind, tmp_path, VIEWS, **opened, create=True)
    generator = np.random.default_rng(0)
    old, new = (random_video(generator, "v", windows=count) for count in (3, 4))
    third = random_video(generator, "third", windows=2)
    with store.writing():
        store.add([old])
        store.add([NewVideo(new.facts, new.vectors, replaces=1)])
        assert [(row.number, row.num_windows) for row in store.rows()] == [(2, 4)]
        assert {one.number for one in search(store, old.vectors.windows["rgb"][0])} == {2}
        store.remove([2])
        assert search(store, old.vectors.windows["rgb"][0]) == []
        store.update({2: new.facts}, ready=[2])

        def die(*arguments, **named):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:  # vectors are there, the table does not know of them
            patch.setattr(store.catalogue, "insert", die)
            with pytest.raises(KeyboardInterrupt):
                store.add([random_video(generator, "lost", windows=6)])
    store.close()
    store = open_store(kind, tmp_path, VIEWS, **opened)
    assert len(search(store, old.vectors.windows["rgb"][0], top=50, per_video=50)) <= 4
    with store.writing():
        store.add([third])
    assert [row.facts.id for row in store.rows()] == ["v", "third"]
    assert search(store, third.vectors.windows["rgb"][1])[0].number == 3
    assert store.damaged() == []
    store.close()


def test_a_server_that_does_not_answer_is_named(tmp_path, monkeypatch):
    pytest.importorskip("pymilvus", reason="pymilvus is not installed: pip install 'coview[milvus]'")
    monkeypatch.setenv("COVIEW_MILVUS", "http://127.0.0.1:9")
    monkeypatch.setattr("coview.collection.milvus_store._PATIENCE_SECONDS", 1.0)
    with pytest.raises(UserError, match=r"Milvus \(http://127.0.0.1:9\).*COVIEW_MILVUS"):
        open_store("milvus", tmp_path, VIEWS, identity={"index": "x"}, create=True)
