"""Maps: which points, whose frames, and how large a page of a thousand videos is."""

import dataclasses

import cv2
import numpy as np

from coview.datatypes import VideoEntry
from coview.report.facts import gather
from coview.report.maps import MOST_THUMBNAILS, maps_of, thumbnails
from coview.report.page import render
from coview.report.pictures import Album


def points(count, **more):
    return [{"x": n, "y": -n, "video": f"v{n}", "label": "", **more} for n in range(count)]


def test_points_and_maps_of_a_payload():
    (one,) = maps_of({"points": points(2)}, title="t")
    assert (one.title, [point["label"] for point in one.points]) == ("t", [None, None])
    assert not one.has_labels
    several = maps_of({"maps": {"a": points(1), "b": [], "c": points(3)}}, title="t")
    assert [found.title for found in several] == ["a", "c"]
    assert maps_of({}, title="t") == []


def test_each_video_once_and_none_that_brings_its_own(run_folder, drawn_view):
    album = Album(run_folder.data, {"rgb": drawn_view("rgb")})
    maps = maps_of({"maps": {"a": points(2), "b": points(3), "c": points(5, thumbnail="data:,")}}, title="t")
    assert list(thumbnails(maps, album)) == ["v0", "v1", "v2"]
    assert thumbnails(maps, None) == {}
    (one,) = points(1)
    assert list(thumbnails(maps_of({"points": [one, {**one, "video": "gone"}]}, title=""), album)) == ["v0"]


class Textured:
    """Stands for a stored view of pictures with as much detail as a photograph."""

    suffix = ".mp4"

    def read(self, path, frame_indices):
        return [(path.name, int(index)) for index in frame_indices]

    def picture(self, raw, *, height, width):
        generator = np.random.default_rng(raw[1])
        coarse = generator.integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
        smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.float32)
        return np.clip(smooth + generator.normal(0, 8, smooth.shape), 0, 255).astype(np.uint8)


def test_a_page_of_more_than_a_thousand_videos_stays_small(run_folder, monkeypatch):
    monkeypatch.setattr("coview.report.found.analyses", lambda facts: [])
    count = MOST_THUMBNAILS + 500
    shape = {"status": "ready", "num_frames": 40, "width": 80, "height": 60}
    entries = [VideoEntry(id=f"v{n}", path="p", **shape) for n in range(count)]
    album = Album(dataclasses.replace(run_folder.data, entries=tuple(entries)), {"rgb": Textured()})
    kept = thumbnails(maps_of({"points": points(count)}, title="t"), album)
    assert len(kept) == MOST_THUMBNAILS
    assert list(kept)[:2] == ["v0", "v2"]
    sizes = [len(uri) for uri in kept.values()]
    assert min(sizes) > 2000, "textures as flat as these prove nothing"
    whole = len(render(gather(run_folder.path), album)) + sum(sizes)
    assert whole < 15e6
