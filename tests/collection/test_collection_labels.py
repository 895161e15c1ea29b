"""Labels stay what they were: through undo, a new indexing, and a way out of the index and back in each format."""

import contextlib
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coview.collection.catalogue import Catalogue
from coview.collection.labels import NONE, Labels
from coview.collection.labels.formats import FORMATS
from coview.collection.local_store import LocalStore
from coview.errors import UserError
from small_index import random_video

NAMES = ("walk", 'odd "name", 2', "line\nbreak", "<b>", "\u202egpj")


def open_labels(store):
    return Labels(Catalogue(store.folder / "index.sqlite", identity={"index": "x"}), store, store.folder)


def fill(folder):
    store = LocalStore(folder / "idx", {"rgb": 16}, identity={"index": "x"}, create=True)
    generator = np.random.default_rng(0)
    with store.writing():
        store.add([random_video(generator, name, windows=9) for name in NAMES])
    return store


@pytest.fixture
def filled(tmp_path):
    store = fill(tmp_path)
    yield store, open_labels(store)
    store.close()


def said(labels):
    return sorted((one.id, one.span, one.classes, one.who, one.made_at) for one in labels)


def test_labels_are_kept_replaced_and_removed(filled):
    store, labels = filled
    labels.add("walk", ["run", "jump "], start=1, end=3, who="ann")
    labels.add("<b>", ())
    assert labels.classes == ("jump", "run")
    labels.add("walk", "run", start=1, end=3)
    again = open_labels(store)
    assert [(one.id, one.classes, one.span) for one in again] == [
        ("<b>", (), (0.0, math.inf)),
        ("walk", ("run",), (1.0, 3.0)),
    ]
    assert again.rows("walk")[0].made_at.endswith("+00:00")
    assert labels.remove("walk", start=1, end=3) == 1
    assert labels.remove("walk", start=1, end=3) == 0
    assert len(labels) == 1


def test_every_step_can_be_taken_back(filled):
    _, labels = filled
    states = []
    for act in (
        lambda: labels.add("walk", "a"),
        lambda: labels.add_class("b"),
        lambda: labels.add("walk", ("a", "b")),
        lambda: labels.remove("walk"),
    ):
        states.append((said(labels), labels.classes))
        act()
    while states:
        assert labels.undo() is not None
        assert (said(labels), labels.classes) == states.pop()
    assert labels.undo() is None
    assert labels.state == 0 or not labels.rows()


def test_labels_survive_a_new_indexing_and_a_move(filled):
    store, labels = filled
    labels.add("walk", "a", start=0, end=2)
    row = store.rows(id="walk")[0]
    changed = random_video(np.random.default_rng(1), "walk", windows=12)
    with store.writing():
        store.add([replace(changed, replaces=row.number)])
    assert labels.rows("walk")[0].span == (0, 2)
    moved = random_video(np.random.default_rng(1), "elsewhere/walk2", windows=12)
    moved = replace(moved, facts=replace(moved.facts, content="walk"))
    with store.writing():
        store.remove([store.rows(id="walk")[0].number])
    assert labels.rows()[0].video is None
    with store.writing():
        store.add([moved])
    assert labels.rows("elsewhere/walk2")[0].classes == ("a",)


@pytest.mark.parametrize(
    ("classes", "span", "words"),
    [
        ("a", (3, 2), "expected 0 <= start < end"),
        ("a", (-1, 2), "expected 0 <= start < end"),
        ("a", (0, math.nan), "expected 0 <= start < end"),
        ("a", (2, 11), "outside the video, which is 10.00 s long"),
        ("a", (2, None), "the start alone"),
        ("", (None, None), "cannot be called ''"),
        (NONE, (None, None), "none of the classes"),
        ("b", (4.9, 6), "contradicts (none of them)"),
        ((), (0.2, 2), "contradicts b"),
    ],
)
def test_what_makes_no_sense_is_refused(filled, classes, span, words):
    _, labels = filled
    labels.add("walk", "b", start=0, end=2)
    labels.add("walk", (), start=5, end=7)
    before = said(labels)
    with pytest.raises(UserError, match=words.replace("(", r"\(").replace(")", r"\)")):
        labels.add("walk", classes, start=span[0], end=span[1])
    assert said(labels) == before


def test_half_overlapping_windows_may_differ(filled):
    _, labels = filled
    labels.add("walk", "b", start=0, end=2)
    labels.add("walk", (), start=1, end=3)
    assert len(labels) == 2


