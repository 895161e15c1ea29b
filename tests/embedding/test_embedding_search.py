"""Top-k against plain loops, and what a user sees of a search."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from coview.embedding import search as module
from coview.embedding.embeddings import Embeddings
from coview.embedding.search import NOBODY, nearest, search
from coview.errors import UserError


def plain_nearest(queries, gallery, k, query_groups=None, gallery_groups=None):
    rows = []
    for place, query in enumerate(queries):
        scored = []
        for index, item in enumerate(gallery):
            if query_groups is None or query_groups[place] != gallery_groups[index]:
                scored.append((-float(sum(a * b for a, b in zip(query, item, strict=True))), index))
        row = [index for _, index in sorted(scored)][:k]
        rows.append(row + [NOBODY] * (min(k, len(gallery)) - len(row)))
    return rows


@pytest.mark.parametrize("k", [1, 3, 7, 50])
@pytest.mark.parametrize("chunk", [8, 2**20])
def test_equals_plain_loops_with_many_ties_and_negative_cosines(k, chunk, monkeypatch):
    monkeypatch.setattr(module, "_CHUNK_ELEMENTS", chunk)
    generator = np.random.default_rng(k)
    queries = generator.integers(-1, 2, (9, 3)).astype(np.float32)
    gallery = generator.integers(-1, 2, (23, 3)).astype(np.float32)
    indices, cosines = nearest(torch.from_numpy(queries), torch.from_numpy(gallery), k=k)
    assert indices.tolist() == plain_nearest(queries, gallery, k)
    for row, (found, values) in enumerate(zip(indices, cosines, strict=True)):
        assert values.tolist() == (gallery[found.numpy()] @ queries[row]).tolist()


def test_own_group_is_left_out_and_short_rows_say_nobody():
    generator = np.random.default_rng(5)
    items = generator.integers(-2, 3, (6, 2)).astype(np.float32)
    groups = np.array([0, 0, 0, 0, 0, 1])
    indices, cosines = nearest(
        torch.from_numpy(items),
        torch.from_numpy(items),
        k=3,
        query_groups=torch.from_numpy(groups),
        gallery_groups=torch.from_numpy(groups),
    )
    assert indices.tolist() == plain_nearest(items, items, 3, groups, groups)
    assert indices[0].tolist() == [5, NOBODY, NOBODY]
    assert cosines[0, 1] == -torch.inf


def test_empty_sides_and_wrong_arguments():
    assert nearest(torch.zeros(0, 4), torch.ones(3, 4), k=2)[0].shape == (0, 2)
    assert nearest(torch.zeros(2, 4), torch.ones(0, 4), k=2)[0].shape == (2, 0)
    with pytest.raises(ValueError, match="k is 0"):
        nearest(torch.zeros(1, 4), torch.ones(3, 4), k=0)
    with pytest.raises(ValueError, match="shape"):
        nearest(torch.zeros(1, 4), torch.ones(3, 5), k=1)


def embeddings(names, features):
    count = len(names)
    return Embeddings(names, features, ("cat",) * count, (None,) * count, tuple(f"/v/{name}.mp4" for name in names))


def test_hits_have_names_best_first_and_the_query_itself_is_marked():
    collection = embeddings(("a", "b", "c"), {"rgb": np.array([[1, 0], [0.6, 0.8], [-1, 0]], np.float32)})
    query = embeddings(("a",), {"rgb": np.array([[1, 0]], np.float32), "flow": np.ones((1, 1), np.float32)})
    found = search(query, collection, top=5)
    assert [(hit.query, hit.rank, hit.id, hit.label) for hit in found] == [
        ("a", i + 1, "abc"[i], "cat") for i in range(3)
    ]
    assert [hit.is_query for hit in found] == [True, False, False]
    assert found[1].cosine == pytest.approx(0.6)
    told = ["Hits(3)", "  a 1. a 1.000 (the query itself)", "  a 2. b 0.600", "  a 3. c -1.000"]
    assert repr(found).splitlines() == told
    assert len(found[:1]) == 1


def test_cosines_of_each_view_are_told_and_their_mean_decides():
    rows = {"rgb": np.eye(2, dtype=np.float32), "flow": np.array([[0.6, 0.8], [1, 0]], np.float32)}
    query = embeddings(("q",), {"rgb": np.array([[1, 0]], np.float32), "flow": np.array([[0.6, 0.8]], np.float32)})
    found = search(query, embeddings(("a", "b"), rows), top=2)
    assert found[0].cosines == pytest.approx({"rgb": 1.0, "flow": 1.0})
    assert found[1].cosines == pytest.approx({"rgb": 0.0, "flow": 0.6})
    assert found[1].cosine == pytest.approx(0.3)
    frame = found.to_pandas()
    assert list(frame["id"]) == ["a", "b"]
    assert frame["cosine:flow"].tolist() == pytest.approx([1.0, 0.6])
    assert [hit.id for hit in search(query, embeddings(("a", "b"), rows), top=1, views="flow")] == ["a"]


def test_windows_of_the_query_do_not_fill_the_list():
    features = {"rgb": np.array([[1, 0], [1, 0], [1, 0], [0.6, 0.8]], np.float32)}
    paths = ("/v/q.mp4",) * 3 + ("/v/d.mp4",)
    windows = replace(embeddings(("a", "b", "c", "d"), features), paths=paths, sources=())  # as the paths say
    query = embeddings(("q",), {"rgb": np.array([[1, 0]], np.float32)})
    assert [(hit.id, hit.is_query) for hit in search(query, windows, top=2)] == [("a", True), ("d", False)]


def test_arrays_have_no_path_and_find_one_another():
    nameless = Embeddings(("array00000",), {"rgb": np.ones((1, 1), np.float32)}, (None,), (None,), ("",))
    assert len(search(nameless, nameless)) == 1


def test_search_says_what_does_not_fit(tmp_path):
    one = embeddings(("a",), {"rgb": np.ones((1, 2), np.float32)})
    with pytest.raises(UserError, match="queries have rgb; the collection has flow"):
        search(one, embeddings(("b",), {"flow": np.ones((1, 2), np.float32)}))
    with pytest.raises(UserError, match="embed both with the same run"):
        search(one, embeddings(("b",), {"rgb": np.ones((1, 3), np.float32)}))
    with pytest.raises(UserError, match="searching videos needs the run"):
        search("query.mp4", one)
    with pytest.raises(UserError, match="top is 0"):
        search(one, one, top=0)
    assert len(search(one.save(tmp_path / "q.csv"), embeddings(("b",), {"rgb": np.ones((1, 2), np.float32)}))) == 1
