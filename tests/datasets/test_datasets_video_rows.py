"""Rows made when they are asked for say what tuples of videos say, and their Arrow file is not trusted blindly."""

import dataclasses
import pickle

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coview.datasets import mapped_manifest
from coview.datasets.manifest import write_manifest
from coview.datasets.mapped_manifest import open_manifest, open_rows
from coview.datasets.prepared import PreparedDataset
from coview.datasets.splits import hold_out
from coview.datasets.video_rows import VideoRows, column_of, distinct_of, keys_of, numbers_of, select_equal, value_of
from coview.errors import UserError
from datasets.test_datasets_manifest import entry_rows
from datasets.test_datasets_prepared import ENTRIES, ids, prepared


@pytest.fixture
def mapped(tmp_path, monkeypatch):
    """A data set of five videos whose manifest counts as large."""
    monkeypatch.setattr(mapped_manifest, "MAPPED_FROM", 1)
    return prepared(tmp_path / "data")


def arrow_files(root):
    return sorted(path.name for path in root.glob(".*.arrow"))


@given(st.lists(entry_rows, max_size=6, unique_by=lambda entry: entry.id), st.data())
@settings(max_examples=8, deadline=None)
def test_rows_and_tuples_say_the_same(tmp_path_factory, entries, data):
    path = tmp_path_factory.mktemp("rows") / "videos.parquet"
    write_manifest(entries, path)
    places = np.array(
        data.draw(st.lists(st.sampled_from(range(len(entries))), unique=True) if entries else st.just([]))
    )
    rows, some = open_rows(path), [entries[place] for place in places]
    for these, those in ((rows, entries), (rows.take(places.astype(np.int64)), some)):
        assert (len(these), list(these)) == (len(those), those)
        assert [these[place] for place in range(-len(those), len(those))] == those + those
        assert these[1:3] == those[1:3]
        for name in ("id", "label", "group", "status", "fps", "num_frames"):
            assert list(column_of(these, name)) == list(column_of(those, name))
            assert [value_of(these, place, name) for place in range(len(those))] == list(column_of(those, name))
        for name, key in (("splits", "split1"), ("counts", "mine.few"), ("checksums", "rgb")):
            assert list(column_of(these, name, key)) == list(column_of(those, name, key))
            assert keys_of(these, name) == keys_of(those, name)
        assert distinct_of(these, "label") == distinct_of(those, "label")
        assert numbers_of(these, "width").tolist() == numbers_of(those, "width").tolist()
        assert list(select_equal(these, "ready", "status")) == list(select_equal(those, "ready", "status"))
        assert list(select_equal(these, "train", "splits", "split1")) == list(
            select_equal(those, "train", "splits", "split1")
        )
        parts = [hold_out(videos, share=0.5, seed=1) for videos in (these, those)]
        assert [list(part) for part in parts[0]] == [list(part) for part in parts[1]]


def test_a_large_data_set_answers_as_a_small_one(mapped):
    assert isinstance(mapped.entries, VideoRows)
    assert mapped.entries == ENTRIES
    assert ids(mapped.ready) == ["a", "x/b.c", "f"]
    assert (mapped.splits, mapped.labels) == (("split1", "split2"), ("jump", "wave"))
    assert mapped.part_counts("split1") == {"train": 1, "test": 1}
    assert ids(mapped.part("split1", "test")) == ["x/b.c"]
    assert mapped.entry("x/b.c") == ENTRIES[1]
    with pytest.raises(UserError, match="has no video 'x/bc'"):
        mapped.entry("x/bc")
    with pytest.raises(UserError, match="rgb of a, rgb of x/b.c, rgb of f are missing"):
        mapped.require_files(["rgb"])
    with pytest.raises(IndexError):
        mapped.ready[3]


def test_another_process_maps_the_same_file(mapped):
    sent = pickle.dumps(mapped.ready)
    assert pickle.loads(sent) == mapped.ready
    assert b"x/b.c" not in sent
    held = VideoRows.of(ENTRIES[:2])
    assert pickle.loads(pickle.dumps(held)) == held == ENTRIES[:2]


def test_the_arrow_file_follows_the_manifest(mapped):
    before = arrow_files(mapped.root)
    assert PreparedDataset.open(mapped.root).entries == ENTRIES
    assert arrow_files(mapped.root) == before
    changed = (dataclasses.replace(ENTRIES[0], label="clap"), *ENTRIES[1:])
    write_manifest(changed, mapped.root / "videos.parquet")
    assert PreparedDataset.open(mapped.root).entries == changed
    assert len(arrow_files(mapped.root)) == 1
    assert arrow_files(mapped.root) != before
    assert mapped.entries == ENTRIES, "those who have the old one open keep it"


def test_a_damaged_or_forged_arrow_file_is_made_anew(mapped):
    (kept,) = mapped.root.glob(".*.arrow")
    whole = kept.read_bytes()
    for place in (100, len(whole) // 2, len(whole) - 20):
        kept.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert open_manifest(mapped.root / "videos.parquet") == ENTRIES
        assert kept.read_bytes() == whole
    outside = [dataclasses.replace(ENTRIES[0], id="../../etc")]
    table = VideoRows.of(outside).table
    begins = kept.name.rsplit(".", 2)[0] + "."
    forged = mapped_manifest._kept(table, mapped.root / "videos.parquet", begins)
    assert forged.num_rows == 1
    assert open_manifest(mapped.root / "videos.parquet") == ENTRIES


def test_a_folder_that_takes_no_file_is_read_all_the_same(mapped, monkeypatch):
    for kept in mapped.root.glob(".*.arrow"):
        kept.unlink()

    def refuse(*_args, **_kwargs):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(pa, "OSFile", refuse)
    rows = open_manifest(mapped.root / "videos.parquet")
    assert rows == ENTRIES
    assert pickle.loads(pickle.dumps(rows)) == ENTRIES
    assert arrow_files(mapped.root) == []


def test_what_is_wrong_with_a_large_manifest_is_said_as_of_a_small_one(tmp_path, monkeypatch):
    monkeypatch.setattr(mapped_manifest, "MAPPED_FROM", 1)
    path = tmp_path / "videos.parquet"
    with pytest.raises(UserError, match="there is no manifest at"):
        open_manifest(path)
    write_manifest([dataclasses.replace(ENTRIES[0], id="../a")], path)
    with pytest.raises(UserError, match="would lead out of the folder"):
        open_manifest(path)