def test_no_such_video(filled):
    _, labels = filled
    with pytest.raises(UserError, match="did you mean 'walk'"):
        labels.add("wolk", "a")
    with pytest.raises(UserError, match="has no video 77"):
        labels.add(77, "a")


seconds = st.floats(0, 10, allow_subnormal=False).map(abs)
texts = st.text(min_size=1, max_size=12).filter(lambda text: text.strip().isprintable() and text.strip() != NONE)
spans = st.tuples(seconds, seconds).map(sorted).filter(lambda pair: pair[0] < pair[1]).map(tuple)
made = st.lists(
    st.tuples(
        st.sampled_from(NAMES),
        st.one_of(st.just((None, None)), spans),
        st.lists(texts.filter(str.strip), max_size=3),
        st.sampled_from(["", "ann", 'Bo, "B"']),
    ),
    max_size=8,
)


@pytest.mark.parametrize("format", FORMATS)
def test_nothing_is_lost_on_the_way_out_and_in(format, tmp_path_factory):
    folder = tmp_path_factory.mktemp("labels")
    store = fill(folder)

    @settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
    @given(made)
    def check(wanted):
        labels = open_labels(store)
        while labels.undo():
            pass
        for video, (start, end), classes, who in wanted:
            with contextlib.suppress(UserError):  # contradictions
                labels.add(video, classes, start=start, end=end, who=who)
        before, out = said(labels), folder / "out" / f"labels.{'csv' if format == 'csv' else 'json'}"
        assert labels.export_file(out, format=format) == len(before)
        assert labels.import_file(out) == 0, "what is there already is not new"
        while labels.undo():
            pass
        assert not labels.rows()
        assert labels.import_file(out) == len(before), "the format is recognised"
        assert said(labels) == before
        labels.close()

    check()


def write(tmp_path, text, name="labels.csv"):
    path = tmp_path / name
    path.write_text(text if isinstance(text, str) else json.dumps(text), encoding="utf-8")
    return path


def test_all_mistakes_of_a_file_are_named_at_once(filled, tmp_path):
    _, labels = filled
    labels.add("walk", "a", start=1, end=2)
    lines = ["walk,1,2,b", "walk,one,2,a", "wolk,1,2,a", "walk,3,99,a", "walk,4,5,", "walk,6,7,fine"]
    with pytest.raises(UserError) as caught:
        labels.import_file(write(tmp_path, "\n".join(["path,start,end,label", *lines])))
    told = str(caught.value).splitlines()
    assert told[0].endswith("labels.csv: 5 mistakes, nothing was taken from it:")
    assert [line.split(":")[0].strip() for line in told[1:]] == [f"line {number}" for number in range(2, 7)]
    with pytest.raises(UserError, match="and 280 more") as caught:
        labels.import_file(write(tmp_path, "\n".join(["path,label", *["wolk,a"] * 300])))
    assert len(str(caught.value).splitlines()) == 22
    assert len(labels) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("path,start,end,label\nwalk,1,2,a\nwolk,1,2,a\n", "line 3: 'wolk' is not in"),
        ("path,start,end,label\nwalk,1,99,a\n", "line 2: a label ends at 99 s, outside the video"),
        ("path,start,end,label\nwalk,1,2,a\nwalk,1,2.1,(none of them)\n", "line 3: walk: .* contradicts a .line 2."),
        ("path,start,end,label\nwalk,one,2,a\n", "line 2: start is 'one', expected seconds"),
        ("path,start,end,label\nwalk,1,2,\n", "line 2: no label"),
        ("video,label\nwalk,a\n", "line 1: no column path"),
        ("", "is empty"),
        ('{"a": 1}', "unknown format"),
        ("[1, 2", "is no JSON"),
        ('{"labels": {"walk": [{"label": "a"}]}}', "labels of 'walk', number 1: neither timestamps nor support"),
        ('{"labels": {"walk": [{"timestamps": [1, 2]}]}}', "not in the format fiftyone"),
        ('[{"data": {"sound": "x"}, "annotations": []}]', "task 1: its data names no video"),
    ],
)
def test_bad_files_are_named_and_nothing_is_written(filled, tmp_path, text, words):
    _, labels = filled
    labels.add("<b>", "kept")
    before = said(labels)
    with pytest.raises(UserError, match=words):
        labels.import_file(write(tmp_path, text))
    assert said(labels) == before
    assert labels.undo() == "label <b>: kept"


