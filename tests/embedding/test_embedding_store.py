"""Embeddings come back as they were; damage is named."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coview.datatypes import Embeddings
from coview.embedding.store import read_embeddings, write_embeddings
from coview.errors import UserError


def some_embeddings(count):
    generator = np.random.default_rng(0)
    return Embeddings(
        ids=tuple(f"dir/v{number}" for number in range(count)),
        features={
            "rgb": generator.normal(size=(count, 4)).astype(np.float32),
            "flow": np.zeros((count, 2), np.float32),
        },
        labels=tuple("wave" if number % 2 else None for number in range(count)),
        groups=(None,) * count,
        paths=tuple(f"/videos/v{number}.mp4" for number in range(count)),
        description={"run": "runs/a", "settings": {"size": (64, 64)}},
    )


@pytest.mark.parametrize("count", [0, 1, 5])
def test_what_is_read_is_what_was_written(tmp_path, count):
    given = some_embeddings(count)
    path = tmp_path / "new" / "e.parquet"
    write_embeddings(given, path)
    back = read_embeddings(path)
    assert (back.ids, back.labels, back.groups, back.paths) == (given.ids, given.labels, given.groups, given.paths)
    assert list(back.features) == ["rgb", "flow"]
    for view, features in given.features.items():
        np.testing.assert_array_equal(back.features[view], features)
        assert back.features[view].dtype == np.float32
    assert back.description == {"run": "runs/a", "settings": {"size": [64, 64]}}
    assert [file.name for file in path.parent.iterdir()] == ["e.parquet"]


def test_missing_damaged_and_foreign_files_are_the_users_error(tmp_path):
    with pytest.raises(UserError, match="there are no embeddings at"):
        read_embeddings(tmp_path / "none.parquet")
    cut = tmp_path / "cut.parquet"
    write_embeddings(some_embeddings(3), cut)
    cut.write_bytes(cut.read_bytes()[:-50])
    with pytest.raises(UserError, match="damaged"):
        read_embeddings(cut)
    pq.write_table(pa.table({"x": [1]}), tmp_path / "other.parquet")
    with pytest.raises(UserError, match="does not hold embeddings"):
        read_embeddings(tmp_path / "other.parquet")


def test_an_unwritable_place_is_the_users_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot write the embeddings"):
        write_embeddings(some_embeddings(1), tmp_path / "file" / "e.parquet")
