"""Health: changed clips are what they are called, encoders with known eyes are seen through, words fit the numbers."""

import dataclasses
import json

import numpy as np
import pytest

from coview.analysis import analyse_run
from coview.analysis.changed_clips import CHANGES, changed_clips
from coview.analysis.feature_geometry import hubs, measure_geometry
from coview.analysis.health import HealthAnalysis, HealthSettings, OfView, ViewReading, _seen_by
from coview.analysis.health_words import health_sentences
from coview.config import ClipSettings
from coview.datatypes import VideoEntry
from coview.errors import UserError
from stand_in_context import stand_in


def test_changed_clips_hold_the_frames_they_are_called_after():
    clip = ClipSettings(num_blocks=2, block_length=3, frame_stride=2)
    middle, still, shuffled, backward, later, first = changed_clips(31, clip, key=1)
    assert middle.tolist() == [10, 12, 14, 16, 18, 20]
    assert still.tolist() == [16] * 6
    assert sorted(shuffled) == sorted(middle)
    assert shuffled.tolist() != middle.tolist()
    assert backward.tolist() == [20, 18, 16, 14, 12, 10]
    assert later.tolist() == [20, 22, 24, 26, 28, 30]
    assert first.tolist() == [0, 2, 4, 6, 8, 10]
    assert list(CHANGES) == ["still", "shuffled", "reversed", "later"]
    assert not np.array_equal(changed_clips(31, clip, key=2)[2], shuffled)


def test_an_encoder_blind_to_order_is_seen_through():
    """Features that say which video it is, and whether it moves."""
    generator = np.random.default_rng(0)
    videos = np.eye(6, 8)
    still = videos + 0.5 * np.eye(8)[7]
    clips = np.stack([videos, still, videos, videos, videos, videos])
    clips = clips / np.linalg.norm(clips, axis=2, keepdims=True)
    found = _seen_by("this run", "rgb", clips.astype(np.float32))
    assert found.shares["shuffled"] == found.shares["reversed"] == pytest.approx(0, abs=1e-6)
    assert found.shares["still"] == pytest.approx(1 - 1 / np.sqrt(1.25), abs=1e-5)
    assert found.alignment == pytest.approx(0, abs=1e-6)
    noisy = clips.copy()
    noisy[4] = generator.normal(size=(6, 8))
    noisy[4] /= np.linalg.norm(noisy[4], axis=1, keepdims=True)
    assert _seen_by("this run", "rgb", noisy.astype(np.float32)).shares["later"] > 0.5


def seen(still, shuffled, backward, whose="this run"):
    shares = {"still": still, "shuffled": shuffled, "reversed": backward, "later": 0.1}
    return ViewReading(whose, "rgb", shares, shares, 0.0, 0.5, same_video=0.5, same_video_error=0.1)


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ((0.05, 0.01, 0.01), "looks at pictures, hardly at motion"),
        ((0.6, 0.05, 0.02), "sees that something moves, not in which order"),
        ((0.6, 0.2, 0.15), "sees motion, and a little of its order"),
        ((0.6, 0.5, 0.4), "sees motion and its order"),
        ((float("nan"),) * 3, "cannot be told"),
    ],
)
def test_words_for_motion(numbers, words):
    text = health_sentences(
        [], [seen(*numbers), seen(0.2, 0.1, 0.1, whose="random weights")], k=10, chance=0.1, clips=24
    )[0]
    assert words in text
    assert ("random weights 20%, 10%, 10%" in text) == (not np.isnan(numbers[0]))


def of_view(rows, near, **explained):
    return OfView("this run", "rgb", measure_geometry(rows.astype(np.float32)), hubs(near), explained)


def test_words_for_spread_neighbours_and_hubs():
    even = np.eye(40)[:30]
    star = np.zeros((30, 1), np.int64)
    found = " ".join(health_sentences([of_view(even, star, histogram=0.8)], [], k=1, chance=0.03, clips=0))
    assert "80% of the 1 nearest are also the nearest by histogram (chance 3%): pixels explain most" in found
    assert "videos fill the space well" in found
    assert "a few hubs are everyone's neighbour" in found
    near = np.arange(30).reshape(30, 1)[::-1].copy()
    flat = np.tile(np.eye(3)[0], (30, 1))
    found = " ".join(health_sentences([of_view(flat, near, histogram=0.05)], [], k=1, chance=0.03, clips=0))
    assert "pixels explain little of it" in found
    assert "collapsed: all videos are nearly the same" in found
    assert "hubs" not in found


