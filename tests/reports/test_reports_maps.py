"""Maps: which points, whose frames, and how large a page of a thousand videos is."""

import dataclasses

import cv2
import numpy as np

from coview.analysis.base import Findings
from coview.analysis.result import AnalysisResult
from coview.analysis.thumbnails import thumbnails as made_thumbnails
from coview.datatypes import VideoEntry
from coview.reports.facts import gather
from coview.reports.maps import maps_of, thumbnails
from coview.reports.page import render
from stand_in_context import stand_in


def points(count):
    same = {"y": 0.5, "label": None}
    return [{"x": n / count, "video": f"v{n}", "group": f"cluster {n % 7}", **same} for n in range(count)]


def analysed(made, payload, name="map"):
    shared = ("run", "checkpoint", "data", "preset", "seed", "remarks", "versions", "device", "seconds", "created_at")
    return AnalysisResult(
        analysis=name,
        findings=Findings(("Said.",), (), {}, (), payload=payload),
        beside=(),
        split=None,
        part="all",
        settings={},
        counts={"videos": 3, "of": 8, "classes": 0},
        path="analysis/map.json",
        **{key: getattr(made, key) for key in shared},
    )


def test_maps_of_a_payload():
    maps = [{"title": "rgb", "points": points(2)}, {"title": "flow", "points": []}]
    (one,) = maps_of({"maps": maps, "colours": {"a": "#00ff00", "b": "url(https://x)", "c": 3}})
    assert (one.title, len(one.points), one.colours) == ("rgb", 2, {"a": "#00ff00"})
    assert maps_of({}) == []


def test_points_that_are_none_are_left_out():
    odd = [3, {}, {"x": "far", "y": 0, "video": "v", "group": "g"}, *points(1)]
    (one,) = maps_of({"maps": [{"points": odd}], "colours": [1]})
    assert [point["video"] for point in one.points] == ["v0"]


def jpeg(name):
    return f"data:image/jpeg;base64,{name}"


def test_the_newest_picture_of_a_video_counts_in_its_own_data_set(run_folder):
    made = run_folder.evaluate()
    newest = analysed(made, {"thumbnails": {"v0": jpeg("new"), "v2": "https://somewhere/x.jpg", "v3": 1}})
    older = analysed(made, {"thumbnails": {"v0": jpeg("old"), "v1": jpeg("x")}})
    other = analysed(dataclasses.replace(made, data={"name": "other"}), {"thumbnails": {"v0": jpeg("theirs")}})
    found = thumbnails([other, newest, older, analysed(made, {})])
    assert found == {"data": {"v0": jpeg("new"), "v1": jpeg("x")}, "other": {"v0": jpeg("theirs")}}


def textured(material, entry, places, *, height):
    """Pictures with as much detail as a photograph."""
    generator = np.random.default_rng(int(entry.id[1:]) % 40)
    coarse = generator.integers(0, 256, (height // 6, 10, 3), dtype=np.uint8)
    smooth = cv2.resize(coarse, (height * 4 // 3, height), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    noise = generator.normal(0, 8, (len(places), *smooth.shape))
    return list(np.clip(smooth + noise, 0, 255).astype(np.uint8))


def test_a_page_of_a_thousand_videos_stays_small(run_folder, monkeypatch):
    """With five maps, as four views and their ensemble have."""
    run_folder.train()
    made = run_folder.evaluate()
    entries = [VideoEntry(id=f"v{n}", path="p", num_frames=40, width=80, height=60) for n in range(1000)]
    material = stand_in(entries, {"this run": {}})
    monkeypatch.setattr(type(material), "pictures", textured)
    strips = made_thumbnails(material, entries)
    assert len(strips) == 1000
    assert min(map(len, strips.values())) > 2000, "pictures as flat as these prove nothing"
    maps = [{"title": f"view {n}", "points": points(1000)} for n in range(5)]
    result = analysed(made, {"maps": maps, "thumbnails": strips, "colours": {}})
    page = render(dataclasses.replace(gather(run_folder.path), analyses=[result]), None)
    assert sum(map(len, strips.values())) < len(page) < 15e6
