"""Kinetics: csv lists, names with or without times, and videos that are gone."""

import json
import time

import pytest

from coview.datasets.kinetics import read_kinetics
from coview.errors import UserError

HEADER = "label,youtube_id,time_start,time_end,split\n"


@pytest.fixture
def kinetics(tmp_path):
    (tmp_path / "annotations").mkdir()
    rows = "riding a bike,-aBc_12_34x,10,20,train\nyoga,AAAAAAAAAAA,0.0,10.0,val\nyoga,aaaaaaaaaaa,5,15,train\n"
    (tmp_path / "annotations/train.csv").write_text(HEADER + rows)
    for name in ("riding a bike/-aBc_12_34x_000010_000020.mp4", "yoga/AAAAAAAAAAA.webm", "classes.txt"):
        (tmp_path / "videos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "videos" / name).touch()
    return tmp_path


def test_rows_find_their_files(kinetics):
    listing = read_kinetics(kinetics / "videos")
    a, b, c = listing.entries
    assert (a.id, a.label, a.group, a.splits, a.status) == (
        *("-aBc_12_34x_000010_000020", "riding a bike", "-aBc_12_34x"),
        *({"split1": "train"}, "listed"),
    )
    assert (b.id, b.splits, b.status) == ("AAAAAAAAAAA_000000_000010", {"split1": "validation"}, "listed")
    assert b.path.endswith("/yoga/AAAAAAAAAAA.webm")
    assert (c.status, c.reason) == ("missing", "missing: no such file")  # ids differ by case alone
    assert c.path == str(kinetics / "videos/yoga/aaaaaaaaaaa_000005_000015.mp4")
    assert listing.remarks == (
        "1 file of other kinds left out (1 .txt)",
        "1 of 3 listed videos missing (aaaaaaaaaaa_000005_000015)",
    )


def test_flat_files_unpadded_times_and_a_list_without_label_and_split(kinetics):
    (kinetics / "flat").mkdir()
    (kinetics / "flat/x_5_15.mp4").touch()
    lists = kinetics / "kinetics_test.csv"
    lists.write_text("youtube_id,time_start,time_end\nx,5,15\n")
    (entry,) = read_kinetics(kinetics / "flat", lists=lists).entries
    assert (entry.label, entry.splits, entry.status) == (None, {"split1": "test"}, "listed")


def test_a_file_without_times_does_not_stand_for_two_clips(kinetics):
    lists = kinetics / "two.csv"
    lists.write_text(
        HEADER + "yoga,AAAAAAAAAAA,0,10,val\nyoga,AAAAAAAAAAA,20,30,val\nriding a bike,-aBc_12_34x,10,20,\n"
    )
    listing = read_kinetics(kinetics / "videos", lists=lists)
    assert [entry.status for entry in listing.entries] == ["missing", "missing", "listed"]
    assert "1 file without a row in the lists, left out (yoga/AAAAAAAAAAA.webm)" in listing.remarks


def test_repeated_rows_are_counted_once(kinetics):
    again = "yoga,AAAAAAAAAAA,0,10,val\njogging,-aBc_12_34x,10,20,train\n"
    (kinetics / "annotations/val.csv").write_text(HEADER + again)
    listing = read_kinetics(kinetics / "videos", lists=kinetics / "annotations")
    assert len(listing.entries) == 3
    assert listing.entries[0].label == "riding a bike"
    assert listing.remarks[2:] == (
        "2 rows of the lists repeated; the first of a video counts",
        "1 repeated row with another label or split than the first",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEADER + "yoga,AAAAAAAAAAA,soon,10,val\n", "line 2: time_start and time_end are not both numbers"),
        (HEADER + "yoga,,0,10,val\n", "line 2: youtube_id is ''"),
        (HEADER + "yoga,AAAAAAAAAAA,0,10,holdout\n", "line 2: split is 'holdout'; allowed: train"),
        (HEADER + "yoga,zzz,0,10,val\n", "looked for files such as yoga/zzz_000000_000010.mp4"),
        (
            "path,label\na.mp4,x\n",
            "no video is listed in .*list.csv; expected lists with the columns label, youtube_id",
        ),
    ],
)
def test_lists_that_cannot_be_used(kinetics, text, message):
    (kinetics / "list.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        read_kinetics(kinetics / "videos", lists=kinetics / "list.csv")


def test_no_lists(kinetics):
    (kinetics / "annotations/train.csv").unlink()
    with pytest.raises(UserError, match="were not found: the lists of Kinetics .*--lists DIR"):
        read_kinetics(kinetics / "videos")


def test_json_and_txt_lists_say_what_csv_lists_say(kinetics):
    wanted = read_kinetics(kinetics / "videos").entries
    rows = [line.split(",") for line in (kinetics / "annotations/train.csv").read_text().splitlines()[1:]]
    videos = {
        row[1]: {
            "annotations": {"label": row[0], "segment": [float(row[2]), float(row[3])]},
            "duration": 10.0,
            "subset": row[4],
            "url": "https://www.youtube.com/watch?v=" + row[1],
        }
        for row in rows
    }
    (kinetics / "annotations/train.csv").rename(kinetics / "train_600.txt")
    (kinetics / "videos/train words.txt").write_text("riding a bike\nyoga\n")  # no list of Kinetics
    lists = kinetics / "train_600.txt"
    assert read_kinetics(kinetics / "videos", lists=lists).entries == wanted
    lists.unlink()
    (kinetics / "videos/train words.txt").unlink()
    (kinetics / "annotations/kinetics_train.json").write_text(json.dumps(videos))
    assert read_kinetics(kinetics / "videos").entries == wanted
    (kinetics / "annotations/kinetics_train.json").write_text('{"a": {"subset": "train"}}')
    with pytest.raises(UserError, match=r"kinetics_train.json, a: no annotations with a segment"):
        read_kinetics(kinetics / "videos")
    (kinetics / "annotations/kinetics_train.json").write_text('{"a": {"subset"')
    with pytest.raises(UserError, match=r"cannot read the list .*kinetics_train.json"):
        read_kinetics(kinetics / "videos")


def test_a_list_without_header_says_the_same(kinetics):
    wanted = read_kinetics(kinetics / "videos").entries
    rows = (kinetics / "annotations/train.csv").read_text().splitlines()[1:]
    for name, lines in {"train.txt": rows, "train.csv": [row.replace(",", "\t") for row in rows]}.items():
        (kinetics / name).write_text("\n".join(lines))
        assert read_kinetics(kinetics / "videos", lists=kinetics / name).entries == wanted
    bare = [",".join(row.split(",")[1:4]) for row in rows]  # without labels, as of a test set that was held out
    (kinetics / "test.txt").write_text("\n".join(bare))
    found = read_kinetics(kinetics / "videos", lists=kinetics / "test.txt").entries
    assert [(entry.id.rpartition("/")[2], entry.label) for entry in found] == [
        (entry.id.rpartition("/")[2], None) for entry in wanted
    ]
    (kinetics / "test.txt").write_text("\n".join([*bare, "x,1"]))
    with pytest.raises(
        UserError, match=r"test.txt, line \d+: expected youtube_id, time_start, time_end, as on the first"
    ):
        read_kinetics(kinetics / "videos", lists=kinetics / "test.txt")
    (kinetics / "test.txt").write_text("videos/a.mp4 0\n")
    with pytest.raises(UserError, match="--layout csv"):
        read_kinetics(kinetics / "videos", lists=kinetics / "test.txt")


def test_many_rows_take_time_in_proportion(kinetics):
    count = 20_000
    rows = "".join(f"yoga,id{number:09d},{number % 300},{number % 300 + 10},train\n" for number in range(count))
    (kinetics / "many.csv").write_text(HEADER + rows + "riding a bike,-aBc_12_34x,10,20,train\n")
    started = time.process_time()
    listing = read_kinetics(kinetics / "videos", lists=kinetics / "many.csv")
    assert len(listing.entries) == count + 1
    assert sum(entry.status == "missing" for entry in listing.entries) == count
    assert time.process_time() - started < 5
