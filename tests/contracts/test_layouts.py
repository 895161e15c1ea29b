"""What every layout promises; a new row of LAYOUTS is tested here without a new line."""

from pathlib import PurePosixPath

import pytest

from coview.datasets import LAYOUTS
from coview.datasets.listing import example_of
from coview.datasets.manifest import read_manifest, write_manifest
from coview.errors import UserError


@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_a_source_that_is_not_there_is_the_users_error(layout, tmp_path):
    with pytest.raises(UserError, match="nowhere"):
        LAYOUTS.load(layout)(tmp_path / "nowhere")


@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_an_empty_folder_is_the_users_error(layout, tmp_path):
    (tmp_path / "videos").mkdir()
    with pytest.raises(UserError, match="videos"):
        LAYOUTS.load(layout)(tmp_path / "videos")


@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_a_text_file_is_the_users_error(layout, tmp_path):
    (tmp_path / "notes.txt").write_text("nothing here\n")
    with pytest.raises(UserError, match="notes.txt"):
        LAYOUTS.load(layout)(tmp_path / "notes.txt")


@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_entries_are_fit_for_everything_later(layout, tmp_path, monkeypatch):
    example = example_of(LAYOUTS.load(layout))
    assert example is not None, "show a tiny source: put @coview.datasets.listing.with_example(...) over the reader"
    source = example.write(tmp_path)
    listing = LAYOUTS.load(layout)(source)
    assert listing.entries
    for entry in listing.entries:
        path = PurePosixPath(entry.id)
        assert str(path) == entry.id
        assert not path.is_absolute()
        assert ".." not in path.parts
        assert PurePosixPath(entry.path).is_absolute()
        assert entry.status in ("listed", "missing")
        assert bool(entry.reason) == (entry.status == "missing")
        assert set(entry.splits.values()) <= {"train", "test", "validation"}
        assert entry.label != ""
        assert entry.group != ""
    assert len({entry.id for entry in listing.entries}) == len(listing.entries)
    write_manifest(listing.entries, tmp_path / "m.parquet")
    assert read_manifest(tmp_path / "m.parquet") == listing.entries
    monkeypatch.chdir(source.parent)
    assert LAYOUTS.load(layout)(source.relative_to(source.parent)) == listing
