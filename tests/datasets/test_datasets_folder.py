"""Folders as classes, and as parts of a split."""

import pytest

from coview.datasets.folder import read_folder
from coview.errors import UserError


def rows(tmp_path, *names):
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    listing = read_folder(tmp_path)
    return [(entry.id, entry.label, dict(entry.splits)) for entry in listing.entries], listing.remarks


def test_folders_are_classes_and_files_at_the_top_have_none(tmp_path):
    found, remarks = rows(tmp_path, "jump/b.mp4", "wave/a.AVI", "wave/sub/c.mp4", "top.mp4")
    assert found == [("jump/b", "jump", {}), ("top", None, {}), ("wave/a", "wave", {}), ("wave/sub/c", "wave", {})]
    assert remarks == ("1 of 4 videos in no class folder and so without label",)


def test_a_flat_folder_has_no_labels(tmp_path):
    assert rows(tmp_path, "a.mp4", "b.mp4") == ([("a", None, {}), ("b", None, {})], ())


def test_one_class_folder_is_a_class(tmp_path):
    assert rows(tmp_path, "wave/a.mp4")[0] == [("wave/a", "wave", {})]


def test_a_folder_that_holds_all_class_folders_is_passed_over(tmp_path):
    found, remarks = rows(tmp_path, "set/videos/wave/a.mp4", "set/videos/jump/b.mp4")
    assert found == [("set/videos/jump/b", "jump", {}), ("set/videos/wave/a", "wave", {})]
    assert remarks == (f"everything is in {tmp_path / 'set/videos'}; the folders below it are read as classes",)


def test_train_and_test_folders_are_a_split(tmp_path):
    found, remarks = rows(tmp_path, "train/wave/a.mp4", "Test/wave/b.mp4", "val/c.mp4")
    assert found == [
        ("Test/wave/b", "wave", {"split1": "test"}),
        ("train/wave/a", "wave", {"split1": "train"}),
        ("val/c", None, {"split1": "validation"}),
    ]
    assert "the top folders are read as the split 'split1': 1 test, 1 train, 1 validation" in remarks


@pytest.mark.parametrize("other", ["bus", "test_drive"])
def test_a_class_called_train_is_a_class_among_others(tmp_path, other):
    found, _ = rows(tmp_path, "train/a.mp4", f"{other}/b.mp4")
    assert sorted(found) == sorted([("train/a", "train", {}), (f"{other}/b", other, {})])


@pytest.mark.parametrize("tops", [("train",), ("test", "val")])
def test_a_split_needs_train_and_another_part(tmp_path, tops):
    found, _ = rows(tmp_path, *(f"{top}/a.mp4" for top in tops))
    assert found == [(f"{top}/a", top, {}) for top in tops]


def test_two_files_of_one_stem_keep_their_suffix(tmp_path):
    assert [row[0] for row in rows(tmp_path, "a.mp4", "a.avi", "b.mp4")[0]] == ["a.avi", "a.mp4", "b"]


def test_a_link_to_nothing_is_a_missing_video(tmp_path):
    (tmp_path / "gone.mp4").symlink_to(tmp_path / "nowhere")
    (tmp_path / "here.mp4").touch()
    statuses = {entry.id: (entry.status, entry.reason) for entry in read_folder(tmp_path).entries}
    assert statuses == {"gone": ("missing", "missing: no such file"), "here": ("listed", "")}


def test_lists_are_refused(tmp_path):
    with pytest.raises(UserError, match="'folder' has no lists"):
        read_folder(tmp_path, lists=tmp_path)


@pytest.mark.realdata
def test_real_folders(real_data):
    original = read_folder(real_data / "original")
    assert len(original.entries) == 17
    assert {e.label for e in original.entries} == {
        *("ApplyEyeMakeup", "BaseballPitch", "Basketball", "BenchPress", "Diving")
    }
    odd = read_folder(real_data / "odd")
    assert len(odd.entries) == 32
    assert {entry.label for entry in odd.entries} == {None}
    ucf10 = read_folder(real_data / "ucf10")
    assert len(ucf10.entries) == 362
    assert len({entry.label for entry in ucf10.entries}) == 10


def test_groups_are_read_from_names_as_ucf101_gives_them(tmp_path):
    for name in ("Biking/v_Biking_g01_c01.mp4", "Biking/v_Biking_g01_c02.avi", "v_Long_Jump_g12_c03.mp4", "a_g01.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    listing = read_folder(tmp_path)
    groups = {entry.id: entry.group for entry in listing.entries}
    assert groups == {
        "Biking/v_Biking_g01_c01": "Biking_g01",
        "Biking/v_Biking_g01_c02": "Biking_g01",
        "v_Long_Jump_g12_c03": "Long_Jump_g12",
        "a_g01": None,
    }
    assert any(remark.startswith("2 groups of clips of one recording") for remark in listing.remarks)
