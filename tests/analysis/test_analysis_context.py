"""AnalysisContext: made when it is asked for, cut and drawn from in order, with words that say what a figure shows."""

from dataclasses import dataclass

import numpy as np
import pytest

from coview.analysis.context import FeatureSet, OnDemand, settings_in_words
from coview.analysis.running import _Subject
from coview.datatypes import VideoEntry
from stand_in_context import stand_in


def videos(labels):
    return [VideoEntry(id=f"v{n}", path="", label=label) for n, label in enumerate(labels)]


def test_values_are_made_once_and_only_when_looked_at():
    made = []
    found = OnDemand({name: lambda name=name: made.append(name) or name.upper() for name in ("a", "b")})
    assert list(found) == ["a", "b"]
    assert len(found) == 2
    assert made == []
    assert found["b"] == "B"
    assert found["b"] == "B"
    assert made == ["b"]
    with pytest.raises(KeyError):
        found["c"]


def test_cutting_keeps_rows_and_videos_together():
    rows = np.arange(12, dtype=np.float32).reshape(6, 2)
    context = stand_in(
        videos(["a", None, "b", None, "a", "b"]), {"this run": {"rgb": rows}}, pixels=lambda: {"mean frame": rows + 100}
    )
    assert context.is_labelled
    assert context.labels == ["a", "", "b", "", "a", "b"]
    cut = context.labelled()
    assert [entry.id for entry in cut.entries] == ["v0", "v2", "v4", "v5"]
    np.testing.assert_array_equal(cut.own.features["rgb"], rows[[0, 2, 4, 5]])
    again = cut.of([3, 0])
    np.testing.assert_array_equal(again.own.features["rgb"], rows[[5, 0]])
    np.testing.assert_array_equal(again.pixels()["mean frame"], rows[[5, 0]] + 100)
    assert context.of(range(6)) is context
    assert not stand_in(videos([None]), {"this run": {"rgb": rows[:1]}}).is_labelled


def test_videos_are_drawn_in_the_order_of_the_data_set():
    context = stand_in(videos("abcdefghij"), {"this run": {"rgb": np.eye(10, dtype=np.float32)}})
    drawn = context.sample(4, seed=1)
    places = [int(entry.id[1:]) for entry in drawn.entries]
    assert len(places) == 4
    assert places == sorted(places)
    np.testing.assert_array_equal(drawn.own.features["rgb"].argmax(axis=1), places)
    assert places == [int(entry.id[1:]) for entry in context.sample(4, seed=1).entries]
    assert context.sample(10) is context


def test_the_ensemble_is_the_weighted_mean_of_cosines():
    generator = np.random.default_rng(0)
    features = {}
    for view in ("rgb", "pose"):
        rows = generator.normal(size=(4, 5)).astype(np.float32)
        features[view] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    found = FeatureSet("this run", features).with_ensemble()
    assert list(found) == ["rgb", "pose", "weighted views"]
    expected = (2 * features["rgb"] @ features["rgb"].T + features["pose"] @ features["pose"].T) / 3
    np.testing.assert_allclose(found["weighted views"] @ found["weighted views"].T, expected, atol=1e-5)
    assert list(FeatureSet("this run", {"rgb": features["rgb"]}).with_ensemble()) == ["rgb"]


@dataclass(frozen=True)
class Settings:
    neighbours: int = 5
    most: int | None = None
    names: tuple[str, ...] = ()
    views: tuple[str, ...] = ("a",)


def test_captions_say_data_view_run_and_settings():
    context = stand_in(videos("ab"), {"this run": {}}, part="test", split="split1")
    text = context.about(view="rgb", settings=Settings())
    assert text == '2 videos (test of split1) of some · rgb · mine at together-00000009 · neighbours 5, views ["a"]'
    assert stand_in(videos("ab"), {}).about(whose="other") == "2 videos (all) of some · other"
    assert settings_in_words({"a_b": 1, "c": None}) == "a b 1"


def test_pictures_clips_and_pixels_of_a_real_run(small_run):
    context = _Subject.open(small_run.run, small_run.data, part="all").context
    assert len(context.entries) == 9
    frames = context.pictures(context.entries[0], [0, 5, 5], height=18)
    assert [frame.shape for frame in frames] == [(18, 24, 3)] * 3
    np.testing.assert_array_equal(frames[1], frames[2])
    pixels = context.pixels()
    assert {rows.shape[0] for rows in pixels.values()} == {9}
    alone = context.of([8, 0]).pixels()
    np.testing.assert_array_equal(alone["mean frame"], pixels["mean frame"][[8, 0]])
    clips = context.clips(context.entries[:2], [np.arange(8)[None]] * 2, num_blocks=2, whose="random weights")
    assert [rows.shape[0] for rows in clips["flow"]] == [1, 1]
