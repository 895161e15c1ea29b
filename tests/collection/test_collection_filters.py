"""Conditions are read, misread ones are named, and what they choose is what plain loops choose."""

import fnmatch
import os

import numpy as np
import pytest

from coview.collection.filters import Filter, Range, parse_filter, parse_words
from coview.errors import UserError
from small_index import random_video


def test_conditions_are_read(tmp_path):
    folder = tmp_path / "idx"
    where = {"label": ["a", "b"], "path": [f"{tmp_path}/videos/*", "cam1/*"], "time": "10..60", "camera": 3}
    found = parse_filter({**where, "heat": (20, None), "duration": "..30"}, folder=folder, fields=["camera", "heat"])
    assert found == Filter(
        texts={"label": ("a", "b"), "camera": ("3",)},
        globs=("../videos/*", "cam1/*"),
        ranges={"heat": Range(20, float("inf")), "duration": Range(-float("inf"), 30)},
        time=Range(10, 60),
    )
    assert parse_filter(None, folder=folder, fields=[]) == Filter()


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"lable": "x"}, "did you mean 'label'"),
        ({"time": "soon"}, "expected seconds from..to"),
        ({"time": (5, 2)}, "from must not be above to"),
        ({"label": []}, "allowed are"),
        ({"label": None}, "allowed are"),
        ({"camera": 3}, "it has no fields of its own"),
    ],
)
def test_misread_conditions_are_named(where, message, tmp_path):
    with pytest.raises(UserError, match=message):
        parse_filter(where, folder=tmp_path, fields=[])
    with pytest.raises(TypeError, match="expected names and values"):
        parse_filter(["label"], folder=tmp_path, fields=[])


def test_words_of_a_command_line():
    assert parse_words(["label=a", "label=b", "time=1..2"]) == {"label": ["a", "b"], "time": "1..2"}
    assert parse_words(["path=a=b"]) == {"path": "a=b"}
    with pytest.raises(UserError, match="expected NAME=VALUE"):
        parse_words(["label"])


def fill(store, seed):
    """Forty videos with labels, folders and fields; one in five without a label."""
    generator = np.random.default_rng(seed)
    facts = []
    made = []
    for number in range(40):
        label = [None, "walk", "run", "jump", "it's"][number % 5]
        video = random_video(
            generator, f"cam{number % 3}/v{number}", windows=int(generator.integers(1, 9)), label=label
        )
        made.append(video)
        facts.append((video.facts, str(number % 7), number / 2))
    with store.writing():
        store.add(made)
        store.set_fields({one.path: {"day": day, "heat": str(heat)} for one, day, heat in facts})
    return made, {one.id: (day, heat) for one, day, heat in facts}


def brute_force(made, vector, keep, time=None):
    """The best window of each video that is kept, by plain loops over float16 rows."""
    best = {}
    for video in made:
        if keep(video.facts):
            for row, start, end in zip(
                video.vectors.windows["rgb"], video.vectors.starts, video.vectors.ends, strict=True
            ):
                if time is None or (end > time[0] and start < time[1]):
                    cosine = float(row.astype(np.float16).astype(np.float32) @ vector)
                    best[video.facts.id] = max(best.get(video.facts.id, -2), cosine)
    return best


@pytest.mark.parametrize(
    ("where", "keep", "time"),
    [
        ({}, lambda f, o: True, None),
        ({"label": "walk"}, lambda f, o: f.label == "walk", None),
        ({"label": ["run", "it's"]}, lambda f, o: f.label in ("run", "it's"), None),
        ({"path": "cam1/*"}, lambda f, o: fnmatch.fnmatchcase(f.path, "*/cam1/*"), None),
        ({"day": 3}, lambda f, o: o[f.id][0] == "3", None),
        ({"heat": (4, 11.5), "label": "jump"}, lambda f, o: 4 <= o[f.id][1] <= 11.5 and f.label == "jump", None),
        ({"duration": (None, 5)}, lambda f, o: f.duration_seconds <= 5, None),
        ({"time": (2.5, 4)}, lambda f, o: True, (2.5, 4)),
        ({"time": (6, None), "path": ["cam0/*", "cam2/*"]}, lambda f, o: "cam1" not in f.path, (6, float("inf"))),
        ({"label": "x' OR '1'='1"}, lambda f, o: False, None),
    ],
)
def test_a_filter_finds_what_plain_loops_find(store, where, keep, time):
    made, own = fill(store, seed=1)
    for seed in range(5):
        vector = np.random.default_rng(seed).standard_normal(16).astype(np.float32)
        vector /= np.linalg.norm(vector)
        conditions = parse_filter(where, folder=store.folder, fields=store.field_names())
        found = store.search({"rgb": vector}, top=100, kind="moments", where=conditions, per_video=1)
        expected = brute_force(made, vector, lambda facts: keep(facts, own), time)
        assert {store.video(one.number).facts.id for one in found} == set(expected)
        for one in found:
            assert one.cosine == pytest.approx(expected[store.video(one.number).facts.id], abs=1e-5)
        assert [one.cosine for one in found] == sorted((one.cosine for one in found), reverse=True)


def test_absolute_patterns(store, tmp_path):
    made, _ = fill(store, seed=2)
    pattern = os.fspath(tmp_path / "videos" / "cam1" / "*")
    conditions = parse_filter({"path": pattern}, folder=store.folder, fields=[])
    assert len(store.catalogue.select(conditions)) == sum("cam1" in video.facts.path for video in made) == 13
