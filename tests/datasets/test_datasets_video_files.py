"""What counts as a video below a folder, and what is said about the rest."""

import os
import sys

import pytest

from coview.datasets.video_files import find_videos
from coview.errors import UserError


def make(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return root


def test_videos_are_found_in_order_whatever_their_names(tmp_path):
    odd = ["b c/#1 ä?.MP4", "ü/日本.avi", "a.mov", "line\nbreak.mkv", "%41.webm", "-x.mp4"]
    files = find_videos(make(tmp_path, *odd, "a.txt", "mp4", ".hidden.mp4", "._a.mov", "__MACOSX/a.mp4", ".git/a.mp4"))
    assert files.names == tuple(sorted(odd))
    assert files.remarks == ("2 files of other kinds left out (1 .txt, 1 no extension)",)
    assert all(os.path.isfile(files.path(name)) for name in files.names)  # noqa: PTH113


def test_what_systems_and_network_drives_add_is_left_out(tmp_path):
    theirs = ("@eaDir/a.mp4/SYNOVIDEO_VIDEO_SCREENSHOT.mp4", ".Trashes/b.mp4", "$RECYCLE.BIN/c.mp4", "#recycle/d.mp4")
    files = find_videos(make(tmp_path, "a.mp4", *theirs, "x/System Volume Information/e.mp4", "lost+found/f.mp4"))
    assert files.names == ("a.mp4",)


def test_every_kind_of_moving_picture_is_a_video(tmp_path):
    kinds = ["qt", "ivf", "h264", "hevc", "mjpeg", "m1v", "ogv", "ts", "3gp", "wmv", "y4m", "mxf", "dv"]
    files = find_videos(make(tmp_path, *(f"a{number}.{kind}" for number, kind in enumerate(kinds))))
    assert len(files.names) == len(kinds)
    assert files.remarks == ()


def test_files_left_out_are_counted_by_kind(tmp_path):
    files = find_videos(make(tmp_path, "a.mp4", "b/x.JPG", "c.jpg", "list.txt", *(f"n.{kind}" for kind in "pqrstu")))
    assert files.remarks == ("9 files of other kinds left out (2 .jpg, 1 .p, 1 .q, 1 .r, 1 .s and 3 of 3 other kinds)",)


def test_folders_of_pictures_are_named_with_what_reads_them(tmp_path):
    files = find_videos(make(tmp_path, "a.mp4", "wave/v/img_00001.jpg", "wave/v/img_00002.jpg"))
    assert (
        "1 folder of pictures left out (wave/v); where each is a video, its frames numbered, give --layout frames"
        in (files.remarks)
    )
    with pytest.raises(UserError, match="no video below .*--layout frames"):
        find_videos(tmp_path / "wave")


def test_links_are_followed_but_not_in_circles(tmp_path):
    source = make(tmp_path / "source", "a/x.mp4")
    make(tmp_path / "elsewhere", "y.mp4")
    (source / "link").symlink_to(tmp_path / "elsewhere")
    (source / "a/up").symlink_to(source)
    (source / "z.mp4").symlink_to(source / "a/x.mp4")
    (source / "gone.mp4").symlink_to(source / "nowhere.mp4")
    files = find_videos(source)
    assert files.names == ("a/x.mp4", "gone.mp4", "link/y.mp4", "z.mp4")
    assert files.broken == {"gone.mp4"}
    assert files.remarks == ("1 link to files that do not exist: gone.mp4",)


def test_a_prepared_data_set_inside_is_not_taken_for_source_videos(tmp_path):
    make(tmp_path, "a.mp4", "out/dataset.yaml", "out/views/rgb/a.mp4", "half/.prepare/settings.yaml", "half/b.mp4")
    files = find_videos(tmp_path)
    assert files.names == ("a.mp4",)
    assert files.remarks == ("2 prepared data sets not searched for videos: half, out",)
    with pytest.raises(UserError, match="is itself a data set that coview prepared"):
        find_videos(tmp_path / "out")


def test_a_name_that_is_not_text_is_left_out_and_named(tmp_path):
    make(tmp_path, "good.mp4")
    try:
        with open(os.fsencode(tmp_path) + b"/bad\xff.mp4", "wb"):  # noqa: PTH123
            pass
    except OSError:
        pytest.skip("this file system takes only UTF-8 names")
    files = find_videos(tmp_path)
    assert files.names == ("good.mp4",)
    assert files.remarks == ("1 video left out for names that are not valid UTF-8 (rename them): 'bad\\udcff.mp4'",)


def test_a_shell_that_reads_names_as_ascii_is_named_in_place_of_the_names(tmp_path, monkeypatch):
    make(tmp_path, "good.mp4", "odd\udcff.mp4")  # as an ASCII locale reads all names that are not ASCII
    monkeypatch.setattr(sys, "getfilesystemencoding", lambda: "ascii")
    (remark,) = find_videos(tmp_path).remarks
    assert "this shell's locale, of ascii, cannot read (set PYTHONUTF8=1" in remark


def test_a_wrong_path_says_where_it_goes_wrong(tmp_path):
    make(tmp_path, "videos/train/a.mp4")
    with pytest.raises(UserError, match=r"no 'vidoes' in .*; did you mean 'videos'\?"):
        find_videos(tmp_path / "vidoes" / "train")
    with pytest.raises(UserError, match="is a file; give its folder"):
        find_videos(tmp_path / "videos/train/a.mp4")


def test_a_folder_without_videos_says_what_it_holds(tmp_path):
    (tmp_path / "none").mkdir()
    with pytest.raises(UserError, match="it is empty"):
        find_videos(tmp_path / "none")
    make(tmp_path / "pictures", "a.JPG", "b.jpg", "README")
    with pytest.raises(UserError, match=r"other files \(2 .jpg, 1 no extension\).*\.mp4"):
        find_videos(tmp_path / "pictures")


def test_a_closed_folder_is_named_and_the_rest_is_found(tmp_path, monkeypatch):
    make(tmp_path, "a.mp4", "closed/b.mp4")
    scandir = os.scandir

    def refusing(folder):  # root may open every folder, so permissions cannot be used here
        if str(folder).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refusing)
    files = find_videos(tmp_path)
    assert files.names == ("a.mp4",)
    assert files.remarks == ("1 folder could not be opened and searched: closed/: Permission denied",)
