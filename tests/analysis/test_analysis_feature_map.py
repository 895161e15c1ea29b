"""Maps: coloured by label or cluster, runs side by side, points with pictures for the page."""

import base64
import json

import cv2
import numpy as np
import pytest

from coview.analysis import analyse_run
from coview.analysis.feature_map import FeatureMap, FeatureMapSettings, chance_alike, groups_of, share_alike
from coview.analysis.figure import class_colours
from coview.datatypes import VideoEntry
from coview.errors import UserError
from stand_in_context import stand_in


def videos(count, *, labels=("a", "b")):
    return [VideoEntry(id=f"v{n}", path="", label=labels[n % len(labels)], status="ready") for n in range(count)]


def rows_of(count, *, seed=0, spread=0.02):
    """Unit rows in two groups, even and odd videos."""
    rows = np.eye(2, 6)[np.arange(count) % 2] + spread * np.random.default_rng(seed).normal(size=(count, 6))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def run_map(context, **options):
    return FeatureMap(FeatureMapSettings(thumbnails=0, method="pca", **options)).analyse(context)


def test_shares_against_counting():
    neighbours = np.array([[1, 2], [0, 2], [0, 1]])
    assert share_alike(neighbours, ["a", "a", "b"]) == pytest.approx(2 / 6)
    assert chance_alike(["a", "a", "b"]) == pytest.approx(2 / 6)
    assert chance_alike(["a"] * 4) == 1


def test_runs_stand_side_by_side_per_view_and_ensemble():
    rows = rows_of(30)
    sets = {
        "this run": {"rgb": rows, "flow": rows},
        "random weights": {"rgb": rows_of(30, seed=1), "flow": rows_of(30, seed=2)},
        "other": {"rgb": rows_of(30, spread=5)},
    }
    found = run_map(stand_in(videos(30), sets))
    assert [figure.name for figure in found.figures] == ["rgb", "flow", "mean-of-views"]
    assert [(one["view"], one["run"]) for one in found.payload["maps"]] == [
        ("rgb", "this run"),
        ("rgb", "other"),
        ("flow", "this run"),
        ("mean of views", "this run"),
    ]
    by_view = {(one["view"], one["run"]): one["alike"] for one in found.values["maps"]}
    assert by_view["rgb", "this run"] == 1
    assert by_view["rgb", "other"] < 0.9
    assert found.values["alike_by_chance"] == pytest.approx(14 / 29)
    with_random = run_map(stand_in(videos(30), sets), random=True)
    assert len(with_random.payload["maps"]) == 7
    assert len(found.records) == 4 * 30


def test_points_say_which_video_they_are():
    found = run_map(stand_in(videos(12, labels=("a", None)), {"this run": {"rgb": rows_of(12)}}))
    (drawn,) = found.payload["maps"]
    assert [point["video"] for point in drawn["points"]] == [f"v{n}" for n in range(12)]
    assert drawn["points"][1]["label"] is None
    assert drawn["points"][1]["group"] == "no label"
    assert all(0 <= point[axis] <= 1 for point in drawn["points"] for axis in "xy")
    assert list(found.payload["colours"]) == ["a", "no label"]


def test_without_labels_clusters_give_the_colours():
    context = stand_in(videos(20, labels=(None,)), {"this run": {"rgb": rows_of(20)}})
    groups = groups_of(context, clusters=2, seed=0)
    assert {*groups[::2]} | {*groups[1::2]} == {"cluster 1", "cluster 2"}
    assert len({*groups[::2]}) == len({*groups[1::2]}) == 1
    assert "coloured by k-means cluster" in run_map(context, clusters=2).figures[0].title


def test_too_many_videos_are_drawn_from_and_that_is_said():
    found = run_map(stand_in(videos(40), {"this run": {"rgb": rows_of(40)}}), most=10)
    assert len(found.payload["maps"][0]["points"]) == 10
    assert found.sentences[-1] == "10 of 40 videos, drawn at random."
    assert found.figures[0].caption.endswith("10 of 40 videos, drawn at random")


def test_many_classes_are_named_in_the_map():
    labels = [f"class {n}" for n in range(30)]
    entries = videos(90, labels=labels)
    rows = np.random.default_rng(0).normal(size=(30, 6))[np.arange(90) % 30].astype(np.float32)
    found = run_map(stand_in(entries, {"this run": {"rgb": rows}}))
    assert "class 7</text>" in found.figures[0].svg.replace("\n", "")


def test_two_videos_make_no_map():
    with pytest.raises(UserError, match="a map of 2 videos shows nothing"):
        run_map(stand_in(videos(2), {"this run": {"rgb": rows_of(2)}}))


def test_colours_are_distinct_and_sorted_as_people_count():
    colours = class_colours([f"cluster {n}" for n in (10, 2, 1)] + ["no label"])
    assert list(colours) == ["cluster 1", "cluster 2", "cluster 10", "no label"]
    assert len({*class_colours(map(str, range(101))).values()}) == 101


def test_a_run_with_pictures(small_run):
    result = analyse_run(
        small_run.run, small_run.data, analysis="map", part="all", options={"thumbnails": 4, "method": "pca"}
    )
    values = json.loads((small_run.run / "analysis" / "map.json").read_text())
    pictures = values["findings"]["payload"]["thumbnails"]
    assert len(pictures) == 4
    name, uri = next(iter(pictures.items()))
    assert name in {f"v{n}" for n in range(9)}
    data = np.frombuffer(base64.b64decode(uri.removeprefix("data:image/jpeg;base64,")), np.uint8)
    assert cv2.imdecode(data, cv2.IMREAD_COLOR).shape == (42, 3 * 56, 3)
    assert result.counts["videos"] == 9
