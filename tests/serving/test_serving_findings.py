"""The collection as a whole: what is told is what the index finds."""

import time

import numpy as np
import pytest

import coview
from coview.serving.looking_over import place_rows


def waited(client, path):
    until = time.monotonic() + 120
    while (found := client.get(path).json())["state"] == "making":
        assert time.monotonic() < until
        time.sleep(0.2)
    assert found["state"] == "ready", found["reason"]
    return found


def test_the_map_has_a_place_for_every_video(client):
    found = waited(client, "/api/map")
    listed = client.get("/api/videos", params={"limit": 500}).json()["videos"]
    assert dict(zip(found["numbers"], found["labels"], strict=True)) == {one["number"]: one["label"] for one in listed}
    assert all(0 <= at <= 1 for at in found["x"] + found["y"])
    assert len(set(zip(found["x"], found["y"], strict=True))) == 12
    numbers = [found["numbers"][place] for place in (3, 1, 2)]
    chosen = client.get("/api/videos", params={"number": numbers}).json()["videos"]
    assert [one["number"] for one in chosen] == numbers


@pytest.mark.parametrize("laid_out", [300, 60])
def test_alike_rows_lie_together(laid_out):
    generator = np.random.default_rng(0)
    kinds = np.arange(300) % 5
    centres = generator.standard_normal((5, 16))
    rows = (centres[kinds] + 0.1 * generator.standard_normal((300, 16))).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    places = place_rows(rows, laid_out=laid_out)
    assert places.shape == (300, 2)
    assert places.min() >= 0
    assert places.max() <= 1
    away = np.linalg.norm(places[:, None] - places[None], axis=2) + 9 * np.eye(300)
    assert (kinds[away.argmin(axis=1)] == kinds).mean() > 0.97


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 6])
def test_few_rows_have_places_too(count):
    rows = np.random.default_rng(0).standard_normal((count, 8)).astype(np.float32)
    places = place_rows(rows)
    assert places.shape == (count, 2)
    assert len({tuple(place) for place in places.round(6)}) == count


def test_findings_are_those_of_the_index(client, place):
    index = coview.open_index(place.index)
    found = waited(client, "/api/outliers")["outliers"]
    expected = index.outliers(top=60)
    assert [one["video"]["id"] for one in found] == [one.id for one in expected]
    assert [one["nearest"]["id"] for one in found] == [one.nearest for one in expected]
    groups = waited(client, "/api/clusters")["clusters"]
    assert [[video["id"] for video in one["videos"]] for one in groups] == [
        list(one.ids[:12]) for one in index.clusters()
    ]
    pairs = waited(client, "/api/duplicates")["pairs"]
    assert [(one["video"]["id"], one["other"]["id"]) for one in pairs] == [
        (one.id, one.other_id) for one in index.duplicates()
    ]
    chosen = waited(client, "/api/sample")["chosen"]
    assert [one["video"]["id"] for one in chosen] == [one.id for one in index.sample(12)]
