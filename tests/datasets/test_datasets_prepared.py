"""Opening a prepared data set, and what is said when it is none."""

import pytest
import yaml

from coview.datasets.manifest import write_manifest
from coview.datasets.prepared import PreparedDataset
from coview.datatypes import VideoEntry
from coview.errors import UserError

ENTRIES = (
    VideoEntry("a", "/a.mp4", label="wave", splits={"split1": "train", "split2": "test"}, status="ready"),
    VideoEntry("x/b.c", "/b.mp4", label="jump", splits={"split1": "test"}, status="ready"),
    VideoEntry("d", "/d.mp4", splits={"split1": "test"}, status="failed", reason="corrupt: x"),
    VideoEntry("e", "/e.mp4", splits={"split1": "validation"}, status="missing"),
    VideoEntry("f", "/f.mp4", status="ready"),
)
INFO = {
    "format": 1,
    "coview": "0.1.0",
    "source": "/my videos",
    "layout": "ucf101",
    "lists": "/lists",
    "views": {"rgb": {"crf": 20.0}, "flow": None},
}


def prepared(root, entries=ENTRIES, **changes):
    root.mkdir(exist_ok=True)
    (root / "dataset.yaml").write_text(yaml.safe_dump({**INFO, **changes}, sort_keys=False))
    write_manifest(entries, root / "videos.parquet")
    return PreparedDataset.open(root)


def ids(entries):
    return [entry.id for entry in entries]


def test_everything_is_at_hand(tmp_path):
    data = prepared(tmp_path)
    assert data.entries == ENTRIES
    assert ids(data.ready) == ["a", "x/b.c", "f"]
    assert data.view_options == {"rgb": {"crf": 20.0}, "flow": {}}
    assert data.info["coview"] == "0.1.0"
    assert data.splits == ("split1", "split2")
    assert data.labels == ("jump", "wave")
    assert data.part_counts("split1") == {"train": 1, "test": 1}
    assert data.view_path("flow", "x/b.c", ".mp4") == tmp_path / "views/flow/x/b.c.mp4"
    assert data.entry("x/b.c") is data.entries[1]
    with pytest.raises(UserError, match=r"has no video 'x/bc'; did you mean 'x/b.c'\?"):
        data.entry("x/bc")
    assert PreparedDataset.open(str(tmp_path)).entries == ENTRIES


def test_parts_hold_ready_videos(tmp_path):
    data = prepared(tmp_path)
    assert ids(data.part("split1", "train")) == ["a"]
    assert ids(data.part("split1", "test")) == ["x/b.c"]
    assert ids(data.part(None, "train")) == ["a", "x/b.c", "f"]


@pytest.mark.parametrize(
    ("split", "part", "message"),
    [
        ("split3", "train", r"no split 'split3'; did you mean 'split\d'\? It has: split1, split2"),
        (None, "test", "the part 'test' needs a split, and none was named; .* has: split1, split2"),
        ("split2", "train", r"'split2' of .* has no ready video in 'train'; it has: test \(1\)"),
        ("split1", "validation", r"no ready video in 'validation'; it has: test \(1\), train \(1\)"),
    ],
)
def test_parts_that_are_not_there(tmp_path, split, part, message):
    with pytest.raises(UserError, match=message):
        prepared(tmp_path).part(split, part)


def test_without_any_split_training_takes_all(tmp_path):
    data = prepared(tmp_path, [VideoEntry("a", "/a.mp4", status="ready")])
    assert ids(data.part("split1", "train")) == ["a"]
    with pytest.raises(UserError, match="'test' needs a split, and .* has no split column 'split1'.* --folds 5"):
        data.part("split1", "test")


def test_folds_leave_what_worked_before(tmp_path):
    """A config that names split1 takes all videos without splits; so it does once folds have been dealt."""
    entries = [
        VideoEntry(name, f"/{name}.mp4", status="ready", splits={"fold1": part, "fold2": other})
        for name, part, other in (("a", "train", "test"), ("b", "test", "train"))
    ]
    data = prepared(tmp_path, entries, folds=2)
    assert (data.splits, data.given_splits) == (("fold1", "fold2"), ())
    assert ids(data.part("split1", "train")) == ["a", "b"]
    assert ids(data.part("fold1", "train")) == ["a"]
    assert [data.split_of_run(name) for name in ("split1", "fold2", None)] == [None, "fold2", None]
    with pytest.raises(UserError, match=r"no split 'fold3'; did you mean 'fold\d'\? It has: fold1, fold2"):
        data.part("fold3", "train")
    with pytest.raises(UserError, match="'test' needs a split, and has no split 'split1'; .* has: fold1, fold2"):
        data.part("split1", "test")


def test_a_split_that_is_not_there_is_an_error_that_says_how_to_get_one(tmp_path):
    data = prepared(tmp_path, [VideoEntry("a", "/a.mp4", status="ready")])
    with pytest.raises(UserError, match=r"has no split 'split1'. It has none. .* coview prepare .* --folds 5"):
        data.require_split("split1")
    with pytest.raises(UserError, match="has no split 'fold1'"):
        data.part("fold1", "train")


def test_nothing_ready_is_said(tmp_path):
    data = prepared(tmp_path, [VideoEntry("a", "/a.mp4", status="failed")])
    with pytest.raises(UserError, match="none of the 1 video of .* is ready"):
        data.part(None, "train")


def test_a_missing_view_comes_with_the_command_that_adds_it(tmp_path):
    data = prepared(tmp_path)
    data.require_views(["rgb", "flow"])
    with pytest.raises(UserError) as caught:
        data.require_views(["rgb", "pose"])
    assert str(caught.value) == (
        f"{tmp_path} does not hold the view 'pose'; it holds rgb, flow. Add it with: coview prepare '/my videos' "
        f"{tmp_path} --layout ucf101 --lists /lists --views rgb flow pose"
    )


def test_folders_that_are_not_prepared(tmp_path):
    for name in ("videos/a.mp4", "empty/x.txt", "half/.prepare/settings.yaml"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    prepared(tmp_path / "above")
    for name, message in {
        "none": "none does not exist; make .* coview prepare SOURCE .*none",
        "videos": "not a prepared data set; make one from it with: coview prepare .*videos OUT",
        "videos/a.mp4": "is a file, expected a prepared data set",
        "empty": "no dataset.yaml",
        "half": "not prepared to the end; give the same coview prepare command again",
        ".": "a folder in it is; give .*above",
        "above/dataset.yaml": "give its folder: .*above$",
    }.items():
        with pytest.raises(UserError, match=message):
            PreparedDataset.open(tmp_path / name)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2, "coview": "9.0"}, r"newer coview \(format 2; this one reads 1\): update coview"),
        ({"format": 0}, r"older coview \(format 0; this one reads 1\): prepare the videos again, into a new folder"),
        ({"format": "x"}, "dataset.yaml is damaged"),
        ({"views": ["rgb"]}, "dataset.yaml is damaged"),
    ],
)
def test_damaged_and_newer_data_sets(tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        prepared(tmp_path, **changes)


def test_a_lost_manifest_is_said(tmp_path):
    prepared(tmp_path)
    (tmp_path / "videos.parquet").unlink()
    with pytest.raises(UserError, match="there is no manifest"):
        PreparedDataset.open(tmp_path)
