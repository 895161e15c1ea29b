"""Outliers, clusters and diverse subsets of vectors whose groups are known."""

import numpy as np
import pytest

from coview.collection.curation import choose_diverse, find_clusters, nearest_neighbours, rank_outliers
from coview.collection.filters import Filter
from coview.collection.opening import open_index
from coview.errors import UserError
from small_index import random_video


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def groups(*sizes, size=16, spread=0.1, seed=0):
    """Rows around one direction a group, the directions at right angles."""
    generator = np.random.default_rng(seed)
    return unit(
        np.concatenate(
            [
                np.eye(size)[number] + spread * generator.standard_normal((count, size))
                for number, count in enumerate(sizes)
            ]
        )
    )


def test_neighbours_are_those_of_a_full_product(monkeypatch):
    monkeypatch.setattr("coview.collection.curation._ROWS_AT_ONCE", 7)
    rows = groups(10, 13, spread=0.5)
    cosines, places = nearest_neighbours(rows, 4)
    full = rows @ rows.T
    np.fill_diagonal(full, -2)
    np.testing.assert_array_equal(places, np.argsort(-full, axis=1)[:, :4])
    np.testing.assert_allclose(cosines, -np.sort(-full, axis=1)[:, :4], rtol=1e-6)
    assert nearest_neighbours(rows[:3], 10)[0].shape == (3, 2)


def test_what_stands_apart_comes_first():
    rows = np.concatenate([groups(20, 20, size=17), np.eye(17, dtype=np.float32)[16:]])
    order, distances, scores, nearest = rank_outliers(rows, neighbours=5)
    assert order[0] == 40
    assert scores[40] > 10 > 5 > np.sort(scores)[-2]
    cosines = np.sort(rows[40] @ rows[:40].T)[::-1]
    assert distances[40] == pytest.approx(1 - cosines[:5].mean(), abs=1e-6)
    assert nearest[40] == int((rows[40] @ rows[:40].T).argmax())


def test_a_few_look_alikes_do_not_hide_each_other():
    rows = np.concatenate([groups(30, 30, size=17), unit(np.eye(17)[[16, 16, 16]] + 1e-3)])
    assert set(rank_outliers(rows, neighbours=10)[0][:3]) == {60, 61, 62}
    assert set(rank_outliers(rows, neighbours=2)[0][-3:]) == {60, 61, 62}


def test_clusters_are_the_groups_the_largest_first():
    rows = groups(30, 12, 50)
    order = np.random.default_rng(1).permutation(len(rows))
    found = find_clusters(rows[order], min_size=5)
    truth = np.repeat([0, 1, 2], [30, 12, 50])[order]
    assert [len(places) for places in found] == sorted((len(places) for places in found), reverse=True)
    assert [set(truth[places]) for places in found] == [{2}, {0}, {1}]
    assert sum(map(len, found)) > 80
    first = rows[order][found[0]]
    centrality = first @ first.mean(axis=0)
    assert (np.diff(centrality) <= 1e-6).all()
    assert find_clusters(rows[:3], min_size=5) == []


def test_very_many_join_the_cluster_of_the_nearest(monkeypatch):
    rows = groups(60, 60)
    monkeypatch.setattr("coview.collection.curation._MOST_CLUSTERED", 40)
    found = find_clusters(rows, min_size=5)
    assert [set(places // 60) for places in found] in ([{0}, {1}], [{1}, {0}])
    assert sum(map(len, found)) > 100


def test_a_subset_covers_what_is_there():
    rows = groups(40, 3, 20, 1)
    places, distances = choose_diverse(rows, 4)
    assert sorted(np.repeat([0, 1, 2, 3], [40, 3, 20, 1])[places]) == [0, 1, 2, 3]
    assert distances[0] == 0
    assert (np.diff(distances[1:]) <= 1e-6).all()
    left = np.setdiff1d(np.arange(len(rows)), places)
    assert (1 - (rows[left] @ rows[places].T).max(axis=1)).max() <= distances[-1] + 1e-6
    every, _ = choose_diverse(rows, 1000)
    assert sorted(every) == list(range(len(rows)))


def test_a_store_gives_the_vectors_of_what_meets_a_filter(store):
    generator = np.random.default_rng(0)
    made = [random_video(generator, f"v{number}", windows=number + 1, label=f"l{number % 2}") for number in range(5)]
    with store.writing():
        store.add(made)
        store.remove([1])
    table = store.table("windows", Filter(texts={"label": ("l0",)}))
    assert table.numbers.tolist() == [3, 5]
    assert table.counts.tolist() == [3, 5]
    expected = np.concatenate([made[place].vectors.windows["rgb"] for place in (2, 4)])
    np.testing.assert_array_equal(table.rows["rgb"], expected.astype(np.float16))
    whole = store.table("videos", Filter())
    assert whole.numbers.tolist() == [2, 3, 4, 5]
    np.testing.assert_array_equal(whole.rows["rgb"][0], made[1].vectors.whole["rgb"].astype(np.float16))
    assert whole.counts.tolist() == [1] * 4


@pytest.fixture
def index(tmp_path, small_run, videos):
    index = open_index(tmp_path / "idx", run=small_run.run)
    index.add(videos, workers=0)
    return index


def test_an_index_is_looked_over(index, videos):
    outliers = index.outliers(top=3, neighbours=2)
    assert [one.rank for one in outliers] == [1, 2, 3]
    assert outliers[0].distance >= outliers[1].distance >= outliers[2].distance
    assert outliers[0].path.startswith(str(videos))
    assert list(outliers.to_pandas()["id"]) == [one.id for one in outliers]
    sample = index.sample(4)
    assert len({one.id for one in sample}) == 4
    assert [one.id for one in index.sample(2)] == [one.id for one in sample[:2]]
    assert {one.label for one in index.sample(10, where={"label": "slow"})} == {"slow"}
    clusters = index.clusters(min_size=2)
    rows = clusters.rows()
    assert len(rows) == sum(one.size for one in clusters) == len({row["id"] for row in rows})
    for one in clusters:
        assert one.central == one.ids[: len(one.central)]
        assert one.label_share is not None
        assert 0 < one.label_share <= 1
    assert "<table>" in outliers._repr_html_()
    assert repr(sample).startswith("Sample(4: of 6 videos)")


def test_wrong_questions_are_named(index):
    for ask, message in [
        (lambda: index.outliers(top=0), "top is 0; expected a whole number, 1 or more"),
        (lambda: index.clusters(min_size=1), "at least 2 videos"),
        (lambda: index.sample(True), "count is True"),
        (lambda: index.outliers(view="flw"), "did you mean 'flow'"),
        (lambda: index.sample(2, where={"time": (0, 1)}), "a filter by time is about moments"),
        (lambda: index.duplicates(min_confidence=2), "min_confidence is 2; expected 0 to 1"),
        (lambda: index.duplicates(candidates=0), "candidates is 0"),
    ]:
        with pytest.raises(UserError, match=message):
            ask()


def test_an_empty_index_has_nothing_to_show(tmp_path, small_run):
    index = open_index(tmp_path / "idx", run=small_run.run)
    for found in (index.outliers(), index.clusters(), index.sample(3), index.duplicates()):
        assert len(found) == 0
        assert found.rows() == []
