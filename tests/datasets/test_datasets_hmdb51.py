"""HMDB51's lists: a file a class and split, 1 train, 2 test, 0 neither."""

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
