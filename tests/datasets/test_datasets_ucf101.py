"""UCF101's lists against files of any format, in class folders or flat."""

import pytest

from coview.datasets.ucf101 import read_ucf101
from coview.errors import UserError


def write(root, **lists):
    root.mkdir(parents=True, exist_ok=True)
    for name, lines in lists.items():
        (root / f"{name}.txt").write_text("\r\n".join(lines) + "\r\n")
    return root


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


BIKE = "Biking/v_Biking_g01_c01.avi"
DRUM = "Drumming/v_Drumming_g08_c02.avi"
MOVED = "HandstandPushups/v_HandStandPushups_g01_c01.avi"


def rows(listing):
    return {e.id: (e.label, e.group, dict(e.splits), e.status) for e in listing.entries}


@pytest.mark.parametrize(
    "files",
    [
        ["Biking/v_Biking_g01_c01.avi", "Drumming/v_Drumming_g08_c02.AVI"],
        ["v_Biking_g01_c01.mp4", "v_Drumming_g08_c02.webm"],
        ["x/y/v_biking_g01_c01.mp4", "x/v_Drumming_g08_c02.mkv"],
    ],
)
def test_files_are_matched_by_stem(tmp_path, files):
    lists = write(tmp_path / "lists", trainlist01=[f"{DRUM} 3"], testlist01=[BIKE], testlist02=[DRUM])
    source = touch(tmp_path / "videos", *files)
    listing = read_ucf101(source, lists=lists)
    assert rows(listing) == {
        "v_Biking_g01_c01": ("Biking", "Biking_g01", {"split1": "test"}, "listed"),
        "v_Drumming_g08_c02": ("Drumming", "Drumming_g08", {"split1": "train", "split2": "test"}, "listed"),
    }
    assert sorted(e.path for e in listing.entries) == sorted(str(source / name) for name in files)
    assert listing.remarks == ("split2 has no train videos: its train list is not there",)


def test_missing_unlisted_and_twofold_files_are_counted(tmp_path):
    lists = write(tmp_path, trainlist01=[BIKE, DRUM, MOVED], testlist01=["Mixing/v_Mixing_g01_c01.avi"])
    source = touch(
        tmp_path / "videos",
        *("a/v_Biking_g01_c01.avi", "Biking/v_Biking_g01_c01.mp4", "Mixing/v_Mixing_g01_c01.avi", "extra.mp4"),
        "HandstandPushups/v_HandstandPushups_g01_c01.avi",
    )
    listing = read_ucf101(source, lists=lists)
    found = {entry.id: entry for entry in listing.entries}
    assert found["v_Biking_g01_c01"].path == str(source / "Biking/v_Biking_g01_c01.mp4")
    assert found["v_HandStandPushups_g01_c01"].status == "listed"
    assert found["v_Drumming_g08_c02"].status == "missing"
    assert found["v_Drumming_g08_c02"].path == str(source / DRUM)
    assert listing.remarks == (
        "1 of 4 listed videos missing (v_Drumming_g08_c02)",
        "1 file without a row in the lists, left out (extra.mp4)",
        "1 listed video with several files; taken: Biking/v_Biking_g01_c01.mp4 rather than a/v_Biking_g01_c01.avi",
    )


@pytest.mark.parametrize("place", ["videos", "videos/ucfTrainTestlist", "ucfTrainTestlist", "."])
def test_lists_are_found_in_the_usual_places(tmp_path, place):
    write(tmp_path / place, trainlist01=[BIKE], testlist01=[DRUM])
    source = touch(tmp_path / "videos", BIKE, DRUM)
    assert len(read_ucf101(source).entries) == 2
    assert len(read_ucf101(source, lists=tmp_path / place / "testlist01.txt").entries) == 2


def test_lists_without_class_folders(tmp_path):
    write(tmp_path, trainlist01=["v_Biking_g01_c01.avi 1", "Drumming\\v_Drumming_g08_c02.avi"])
    listing = read_ucf101(touch(tmp_path / "videos", BIKE, DRUM))
    assert {entry.label for entry in listing.entries} == {"Biking", "Drumming"}


def test_one_stem_in_two_classes_stays_apart(tmp_path):
    write(tmp_path, trainlist01=["A/x.avi 1", "B/x.avi 2"], testlist01=["A/y.avi"])
    listing = read_ucf101(touch(tmp_path / "videos", "A/x.mp4", "B/x.mp4", "A/y.mp4"))
    assert {e.id: e.path.removeprefix(str(tmp_path)) for e in listing.entries} == {
        "A/x": "/videos/A/x.mp4",
        "B/x": "/videos/B/x.mp4",
        "y": "/videos/A/y.mp4",
    }


def test_errors_say_what_to_do(tmp_path):
    source = touch(tmp_path / "deep/videos", BIKE)
    with pytest.raises(UserError, match="trainlist01.txt.*Looked in .*--lists DIR"):
        read_ucf101(source)
    with pytest.raises(UserError, match="--lists .*none does not exist"):
        read_ucf101(source, lists=tmp_path / "none")
    with pytest.raises(UserError, match=r"does not hold .*trainlist01.txt.*; it holds: deep"):
        read_ucf101(source, lists=tmp_path)
    lists = write(tmp_path / "other", trainlist01=[DRUM])
    with pytest.raises(
        UserError, match=rf"none of the 1 video .*looked for files such as {DRUM} .*found 1 other such as {BIKE}"
    ):
        read_ucf101(source, lists=lists)
    with pytest.raises(UserError, match="the folder .* does not exist"):
        read_ucf101(tmp_path / "none", lists=lists)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ({"trainlist01": [BIKE], "testlist01": [BIKE]}, "line 1: the video is in 'test' and in 'train' of 'split1'"),
        ({"trainlist01": [BIKE, "nonsense"]}, "trainlist01.txt, line 2: 'nonsense' is not of the form"),
        ({"trainlist01": [""]}, "name no video"),
    ],
)
def test_lists_that_cannot_be_used(tmp_path, lines, message):
    source = touch(tmp_path / "videos", BIKE)
    with pytest.raises(UserError, match=message):
        read_ucf101(source, lists=write(tmp_path / "lists", **lines))


@pytest.mark.realdata
def test_real_clips_in_mp4_under_lists_in_avi(real_data):
    listing = read_ucf101(real_data / "ucf10/videos")
    assert listing.remarks == ()
    assert len(listing.entries) == 362
    assert sum(entry.splits == {"split1": "train"} for entry in listing.entries) == 212
    assert sum(entry.splits == {"split1": "test"} for entry in listing.entries) == 150
    assert len({entry.label for entry in listing.entries}) == 10
    parts_of_group = {}
    for entry in listing.entries:
        parts_of_group.setdefault(entry.group, set()).add(entry.splits["split1"])
    assert {len(parts) for parts in parts_of_group.values()} == {1}
    assert listing.entries == read_ucf101(real_data / "ucf10").entries


@pytest.mark.realdata
def test_real_avi_files(real_data, tmp_path):
    with pytest.raises(UserError, match="none of the 362 videos"):
        read_ucf101(real_data / "original", lists=real_data / "ucf10/ucfTrainTestlist")
    names = sorted(f"{path.parent.name}/{path.name}" for path in (real_data / "original").glob("*/*.avi"))
    listing = read_ucf101(real_data / "original", lists=write(tmp_path, trainlist01=names))
    assert len(listing.entries) == 17
    assert {entry.status for entry in listing.entries} == {"listed"}
    assert "Diving_g01" in {entry.group for entry in listing.entries}
