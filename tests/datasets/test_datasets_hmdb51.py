"""HMDB51's lists: a file a class and split, 1 train, 2 test, 0 neither."""

import unicodedata

import pytest

from coview.datasets.hmdb51 import read_hmdb51
from coview.errors import UserError

BRUSH = "April_09_brush_hair_u_nm_np1_ba_goo_0"
BRUSH_AGAIN = "April_09_brush_hair_u_nm_np1_ba_goo_1"
CLAP = "#20_(HQ) Rhythm; clap_u_nm_np1_fr_goo_0"


@pytest.fixture
def hmdb(tmp_path):
    lists = tmp_path / "testTrainMulti_7030_splits"
    lists.mkdir()
    (lists / "brush_hair_test_split1.txt").write_text(f"{BRUSH}.avi 1 \n{BRUSH_AGAIN}.avi 0 \n")
    (lists / "brush_hair_test_split2.txt").write_text(f"{BRUSH}.avi 2 \n{BRUSH_AGAIN}.avi 2 \n")
    (lists / "clap_test_split1.txt").write_text(f"{CLAP}.avi 2 \n\n")
    for name in (f"brush_hair/{BRUSH}.avi", f"clap/{CLAP}.mp4"):
        (tmp_path / "videos" / name).parent.mkdir(parents=True)
        (tmp_path / "videos" / name).touch()
    return tmp_path


def test_numbers_mean_parts(hmdb):
    listing = read_hmdb51(hmdb / "videos")
    assert {e.id: (e.label, e.group, dict(e.splits), e.status) for e in listing.entries} == {
        BRUSH: ("brush_hair", "April_09_brush_hair", {"split1": "train", "split2": "test"}, "listed"),
        BRUSH_AGAIN: ("brush_hair", "April_09_brush_hair", {"split2": "test"}, "missing"),
        CLAP: ("clap", "#20_(HQ) Rhythm; clap", {"split1": "test"}, "listed"),
    }
    assert listing.remarks == (f"1 of 3 listed videos missing ({BRUSH_AGAIN})",)


def test_one_name_in_two_classes_stays_apart(hmdb):
    (hmdb / "testTrainMulti_7030_splits/wave_test_split1.txt").write_text(f"{BRUSH}.avi 2\n")
    (hmdb / "videos/wave").mkdir()
    (hmdb / f"videos/wave/{BRUSH}.avi").touch()
    found = {e.id: (e.label, e.path) for e in read_hmdb51(hmdb / "videos").entries}
    assert found[f"wave/{BRUSH}"] == ("wave", str(hmdb / f"videos/wave/{BRUSH}.avi"))
    assert found[f"brush_hair/{BRUSH}"] == ("brush_hair", str(hmdb / f"videos/brush_hair/{BRUSH}.avi"))


def test_errors_say_what_to_do(hmdb, tmp_path):
    with pytest.raises(UserError, match=r"does not hold the text files <class>_test_split1.txt"):
        read_hmdb51(hmdb / "videos", lists=hmdb / "videos")
    path = hmdb / "testTrainMulti_7030_splits/clap_test_split1.txt"
    path.write_text(f"{CLAP}.avi 3\n")
    with pytest.raises(UserError, match=r"clap_test_split1.txt, line 1: .* is not of the form name.avi 0, 1 or 2"):
        read_hmdb51(hmdb / "videos")
    path.write_text(f"{CLAP}.avi 1\n{CLAP}.avi 2\n")
    with pytest.raises(UserError, match="line 2: the video is in 'train' and in 'test' of 'split1'"):
        read_hmdb51(hmdb / "videos")


def test_names_that_differ_in_case_alone_get_their_own_files(tmp_path):
    names = ["Foo_wave_u_nm_np1_fr_goo_0.avi", "foo_wave_u_nm_np1_fr_goo_0.avi"]
    (tmp_path / "wave_test_split1.txt").write_text(f"{names[0]} 1\n{names[1]} 2\n")
    videos = tmp_path / "videos" / "wave"
    videos.mkdir(parents=True)
    for name in names:
        (videos / name).touch()
    if len(list(videos.iterdir())) < 2:
        pytest.skip("this file system does not tell them apart")
    listing = read_hmdb51(tmp_path / "videos")
    assert [(entry.path, entry.splits) for entry in listing.entries] == [
        (str(videos / names[0]), {"split1": "train"}),
        (str(videos / names[1]), {"split1": "test"}),
    ]
    assert listing.remarks == ()
    (videos / names[0]).unlink()  # the other one does not stand in: it is listed itself
    assert [entry.status for entry in read_hmdb51(tmp_path / "videos").entries] == ["missing", "listed"]
    (videos / names[1]).rename(videos / names[1].upper())
    (tmp_path / "wave_test_split1.txt").write_text(f"{names[1]} 2\n")
    assert [entry.status for entry in read_hmdb51(tmp_path / "videos").entries] == ["listed"]


def test_composed_and_decomposed_accents_are_the_same_name(tmp_path):
    composed, decomposed = (unicodedata.normalize(form, "é_wave_u_nm_np1_fr_goo_0") for form in ("NFC", "NFD"))
    (tmp_path / "wave_test_split1.txt").write_text(f"{composed}.avi 1\n")
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / f"{decomposed}.mp4").touch()
    assert [entry.status for entry in read_hmdb51(tmp_path / "videos").entries] == ["listed"]
