"""Nearest neighbours against plain loops, and what the wall of pictures shows."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from coview.analysis import analyse_run
from coview.analysis.neighbours import Neighbours, NeighboursSettings, nearest_videos, share_right, shared_neighbours
from coview.datatypes import VideoEntry
from coview.errors import UserError, VideoError
from stand_in_context import stand_in


def unit_rows(generator, n, size):
    rows = generator.normal(size=(n, size)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def drawn():
    """12 videos of 3 classes, two of each recording; features of two views."""
    generator = np.random.default_rng(0)
    entries = [VideoEntry(id=f"v{n}", path="p", label="abc"[n % 3], group=f"g{n // 2}") for n in range(12)]
    return entries, {"rgb": unit_rows(generator, 12, 4), "flow": unit_rows(generator, 12, 4)}


def test_equals_plain_loops(drawn):
    entries, features = drawn
    groups = [entry.group for entry in entries]
    found = {view: nearest_videos(rows, groups, count=3) for view, rows in features.items()}
    right, common = 0, 0
    for place, entry in enumerate(entries):
        expected = {}
        for view, rows in features.items():
            others = [other for other in range(12) if groups[other] != groups[place]]
            expected[view] = sorted(others, key=lambda other, rows=rows: -float(rows[place] @ rows[other]))[:3]
            assert [index for index, _ in found[view].of(place)] == expected[view]
            assert found[view].of(place)[0][1] == pytest.approx(float(rows[place] @ rows[expected[view][0]]), abs=1e-6)
        right += entries[expected["rgb"][0]].label == entry.label
        common += len(set(expected["rgb"]) & set(expected["flow"]))
    assert share_right(found["rgb"], [entry.label for entry in entries]) == pytest.approx(right / 12)
    assert shared_neighbours(found["rgb"], found["flow"]) == pytest.approx(common / 12)


def test_who_has_no_label_and_who_has_no_candidate_is_not_asked():
    rows = np.eye(3, dtype=np.float32)
    found = nearest_videos(rows, ["a", "a", "b"], count=2)
    assert [len(found.of(place)) for place in range(3)] == [1, 1, 2]
    assert share_right(found, ["x", None, "x"]) == 1.0
    alone = nearest_videos(rows, ["a", "a", "a"], count=2)
    assert [alone.of(place) for place in range(3)] == [[], [], []]
    assert np.isnan(share_right(alone, ["x", "x", "x"]))


def test_a_query_that_does_not_take_part_and_one_recording_are_the_users_error(drawn):
    entries, features = drawn
    with pytest.raises(UserError, match="names v99, not among the 12 videos"):
        Neighbours(NeighboursSettings(videos=("v99",))).analyse(stand_in(entries, {"this run": features}))
    with pytest.raises(UserError, match="not cut from one recording"):
        Neighbours(NeighboursSettings()).analyse(stand_in(entries[:2], {"this run": features}))


def test_a_real_run(small_run):
    result = analyse_run(
        small_run.run, small_run.data, analysis="neighbours", part="all", options={"queries": 3, "neighbours": 2}
    )
    assert [figure.name for figure in result.findings.figures] == ["rgb", "flow", "mean-of-views"]
    examples = result.findings.payload["neighbours"]["mean of views"]
    assert [example["id"] for example in examples] == ["v1", "v4", "v7"]
    for example in examples:
        assert len(example["neighbours"]) == 2
        assert example["id"] not in {found["id"] for found in example["neighbours"]}
    svg = result.findings.figures[0].svg
    assert "query: fast" in svg
    assert ("✓" in svg) or ("✗" in svg)
    assert (small_run.run / "analysis" / "neighbours-rgb.png").is_file()
    assert "same class in: rgb" in result.findings.sentences[0]


def test_without_labels_nothing_is_called_right_or_wrong(drawn, monkeypatch):
    entries, features = drawn
    entries = [dataclasses.replace(entry, label=None) for entry in entries]
    context = stand_in(entries, {"this run": features})

    def pictures(self, entry, places, *, height):
        if entry.id == "v3":
            raise VideoError("corrupt", Path("v3.mp4"), "made so")
        return [np.zeros((height, 64, 3), np.uint8) for _ in places]

    monkeypatch.setattr(type(context), "pictures", pictures)
    found = Neighbours(NeighboursSettings(queries=12, neighbours=2)).analyse(context)
    assert found.sentences[0] == "No video has a label: nobody can say which neighbours are right."
    assert found.tables == ()
    assert not any(mark in figure.svg for figure in found.figures for mark in "✓✗")
    assert len(found.records) == 3 * 12 * 2
    assert any(sentence.startswith("No picture of v3: ") for sentence in found.sentences)