def test_what_the_index_says_otherwise_is_replaced_only_when_asked(filled, tmp_path):
    _, labels = filled
    labels.add("walk", "a", start=1, end=2)
    file = write(tmp_path, "path,start,end,label\nwalk,1,2,b\n<b>,,,b\n")
    with pytest.raises(UserError, match="line 2: walk is labelled a in the index and b here"):
        labels.import_file(file)
    assert labels.import_file(file, replace_differing=True) == 2
    assert labels.rows("walk")[0].classes == ("b",)
    assert labels.undo() == "import labels.csv"
    assert [one.classes for one in labels] == [("a",)]


def test_videos_are_found_by_path_id_and_name(tmp_path):
    store = LocalStore(tmp_path / "idx", {"rgb": 16}, identity={"index": "x"}, create=True)
    generator = np.random.default_rng(0)
    with store.writing():
        store.add([random_video(generator, name, windows=9) for name in ("a/one", "b/one", "b/two")])
    labels = open_labels(store)
    full = tmp_path / "videos" / "b" / "one.mp4"
    text = f"path;label\nvideos/a/one.mp4;x\n{full};y\ntwo.mp4;z\n"
    assert labels.import_file(write(tmp_path, text)) == 3
    assert {one.id: one.classes for one in labels} == {"a/one": ("x",), "b/one": ("y",), "b/two": ("z",)}
    with pytest.raises(UserError, match="line 2: 'one.mp4' may be any of 2 videos"):
        labels.import_file(write(tmp_path, "path,label\none.mp4,x\n"))


def test_files_as_other_programs_write_them(filled, tmp_path):
    store, labels = filled
    facts = store.rows(id="walk")[0]
    with store.writing():
        store.update({facts.number: replace(facts.facts, fps=10.0)})
    detections = {"classes": ["a", "b"], "labels": {"walk": [{"label": 1, "support": [11, 20]}]}}
    assert labels.import_file(write(tmp_path, detections, "1.json")) == 1
    sample = {"filepath": "/data/walk.mp4", "metadata": {"frame_rate": 20}, "_id": {"$oid": "5"}}
    sample["events"] = {"_cls": "TemporalDetections", "detections": [{"label": "c", "support": [81, 100]}]}
    assert labels.import_file(write(tmp_path, {"samples": [sample]}, "2.json")) == 1
    studio = {"from_name": "videoLabels", "to_name": "video", "type": "timelinelabels"}
    ranges = [{"start": 61, "end": 70}, {"start": 71, "end": 80}]
    studio["value"] = {"ranges": ranges, "timelinelabels": ["d"]}
    task = {"id": 4, "data": {"video": "/data/local-files/?d=films/walk.mp4"}, "annotations": []}
    task["annotations"] = [
        {"completed_by": {"email": "bo@x.org"}, "created_at": "2024-01-01T00:00:00Z", "result": [studio]},
        {"was_cancelled": True, "completed_by": 1, "result": [studio, studio]},
    ]
    assert labels.import_file(write(tmp_path, [task], "3.json")) == 2
    project = {
        "project": {"vid_list": ["7"]},
        "attribute": {"1": {"aname": "what", "anchor_id": "FILE1_Z2_XY0", "type": 4, "options": {"0": "e", "1": "f"}}},
        "file": {"3": {"fid": "3", "fname": "walk.mp4", "type": 4, "loc": 1, "src": "walk.mp4"}},
        "view": {"7": {"fid_list": ["3"]}},
        "metadata": {
            "7_x": {"vid": "7", "flg": 0, "z": [9, 9.5], "xy": [], "av": {"1": "1"}},
            "7_y": {"vid": "7", "flg": 0, "z": [1], "xy": [2, 10, 10, 5, 5], "av": {"1": "0"}},
        },
    }
    assert labels.import_file(write(tmp_path, project, "4.json")) == 1
    assert [(one.classes, one.span) for one in labels] == [
        (("b",), (1.0, 2.0)),
        (("c",), (4.0, 5.0)),
        (("d",), (6.0, 7.0)),
        (("d",), (7.0, 8.0)),
        (("f",), (9.0, 9.5)),
    ]
    assert labels.rows("walk")[2].who == "bo@x.org"


def test_export_needs_to_know_the_format(filled, tmp_path):
    _, labels = filled
    with pytest.raises(UserError, match="in which format"):
        labels.export_file(tmp_path / "labels.json")
    with pytest.raises(UserError, match="did you mean 'via'"):
        labels.export_file(tmp_path / "labels.json", format="vja")
