"""Which frames are shown, and how small they are."""

import base64

import cv2
import numpy as np
import pytest

from coview.datatypes import VideoEntry
from coview.reports.pictures import Album, choose_examples, middle, shown_width, spread


@pytest.mark.parametrize(("count", "expected"), [(90, [15, 45, 75]), (3, [0, 1, 2]), (1, [0, 0, 0])])
def test_strips_spread_over_the_video(count, expected):
    assert spread(count, 3).tolist() == expected


@pytest.mark.parametrize(
    ("count", "expected"),
    [(101, [47, 50, 53]), (3, [0, 1, 2]), (2, [0, 1]), (1, [0]), (6, [0, 2, 4])],
)
def test_loops_lie_in_the_middle_and_fit(count, expected):
    assert middle(count, 3, step=3).tolist() == expected


def test_width_follows_the_video_within_bounds():
    def width(w, h):
        return shown_width(VideoEntry(id="v", path="v", width=w, height=h), 72)

    assert [width(4, 3), width(16, 9), width(1, 9), width(9, 1), width(None, None)] == [96, 128, 36, 144, 96]


def test_examples_cover_the_classes():
    entries = [VideoEntry(id=f"v{n}", path="v", label="abc"[n % 3]) for n in range(30)]
    assert [entry.label for entry in choose_examples(entries, 3)] == ["a", "b", "c"]
    assert choose_examples([], 3) == []
    assert len(choose_examples(entries[:2], 6)) == 2


def test_one_video_is_read_once_and_a_loop_has_its_frames_side_by_side(run_folder, drawn_view):
    reads = []

    class Counting(drawn_view):
        def read(self, path, frame_indices):
            reads.append(path)
            return super().read(path, frame_indices)

    album = Album(run_folder.data, {"rgb": Counting("rgb")})
    first = album.loop("rgb", "v1")
    assert album.loop("rgb", "v1") is first
    assert len(reads) == 1
    assert (first.num_frames, first.width, first.height) == (10, 160, 120)
    data = base64.b64decode(first.uri.split(",")[1])
    assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).shape == (120, 1600, 3)
