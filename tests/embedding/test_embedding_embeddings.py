"""Embeddings are indexed and iterated, come back from files as they were, and damage is named."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coview.embedding.embeddings import Embeddings, join_views
from coview.errors import UserError


def some_embeddings(count, *, windows=False):
    generator = np.random.default_rng(0)
    seconds = {"start_seconds": np.arange(count) / 3, "end_seconds": np.arange(count) / 3 + 1} if windows else {}
    return Embeddings(
        ids=tuple(f"dir/v{number}" for number in range(count)),
        features={
            "rgb": generator.normal(size=(count, 4)).astype(np.float32),
            "flow": np.zeros((count, 2), np.float32),
        },
        labels=tuple("wave, twice" if number % 2 else None for number in range(count)),
        groups=tuple("" if number == 2 else None for number in range(count)),
        paths=tuple(f"/videos/v{number}.mp4" for number in range(count)),
        description={"run": "runs/a", "settings": {"size": (64, 64)}},
        **seconds,
    )


def test_views_by_name_rows_by_number():
    made = some_embeddings(4)
    assert (len(made), made.views, made["rgb"].shape) == (4, ("rgb", "flow"), (4, 4))
    assert made["rgb"] is made.features["rgb"]
    row = made[3]
    assert (row.id, row.path, row.label, row.start_seconds) == ("dir/v3", "/videos/v3.mp4", "wave, twice", None)
    np.testing.assert_array_equal(row.features["rgb"], made["rgb"][3])
    assert made[-1].id == "dir/v3"
    assert [row.id for row in made] == list(made.ids)
    with pytest.raises(IndexError):
        made[4]
    with pytest.raises(KeyError, match="did you mean 'flow'"):
        made["flwo"]
    assert repr(made) == "Embeddings(4 videos, {rgb: 4, flow: 2})"


def test_windows_know_their_seconds():
    made = some_embeddings(3, windows=True)
    assert (made[1].start_seconds, made[1].end_seconds) == pytest.approx((1 / 3, 4 / 3))
    assert repr(made).startswith("Embeddings(3 windows")
    frame = made.to_pandas()
    assert list(frame.columns) == ["id", "path", "label", "group", "start_seconds", "end_seconds", "rgb", "flow"]
    np.testing.assert_array_equal(np.stack(frame["rgb"]), made["rgb"])
    assert list(some_embeddings(3).to_pandas().columns) == ["id", "path", "label", "group", "rgb", "flow"]


@pytest.mark.parametrize("name", ["e.parquet", "e.csv"])
@pytest.mark.parametrize("windows", [False, True])
@pytest.mark.parametrize("count", [0, 1, 5])
def test_what_is_read_is_what_was_written(tmp_path, count, windows, name):
    given = some_embeddings(count, windows=windows)
    path = tmp_path / "new" / name
    assert given.save(str(path)) == path
    back = Embeddings.load(str(path))
    assert (back.ids, back.labels, back.groups, back.sources) == (given.ids, given.labels, given.groups, given.sources)
    assert back.paths == tuple(Path(one).name for one in given.paths)
    whole = Embeddings.load(given.save(tmp_path / "whole" / name, full_paths=True))
    assert (whole.paths, whole.sources) == (given.paths, given.sources)
    assert list(back.features) == ["rgb", "flow"]
    for view, features in given.features.items():
        np.testing.assert_array_equal(back.features[view], features)
        assert back.features[view].dtype == np.float32
    if windows:
        np.testing.assert_array_equal(back.end_seconds, given.end_seconds)
    else:
        assert back.start_seconds is None
    if name == "e.parquet":
        assert back.description == {"run": "runs/a", "settings": {"size": [64, 64]}}
    assert [file.name for file in path.parent.iterdir()] == [name]


def test_a_table_of_text_is_read_by_other_programs(tmp_path):
    given = some_embeddings(2)
    frame = pd.read_csv(given.save(tmp_path / "e.csv"))
    assert list(frame.columns)[5:] == [*(f"feature:rgb:{n}" for n in range(4)), "feature:flow:0", "feature:flow:1"]
    np.testing.assert_allclose(frame["feature:rgb:2"], given["rgb"][:, 2])


def test_files_tell_nobody_where_videos_lie(tmp_path):
    features = {"rgb": np.eye(3, dtype=np.float32)}
    paths = ("/home/me/films/a/1.mp4", "/home/me/films/b/1.mp4", "")
    reason = {"failed": {"x": "/home/me/films/x.mp4: corrupt: cut off"}, "run": "mine"}
    given = Embeddings(("a", "b", "c"), features, (None,) * 3, (None,) * 3, paths, reason)
    for name in ("e.parquet", "e.csv"):
        path = given.save(tmp_path / name)
        assert b"/home/me" not in path.read_bytes()
        back = Embeddings.load(path)
        assert back.paths == ("a/1.mp4", "b/1.mp4", "")
        assert back.sources[0] != back.sources[1] != "" == back.sources[2]
    assert Embeddings.load(tmp_path / "e.parquet").description["failed"] == {"x": "x.mp4: corrupt: cut off"}
    mixed = dataclasses.replace(given, paths=("/a/1.mp4", "b/2.mp4", "")).save(tmp_path / "m.parquet")
    assert Embeddings.load(mixed).paths == ("1.mp4", "2.mp4", "")


@pytest.mark.parametrize("name", ["vectors", "vectors.npy", "vectors.txt"])
def test_a_name_that_promises_another_kind_of_file_is_refused(tmp_path, name):
    with pytest.raises(UserError, match=r"written as \.parquet or \.csv, .* call it vectors\.parquet"):
        some_embeddings(1).save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_missing_damaged_and_foreign_files_are_the_users_error(tmp_path):
    with pytest.raises(UserError, match="there are no embeddings at"):
        Embeddings.load(tmp_path / "none.parquet")
    cut = some_embeddings(3).save(tmp_path / "cut.parquet")
    cut.write_bytes(cut.read_bytes()[:-50])
    with pytest.raises(UserError, match="damaged"):
        Embeddings.load(cut)
    pq.write_table(pa.table({"x": [1]}), tmp_path / "other.parquet")
    with pytest.raises(UserError, match="does not hold embeddings"):
        Embeddings.load(tmp_path / "other.parquet")


def test_an_unwritable_place_is_the_users_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot write the embeddings"):
        some_embeddings(1).save(tmp_path / "file" / "e.parquet")


def test_columns_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match="1 labels"):
        Embeddings(("a", "b"), {}, ("x",), (None, None), ("", ""))
    with pytest.raises(ValueError, match="go together"):
        Embeddings(("a",), {}, ("x",), (None,), ("",), start_seconds=np.zeros(1))


def test_joined_views_have_the_weighted_mean_of_the_cosines():
    generator = np.random.default_rng(0)
    views = {name: generator.normal(size=(4, size)).astype(np.float32) for name, size in (("rgb", 5), ("flow", 3))}
    views = {name: rows / np.linalg.norm(rows, axis=1, keepdims=True) for name, rows in views.items()}
    weighted = join_views(views, ["rgb", "flow"], {"rgb": 3.0, "flow": 1.0})
    expected = 0.75 * views["rgb"] @ views["rgb"].T + 0.25 * views["flow"] @ views["flow"].T
    np.testing.assert_allclose(weighted @ weighted.T, expected, atol=1e-6)
