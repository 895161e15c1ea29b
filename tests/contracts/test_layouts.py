"""What every layout promises. A new row is tested as soon as it is registered and has a source here."""

from pathlib import PurePosixPath

import pytest

from coview.datasets import LAYOUTS
from coview.datasets.manifest import read_manifest, write_manifest
from coview.errors import UserError


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def folder(root):
    touch(root / "videos", "wave/a.mp4", "wave/a.avi", "jump 1/ü#.MOV")
    return root / "videos"


def csv(root):
    touch(root, "a.mp4", "b.mp4")
    (root / "t.csv").write_text("path,label,split\na.mp4,wave,train\nb.mp4,,dev\ngone.mp4,jump,test\n")
    return root / "t.csv"


def ucf101(root):
    touch(root / "videos", "v_Biking_g01_c01.mp4")
    (root / "trainlist01.txt").write_text("Biking/v_Biking_g01_c01.avi 1\nBiking/v_Biking_g02_c01.avi 1\n")
    return root / "videos"


def hmdb51(root):
    touch(root / "videos", "clap/x_clap_u_nm_np1_fr_goo_0.avi")
    (root / "clap_test_split1.txt").write_text("x_clap_u_nm_np1_fr_goo_0.avi 1\n")
    return root / "videos"


def kinetics(root):
    touch(root / "videos", "x_000001_000011.mp4")
    (root / "train.csv").write_text(
        "label,youtube_id,time_start,time_end,split\nyoga,x,1,11,train\nyoga,y,2,12,train\n"
    )
    return root / "videos"


def synthetic(root):
    touch(root / "clips", "synthetic_00000.mp4")
    (root / "clips/labels.csv").write_text("path,label,group,split1\nsynthetic_00000.mp4,wave,person_0000,train\n")
    return root / "clips"


SOURCES = {
    "folder": folder,
    "csv": csv,
    "ucf101": ucf101,
    "hmdb51": hmdb51,
    "kinetics": kinetics,
    "synthetic": synthetic,
}


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
    assert layout in SOURCES, "write a small source of the new layout: a function in SOURCES"
    source = SOURCES[layout](tmp_path)
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
