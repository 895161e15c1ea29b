"""Tables as people write them."""

import unicodedata

import pytest

from coview.datasets.csv_table import read_csv
from coview.datasets.folder import read_folder
from coview.errors import UserError


@pytest.fixture
def videos(tmp_path):
    for name in ("clips/a.mp4", "clips/b c, d.mp4", "clips/ü#.AVI", "other/a.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def table(folder, text, name="table.csv", encoding="utf-8"):
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def test_paths_start_from_the_table(videos, monkeypatch):
    monkeypatch.chdir("/")
    path = table(videos / "clips", "path,label,group,split\na.mp4,wave,g1,train\n../other/a.mp4,,,val\n")
    listing = read_csv(path)
    a, b = listing.entries
    assert (a.id, a.path, a.label, a.group, a.splits) == (
        "a",
        str(videos / "clips/a.mp4"),
        "wave",
        "g1",
        {"split1": "train"},
    )
    assert (b.id, b.path, b.label, b.group, b.splits) == (
        "other/a",
        str(videos / "other/a.mp4"),
        None,
        None,
        {"split1": "validation"},
    )
    assert listing.remarks == ()


def test_relative_absolute_and_folder_sources_give_the_same(videos, monkeypatch):
    path = table(videos, "path\nclips/a.mp4\n")
    monkeypatch.chdir(videos)
    wanted = read_csv(path).entries
    assert read_csv(path.relative_to(videos)).entries == wanted
    assert read_csv(videos).entries == wanted
    moved = table(videos / "other", "path\nclips/a.mp4\n", "list.txt")
    assert read_csv(videos, lists=moved).entries == wanted
    absolute = table(videos, f"path\n{videos / 'clips/a.mp4'}\n", "absolute.csv")
    assert read_csv(absolute).entries == wanted


@pytest.mark.parametrize(
    "text",
    [
        'path,label\n"clips/b c, d.mp4",x\nclips/ü#.AVI,y\n',
        "path;label\nclips/b c, d.mp4;x\nclips/ü#.AVI;y\n",
        "path\tlabel\r\nclips/b c, d.mp4\tx\r\nclips/ü#.AVI\ty\r\n",
        "\ufeff Label | PATH \n\n x | clips/b c, d.mp4 \ny|clips/ü#.AVI\n\n",
    ],
)
def test_separators_and_spreadsheets(videos, text):
    assert [(entry.id, entry.label, entry.status) for entry in read_csv(table(videos, text)).entries] == [
        ("clips/b c, d", "x", "listed"),
        ("clips/ü#", "y", "listed"),
    ]


def test_only_paths_are_needed(videos):
    (entry,) = read_csv(table(videos, "path\nclips/a.mp4\n")).entries
    assert (entry.label, entry.group, entry.splits) == (None, None, {})


def test_several_splits_and_empty_cells(videos):
    text = "path,split1,split2,split:mine\nclips/a.mp4,train,test,\nother/a.mp4,,Testing,dev\n"
    assert [entry.splits for entry in read_csv(table(videos, text)).entries] == [
        {"split1": "train", "split2": "test"},
        {"split2": "test", "mine": "validation"},
    ]


def test_missing_repeated_and_unused_are_counted(videos):
    text = "path,label,width\nclips/a.mp4,x,1\nclips/gone.mp4,x,1\nclips/../clips/a.mp4,x,1\nother/a.mp4\n"
    listing = read_csv(table(videos, text))
    assert [(entry.id, entry.status) for entry in listing.entries] == [
        ("clips/a", "listed"),
        ("clips/gone", "missing"),
        ("other/a", "listed"),
    ]
    assert listing.entries[1].reason == "missing: no such file"
    assert listing.remarks == (
        "1 of 3 listed videos missing (clips/gone)",
        "1 row left out for repeating another one",
        "columns not used: width",
    )


def test_a_group_torn_apart_is_remarked(videos):
    text = "path,group,split\nclips/a.mp4,g,train\nother/a.mp4,g,test\n"
    (remark,) = read_csv(table(videos, text)).remarks
    assert remark == "1 group torn apart by 'split1', which makes test scores too good: g"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("video,class\na.mp4,x\n", "no column 'path'; found: video, class. Expected: path, .*rename the column"),
        ("", "is empty; its first line names the columns"),
        ("path,label\n", "there is no row below its header"),
        ("path,label,label\na.mp4,x,y\n", "column 'label' more than once"),
        ("path,label\nclips/b c, d.mp4,x\n", "line 2: 3 cells, but the header has 2 columns; .*quotes"),
        ("path,label\n,wave\n", "line 2: the cell 'path' is empty"),
        ("path,label\nclips/a.mp4,x\n\nclips/a.mp4,y\n", "lines 2 and 4 .* a different label"),
        ("path,split\nclips/a.mp4,fold3\n", "line 2: split is 'fold3'; allowed: train, .*dev"),
        ("path,split,split1\nclips/a.mp4,train,train\n", "which mean the same"),
        ("path\nclips\n", "line 2: clips is a folder without numbered frames, expected a video file"),
        ("path\nx/a.mp4\nx/b.mp4\n", "none of the 2 videos .* exists; looked for .*/x/a.mp4 .*start from"),
    ],
)
def test_tables_that_cannot_be_used(videos, text, message):
    with pytest.raises(UserError, match=message):
        read_csv(table(videos, text))


