"""Predictions of each kind against the truth, by numbers that can be checked by hand; and the command."""

import math

import pytest

from coview.cli import run_arguments
from coview.errors import UserError
from coview.evaluation.predicted import score_predictions

SEGMENTS = """path,start,end,label,probability
{0}/v.mp4,0,9,a,0.9
{0}/v.mp4,1,10,a,0.8
/elsewhere/w.avi,0,4,b,0.6
{0}/unknown.mp4,0,4,b,0.6
"""
TRUTH = """path,start,end,label
v.mp4,0,10,a
w.mp4,0,10,b
x.mp4,2,4,a
"""


@pytest.fixture
def tables(tmp_path):
    (tmp_path / "timeline.csv").write_text(SEGMENTS.format(tmp_path))
    (tmp_path / "truth.csv").write_text(TRUTH)
    return tmp_path


def test_segments(tables):
    found = score_predictions(tables / "timeline.csv", tables / "truth.csv")
    assert (found.kind, found.videos, found.unjudged, found.missing) == ("segments", 3, 1, 1)
    by_class = {row.name: row for row in found.classes.rows}
    assert (by_class["a"].precision, by_class["a"].recall) == (0.5, 0.5), "a second one on the same is wrong"
    assert (by_class["b"].precision, by_class["b"].recall) == (0, 0), "0.4 is no match at 0.5"
    assert found.segments[0.5] == {"a": 0.5, "b": 0, "": 0.25}
    assert found.segments[0.3] == {"a": 0.5, "b": 1, "": 0.75}
    assert sum(found.reliability.counts) == 3


def test_videos(tmp_path):
    (tmp_path / "truth.csv").write_text("path,label\nv.mp4,a\nw.mp4,(none of them)\nx.mp4,b\nx.mp4,a\n")
    rows = ["v,a,0.9,0.9,0.1", "w,(none of them),0.8,0.1,0.1", "x,a,0.9,0.9,0.3"]
    lines = [f"{tmp_path}/{row[0]}.mp4{row[1:]}" for row in rows]
    (tmp_path / "said.csv").write_text("\n".join(["path,label,probability,p:a,p:b", *lines]))
    found = score_predictions(tmp_path / "said.csv", tmp_path / "truth.csv")
    by_class = {row.name: row for row in found.classes.rows}
    assert by_class["a"].f1 == 1
    assert by_class["b"].recall == 0
    assert math.isnan(by_class["b"].precision)
    assert dict(zip(found.reliability.counts, found.reliability.came_true, strict=True))[2] == 1, "0.9 twice, both true"


def test_windows(tables):
    rows = [f"{tables}/v.mp4,{second},{second + 2},{chance},0" for second, chance in ((0, 0.9), (8, 0.2), (12, 0.7))]
    (tables / "windows.csv").write_text("\n".join(["path,start,end,p:a,p:b", *rows]))
    found = score_predictions(tables / "windows.csv", tables / "truth.csv")
    (row,) = found.classes.rows
    assert (row.name, row.precision, row.recall) == ("a", 0.5, 0.5)


def test_the_command_writes_a_page(tables, capsys):
    assert run_arguments(["score", str(tables / "timeline.csv"), str(tables / "truth.csv")]) == 0
    said = capsys.readouterr().out
    assert "mAP at IoU 0.3: 0.75" in said
    assert "1 video predicted of which" in said
    assert "note:" not in said
    (tables / "timeline.csv").write_text(SEGMENTS.format(tables) + f"{tables}/v.mp4,2,3,c,0.5\n")
    assert run_arguments(["score", str(tables / "timeline.csv"), str(tables / "truth.csv")]) == 0
    assert "truth.csv never names c\n" in capsys.readouterr().out
    page = (tables / "timeline.html").read_text()
    assert "Do the probabilities come true?" in page
    assert "<svg" in page


@pytest.mark.parametrize(
    ("predictions", "truth", "words"),
    [
        ("path,name\nv,1\n", TRUTH, "is no table of coview predict"),
        ("path,start,end,label,probability\n", TRUTH, "has no predictions"),
        ("path,start,end,label,probability\nv,0,x,a,1\n", TRUTH, "line 2: end is 'x', expected a number"),
        ("path,start,end,label,probability\nq,0,1,a,1\n", TRUTH, "have no video in common"),
        ("path,start,end,label,probability\nv,0,1,z,1\n", TRUTH, "have no class in common: 'z' here, 'a' there"),
        (SEGMENTS, "path,label\nv.mp4,a\n", "labels whole videos alone"),
    ],
)
def test_what_cannot_be_compared(tmp_path, predictions, truth, words):
    (tmp_path / "said.csv").write_text(predictions)
    (tmp_path / "truth.csv").write_text(truth)
    with pytest.raises(UserError, match=words):
        score_predictions(tmp_path / "said.csv", tmp_path / "truth.csv")
