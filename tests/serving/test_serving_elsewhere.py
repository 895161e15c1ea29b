"""Videos that lie elsewhere play on the page: fetched once, up to a size, and forgotten with the cache."""

import io
import time

import av
import fsspec
import pytest
from starlette.testclient import TestClient

import coview
from coview.remote import fetch
from coview.serving import create_app, desk, films_api
from served_index import XVID


@pytest.fixture(scope="module")
def bucket(place):
    """One video that browsers play and one that they do not, in fsspec's memory file system."""
    system = fsspec.filesystem("memory")
    for name in ("fast/v1.mp4", f"{XVID}.avi"):
        system.pipe(f"/elsewhere/{name}", (place.videos / name).read_bytes())
    yield system
    system.rm("/elsewhere", recursive=True)


@pytest.fixture
def shown(bucket, place, tmp_path):
    """Such an index, asked as the page asks; id -> number."""
    index = coview.open_index(tmp_path / "idx", run=place.run)
    assert index.add("memory://elsewhere", workers=0).added == 2
    with TestClient(create_app(index, fetch=True), base_url="http://localhost") as client:
        videos = client.get("/api/videos").json()["videos"]
        yield client, {video["id"]: f"/api/videos/{video['number']}" for video in videos}


def state_at_last(client, video):
    seen = []
    until = time.monotonic() + 60
    while time.monotonic() < until:
        seen.append(client.get(f"{video}/film/state").json())
        if seen[-1]["state"] != "making":
            return seen
        time.sleep(0.05)
    raise AssertionError(seen[-1])


def test_films_pictures_and_views_of_a_bucket_are_shown(shown, bucket, place):
    client, videos = shown
    assert client.get(f"{videos['fast/v1']}/film").status_code == 409
    assert client.get(f"{videos['fast/v1']}/film/state", params={"begin": False}).json()["is_fetched"]
    for name, frames in (("fast/v1", None), (XVID, 20)):
        last = state_at_last(client, videos[name])[-1]
        assert (last["state"], last["is_copy"]) == ("ready", frames is not None), last
        film = client.get(f"{videos[name]}/film", headers={"Range": "bytes=0-99"})
        assert film.status_code == 206
        assert client.get(f"{videos[name]}/poster.jpg").content[:2] == b"\xff\xd8"
    assert client.get(f"{videos['fast/v1']}/film").content == (place.videos / "fast/v1.mp4").read_bytes()
    drawn = client.get(f"{videos['fast/v1']}/views/flow", params={"start": 0.0, "end": 0.4})
    with av.open(io.BytesIO(drawn.content)) as film:
        assert sum(1 for _ in film.decode(video=0)) == 10
    bucket.rm("/elsewhere/fast/v1.mp4")
    try:
        assert client.get(f"{videos['fast/v1']}/film").status_code == 200, "what was fetched stays"
    finally:
        bucket.pipe("/elsewhere/fast/v1.mp4", (place.videos / "fast/v1.mp4").read_bytes())


def test_large_ones_are_not_fetched_for_a_picture_and_very_large_ones_not_at_all(shown, monkeypatch):
    client, videos = shown
    monkeypatch.setattr(films_api, "LARGEST_GLANCED_BYTES", 100)
    refused = client.get(f"{videos['fast/v1']}/poster.jpg")
    assert refused.status_code == 422
    assert "100 are fetched at most" in refused.json()["detail"]
    monkeypatch.setattr(desk.Desk.begin_fetching, "__kwdefaults__", {"largest_bytes": 100})
    assert "elsewhere" in state_at_last(client, videos["fast/v1"])[-1]["reason"]


def test_nobody_is_asked_for_a_video_unless_told(bucket, place, tmp_path):
    index = coview.open_index(tmp_path / "idx", run=place.run)
    index.add("memory://elsewhere/fast/v1.mp4", workers=0)
    with TestClient(create_app(index), base_url="http://localhost") as client:
        assert "serve INDEX --fetch" in client.get("/api/videos/1/film/state").json()["reason"]
        assert client.get("/api/videos/1/poster.jpg").status_code == 422
        assert client.post("/api/search", json={"query": {"video": 1}}).json()["hits"]


def test_one_that_has_gone_is_named(shown, bucket):
    client, videos = shown
    content = bucket.cat_file("/elsewhere/fast/v1.mp4")
    bucket.rm("/elsewhere/fast/v1.mp4")
    try:
        last = state_at_last(client, videos["fast/v1"])[-1]
    finally:
        bucket.pipe("/elsewhere/fast/v1.mp4", content)
    assert last["state"] == "failed"
    assert "memory://elsewhere/fast/v1.mp4" in last["reason"]


@pytest.mark.parametrize(
    ("bounds", "words"),
    [({"largest_bytes": 10}, "more than the 10"), ({"timeout_seconds": -1.0}, "took longer")],
)
def test_fetching_is_bounded(bucket, tmp_path, bounds, words):
    with pytest.raises(coview.UserError, match=words):
        fetch("memory://elsewhere/fast/v1.mp4", tmp_path / "out", tell=lambda share: None, **bounds)