@pytest.mark.parametrize(
    "text",
    [
        "clips/a.mp4 wave\nclips/b c, d.mp4 jump\n",
        "clips/a.mp4 120 wave\nclips/b c, d.mp4 80 jump\n",
        "clips/a.mp4;wave\nclips/b c, d.mp4;jump\n",
        "clips/a.mp4\t120\twave\nclips/b c, d.mp4\t80\tjump\n",
    ],
)
def test_lists_without_a_header_are_read_and_it_is_said(videos, text):
    (videos / "clips/b c, d.mp4").touch()
    listing = read_csv(table(videos, text))
    found = [(entry.path, entry.label, entry.status) for entry in listing.entries]
    assert found == [(f"{videos}/clips/a.mp4", "wave", "listed"), (f"{videos}/clips/b c, d.mp4", "jump", "listed")]
    assert any("has no line with the names of its columns; read as: path" in remark for remark in listing.remarks)
    assert not any("not used" in remark for remark in listing.remarks)


def test_paths_of_windows_and_otherwise_composed_accents_are_found(videos):
    decomposed = unicodedata.normalize("NFD", "é.mp4")
    (videos / "clips" / decomposed).touch()
    (videos / "clips" / "back\\slash.mp4").touch()
    text = "path\nclips\\a.mp4\nclips/é.mp4\n" + "clips/back\\slash.mp4" + "\nclips\\none.mp4\n"
    listing = read_csv(table(videos, text))
    assert [entry.status for entry in listing.entries] == ["listed", "listed", "listed", "missing"]
    assert listing.entries[0].path == f"{videos}/clips/a.mp4"
    assert listing.entries[1].path == f"{videos}/clips/{decomposed}"
    assert listing.entries[2].path.endswith("back\\slash.mp4")  # a name that is there is taken as it is


def test_a_line_separator_in_a_name_ends_no_line(videos):
    name = "clips/a\u2028b.mp4"
    (videos / name).touch()
    (entry,) = read_csv(table(videos, f"path,label\n{name},wave\n")).entries
    assert (entry.path, entry.label, entry.status) == (f"{videos}/{name}", "wave", "listed")


def test_folders_of_frames_are_videos(videos):
    (videos / "clips/frames").mkdir()
    for number in (1, 2, 3):
        (videos / f"clips/frames/img_{number:05d}.jpg").touch()
    (entry,) = read_csv(table(videos, "path,label\nclips/frames,wave\n")).entries
    assert (entry.id, entry.status) == ("clips/frames", "listed")


def test_files_that_are_no_tables(videos):
    with pytest.raises(UserError, match="is not a text in UTF-8"):
        read_csv(table(videos, "path\nü.mp4\n", encoding="latin-1"))
    with pytest.raises(UserError, match="the table .* does not exist"):
        read_csv(videos / "none.csv")
    table(videos, "path\n", "two.tsv")
    with pytest.raises(UserError, match=r"2 tables \(table.csv, two.tsv\); give the table itself"):
        read_csv(videos)
    with pytest.raises(UserError, match=r"no .csv or .tsv file; give the table itself"):
        read_csv(videos / "clips")
    with pytest.raises(UserError, match="give the table only once"):
        read_csv(videos / "table.csv", lists=videos / "two.tsv")


def test_a_file_has_one_id_named_alone_or_found_in_its_folder(tmp_path):
    for name in ("videos/a.mp4", "videos/wave/b.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "elsewhere").mkdir()
    both = "".join(f"{tmp_path}/videos/{name}\n" for name in ("a.mp4", "wave/b.mp4"))
    listed = read_csv(table(tmp_path / "elsewhere", "path\n" + both))
    assert [entry.id for entry in listed.entries] == [e.id for e in read_folder(tmp_path / "videos").entries]
    alone = read_csv(table(tmp_path / "elsewhere", f"path\n{tmp_path}/videos/a.mp4\n"))
    assert [entry.id for entry in alone.entries] == ["a"]