def test_neighbours_that_few_videos_share_by_chance_say_nothing_of_pixels():
    near = np.zeros((30, 1), np.int64)
    for share, chance, words in (
        (0.71, 0.59, "so few videos share most neighbours by chance"),
        (0.45, 0.3, "pixels explain a part of it"),
        (0.35, 0.3, "pixels explain little of it"),
    ):
        made = [of_view(np.eye(40)[:30], near, histogram=share)]
        assert words in " ".join(health_sentences(made, [], k=10, chance=chance, clips=0))


def test_a_video_found_again_is_told_beside_random_weights_and_chance():
    readings = [
        dataclasses.replace(seen(0.6, 0.5, 0.4), same_video=0.75, same_video_error=0.09),
        dataclasses.replace(seen(0.6, 0.5, 0.4, whose="random weights"), same_video=0.5, same_video_error=0.1),
    ]
    assert health_sentences([], readings, k=10, chance=0.1, clips=24)[1] == (
        "rgb finds a video again by its other end for 75% ± 9% of 24 (random weights 50% ± 10%, chance 4%)."
    )


def test_how_often_a_video_is_found_again_by_plain_loops():
    generator = np.random.default_rng(3)
    clips = generator.normal(size=(6, 9, 4)).astype(np.float32)
    clips /= np.linalg.norm(clips, axis=2, keepdims=True)
    later, first = clips[1 + list(CHANGES).index("later")], clips[5]
    hits = [max(range(9), key=lambda other: float(later[n] @ first[other])) == n for n in range(9)]
    assert _seen_by("this run", "rgb", clips).same_video == pytest.approx(sum(hits) / 9)
    same = clips.copy()
    same[1 + list(CHANGES).index("later")] = first
    assert _seen_by("this run", "rgb", same).same_video == 1


def test_random_weights_and_pixels_explain_neighbours():
    rows = np.random.default_rng(0).normal(size=(12, 5)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    entries = [VideoEntry(id=f"v{n}", path="") for n in range(12)]
    context = stand_in(
        entries,
        {"this run": {"rgb": rows}, "random weights": {"rgb": rows}, "other": {"rgb": rows[::-1].copy()}},
        pixels=lambda: {"mean frame": rows},
    )
    found = HealthAnalysis(HealthSettings(neighbours=3, clips=0)).analyse(context)
    own, random, other = found.values["views"]
    assert own["explained_by"] == {"mean frame": 1, "random weights": 1}
    assert random["explained_by"] == {"mean frame": 1}
    assert other["explained_by"]["mean frame"] < 1
    assert found.values["overlap_by_chance"] == pytest.approx(2 / 11)
    assert [figure.name for figure in found.figures] == ["spectrum", "neighbours"]
    assert sum(own["occurrences"].values()) == 12
    bare = HealthAnalysis(HealthSettings(clips=0, pixels=False)).analyse(stand_in(entries, {"this run": {"rgb": rows}}))
    assert [figure.name for figure in bare.figures] == ["spectrum"]
    with pytest.raises(UserError, match="3 videos are too few"):
        HealthAnalysis(HealthSettings(clips=0)).analyse(stand_in(entries[:3], {"this run": {"rgb": rows[:3]}}))


def test_a_run_without_labels_needed(small_run):
    result = analyse_run(small_run.run, small_run.data, analysis="health", part="all", options={"clips": 3})
    values = json.loads((small_run.run / "analysis" / "health.json").read_text())["findings"]["values"]
    assert values["clips"] == 3
    assert [(one["whose"], one["view"]) for one in values["changed_clips"]] == [
        ("this run", "rgb"),
        ("this run", "flow"),
        ("random weights", "rgb"),
        ("random weights", "flow"),
    ]
    assert {name for one in values["views"] for name in one["explained_by"]} == {
        "mean frame",
        "frame difference",
        "colour histogram",
        "random weights",
    }
    assert [figure.name for figure in result.findings.figures] == ["spectrum", "neighbours", "time"]
    assert result.counts["videos"] == 9
