"""Folders of frames: which pictures are frames, and whose."""

import unicodedata
from pathlib import Path

import pytest

from coview.datasets.frames import FrameRun, find_frames, read_frames
from coview.errors import UserError


@pytest.mark.parametrize(
    ("names", "run"),
    [
        (["img_00001.jpg", "img_00002.jpg", "notes.txt"], FrameRun("img_%05d.jpg", 1, 2)),
        (["0.png", "1.png", "2.png"], FrameRun("%d.png", 0, 3)),
        ([f"{number:02d}.JPG" for number in range(1, 120)], FrameRun("%02d.JPG", 1, 119)),
        (["v1_100%_1.jpeg", "v1_100%_2.jpeg"], FrameRun("v1_100%%_%d.jpeg", 1, 2)),
        (["flow_x_1.jpg", "a1.jpg", "a2.jpg", "a3.jpg"], FrameRun("a%d.jpg", 1, 3)),
        (["img_00001.jpg", "img_00003.jpg"], None),
        (["IMG_2041.jpg", "IMG_2042.jpg"], None),
        (["img_00001.jpg"], None),
        (["a.jpg", "b.jpg"], None),
        ([], None),
    ],
)
def test_frames_are_numbered_from_0_or_1_without_a_gap(names, run):
    assert find_frames(names) == run


@pytest.fixture
def videos(tmp_path):
    for name in ("wave/v1", "wave/v2", "jump/34870"):
        (tmp_path / "videos" / name).mkdir(parents=True)
        for number in (1, 2, 3):
            (tmp_path / "videos" / name / f"{number:05d}.jpg").touch()
    (tmp_path / "videos/photographs").mkdir()
    (tmp_path / "videos/photographs/IMG_2041.jpg").touch()
    return tmp_path / "videos"


def test_folders_above_those_of_frames_may_be_classes(videos):
    listing = read_frames(videos)
    assert [(entry.id, entry.label) for entry in listing.entries] == [
        *(("jump/34870", "jump"), ("wave/v1", "wave"), ("wave/v2", "wave"))
    ]
    assert listing.labels_from == "folders"
    assert listing.entries[0].path == str(videos / "jump/34870")


def test_lists_give_labels_and_parts(videos):
    lists = videos.parent / "lists"
    lists.mkdir()
    (lists / "jester-v1-train.csv").write_text("34870;Drumming Fingers\nv1;Doing other things\n")
    (lists / "jester-v1-validation.csv").write_text("gone;Drumming Fingers\n")
    listing = read_frames(videos, lists=lists)
    assert [(entry.id, entry.label, entry.splits, entry.status) for entry in listing.entries] == [
        ("jump/34870", "Drumming Fingers", {"split1": "train"}, "listed"),
        ("wave/v1", "Doing other things", {"split1": "train"}, "listed"),
        ("gone", "Drumming Fingers", {"split1": "validation"}, "missing"),
    ]
    assert listing.remarks == (
        "1 of 3 listed videos missing (gone)",
        "1 folder without a row in the lists, left out (wave/v2)",
    )
    (lists / "jester-v1-validation.csv").write_text("v1;Drumming Fingers\n")
    with pytest.raises(UserError, match="line 1: v1 has the label 'Drumming Fingers' here and 'Doing other things'"):
        read_frames(videos, lists=lists)


def test_no_frames_is_the_users_error(tmp_path):
    with pytest.raises(UserError, match="no folder of frames below"):
        read_frames(tmp_path)


def test_accents_may_be_composed_or_not_and_trash_is_left_out(tmp_path: Path) -> None:
    decomposed, composed = (unicodedata.normalize(form, "é1") for form in ("NFD", "NFC"))
    for folder in (decomposed, ".Trashes/old", "@eaDir/old"):
        (tmp_path / "videos" / folder).mkdir(parents=True)
        for number in (1, 2):
            (tmp_path / "videos" / folder / f"img_{number}.jpg").touch()
    (tmp_path / "train.csv").write_text(f"{composed};wave\n", encoding="utf-8")
    (entry,) = read_frames(tmp_path / "videos", lists=tmp_path / "train.csv").entries
    assert (entry.id, entry.status, entry.label) == (decomposed, "listed", "wave")
