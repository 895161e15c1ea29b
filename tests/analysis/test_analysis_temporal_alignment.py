"""Blocks against blocks: constructed videos whose events are known, and a real run."""

import json

import numpy as np
import pytest

from coview.analysis import analyse_run
from coview.analysis.block_similarity import align, relative, smoothed
from coview.analysis.temporal_alignment import choose_pairs
from coview.datatypes import VideoEntry
from coview.errors import UserError
from stand_in_context import stand_in


def events(places, *, seed=0, scene=0.0):
    """Unit features of a sequence of events on a smooth way, each a mix of its neighbours, on top of a scene."""
    anchors = np.random.default_rng(1).normal(size=(8, 16))
    rows = np.stack([np.interp(places, np.arange(8), column) for column in anchors.T], axis=1)
    rows += scene * np.random.default_rng(seed).normal(size=16)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_a_later_and_slower_video_is_followed():
    """The second video waits at the beginning: each event is matched with the same one."""
    first, second = np.linspace(0, 7, 18), np.concatenate([np.zeros(6), np.linspace(0, 7, 12)])
    found = align(events(first), events(second, seed=5), videos=("a", "b"), is_relative=False)
    assert found.warping.cost < 0.05
    assert found.share_as_cheap == pytest.approx(1 / 36)
    assert all(abs(first[i] - second[j]) < 0.9 for i, j in found.warping.path)


def test_the_scene_is_left_out_where_only_changes_count():
    places = np.linspace(0, 7, 18)
    first, second = events(places, seed=5, scene=3.0), events(places, seed=6, scene=3.0)
    whole, changes = (align(first, second, videos=("a", "b"), is_relative=only) for only in (False, True))
    assert changes.cosines.diagonal().mean() > whole.cosines.diagonal().mean() + 0.1
    np.testing.assert_allclose(relative(first).sum(axis=0) @ np.ones(16), relative(first).sum(), atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(relative(first), axis=1), 1)
    assert not relative(np.ones((3, 2), np.float32)).any()


def test_a_video_with_itself_repeats_or_does_not():
    turn = 2 * np.pi * np.arange(18) / 6
    loop = np.stack([np.cos(turn), np.sin(turn), np.full(18, 2.0)], axis=1)
    rows = (loop / np.linalg.norm(loop, axis=1, keepdims=True)).astype(np.float32)
    found = align(rows, rows, videos=("a", "a"), is_relative=True)
    assert found.warping is None
    assert found.repetition.period == pytest.approx(6, abs=0.1)
    assert found.repetition.confidence > 0.9
    np.testing.assert_allclose(found.cosines[0], np.cos(turn), atol=1e-5)
    once = events(np.linspace(0, 7, 18))
    assert align(once, once, videos=("a", "a"), is_relative=True).repetition.confidence < 0.25


def test_smoothing_spreads_and_keeps_the_sum():
    peak = np.zeros((9, 9))
    peak[4, 4] = 1
    blurred = smoothed(peak, 0.7)
    assert blurred[4, 4] < 0.5
    assert blurred.sum() == pytest.approx(1, abs=1e-6)
    assert smoothed(peak, 0) is peak


def entry(name, label, group):
    return VideoEntry(id=name, path=name, label=label, group=group)


def test_pairs_are_near_and_of_one_class_but_not_of_one_recording():
    entries = [
        entry("a0", "a", "g0"),
        entry("a1", "a", "g0"),
        entry("a2", "a", "g1"),
        entry("a3", "a", "g2"),
        entry("b0", "b", "g3"),
        entry("b1", "b", "g3"),
        entry("lonely", "c", "g4"),
    ]
    angles = np.array([0.0, 0.01, 0.5, 0.2, 1.0, 1.1, 0.0])
    rows = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    context = stand_in(entries, {"this run": {"rgb": rows}})
    assert [(one.id, other.id) for one, other in choose_pairs(context, 3)] == [("a0", "a3"), ("b0", "b1")]
    bare = [entry(given.id, None, given.group) for given in entries]
    pairs = choose_pairs(stand_in(bare, {"this run": {"rgb": rows}}), 2)
    assert [(one.id, other.id) for one, other in pairs] == [("a1", "lonely"), ("b1", "a2")]


def test_a_run_and_its_files(small_run):
    options = {"blocks": 6, "view": "flow", "videos": ["v1", "v8", "v1", "v1"]}
    result = analyse_run(small_run.run, small_run.data, analysis="temporal-alignment", options=options)
    folder = small_run.run / "analysis"
    assert {file.name for file in folder.glob("temporal-alignment*")} == {
        "temporal-alignment.json",
        "temporal-alignment.csv",
        *(f"temporal-alignment-{name}.{suffix}" for name in ("pair1", "self2") for suffix in ("svg", "png")),
    }
    values = json.loads((folder / "temporal-alignment.json").read_text())["findings"]["values"]
    pair, alone = values["alignments"]
    assert values["view"] == "flow"
    assert np.array(pair["cosines"]).shape == (6, 6)
    assert (pair["videos"], alone["videos"]) == (["v1", "v8"], ["v1", "v1"])
    np.testing.assert_allclose(np.diag(alone["cosines"]), 1, atol=1e-4)
    assert len(result.findings.sentences) == 2
    assert "6 blocks of 4 frames" in result.findings.figures[0].caption


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"videos": ["v1"]}, "two by two"),
        ({"videos": ["v1", "v99"]}, "has no video 'v99'"),
        ({"videos": ["v1", "broken"]}, "'broken' is not ready: corrupt: made so"),
        ({"view": "pose"}, "the run has rgb, flow"),
        ({"blocks": 5}, "blocks"),
    ],
)
def test_mistakes_are_the_users(small_run, options, message):
    with pytest.raises(UserError, match=message):
        analyse_run(small_run.run, small_run.data, analysis="temporal-alignment", options=options)
