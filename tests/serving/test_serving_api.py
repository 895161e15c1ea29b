"""The JSON API: what it answers is what the index says, and what it makes can be played."""

import io
import time

import av
import numpy as np
import pytest

import coview
from served_index import HOSTILE, LONG, XVID


@pytest.fixture(scope="module")
def numbers(client):
    found = client.get("/api/videos", params={"limit": 500}).json()
    return {video["id"]: video["number"] for video in found["videos"]}


def search(client, status=200, **question):
    answer = client.post("/api/search", json=question)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_collection_in_short(client):
    facts = client.get("/api/collection").json()
    assert facts["name"] == "idx"
    assert (facts["videos"], facts["failed"]) == (12, 1)
    assert facts["views"] == ["rgb", "flow"]
    assert {one["label"]: one["videos"] for one in facts["labels"]} == {
        "odd": 4,
        "fast": 3,
        "slow": 3,
        "long": 1,
        "old": 1,
    }


def test_list_pages_and_filters(client):
    everything = client.get("/api/videos", params={"limit": 500}).json()
    assert everything["total"] == 12
    ids = [video["id"] for video in everything["videos"]]
    assert ids == sorted(ids)
    second = client.get("/api/videos", params={"offset": 5, "limit": 4}).json()
    assert [video["id"] for video in second["videos"]] == ids[5:9]
    assert client.get("/api/videos", params={"text": "FAST v3"}).json()["total"] == 1
    assert client.get("/api/videos", params={"label": ["slow", "long"]}).json()["total"] == 4
    longest = client.get("/api/videos", params={"order": "longest", "limit": 1}).json()["videos"]
    assert [video["id"] for video in longest] == [LONG]
    (broken,) = client.get("/api/videos", params={"status": "failed"}).json()["videos"]
    assert broken["reason"].startswith("not_a_video")


@pytest.mark.parametrize("moments", [True, False])
def test_search_is_the_search_of_the_index(client, numbers, place, moments):
    index = coview.open_index(place.index)
    asked = {"video": numbers[LONG], "start": 1.6, "end": 2.4}
    answer = search(client, query=asked, views=["flow"], moments=moments, top=7, per_video=2)
    hits = index.search(LONG, start=1.6, end=2.4, view="flow", moments=moments, top=7, per_video=2)
    assert len(answer["hits"]) == len(hits) == 7
    for found, hit in zip(answer["hits"], hits, strict=True):
        assert (found["rank"], found["video"]["id"], found["is_query"]) == (hit.rank, hit.id, hit.is_query)
        assert found["cosine"] == pytest.approx(hit.cosine, abs=2e-3)
        assert (found["start"], found["end"]) == (hit.start_seconds, hit.end_seconds)
    assert any(found["is_query"] for found in answer["hits"])


def test_conditions_hold(client, numbers):
    query = {"video": numbers["fast/v1"]}
    labels = {hit["video"]["label"] for hit in search(client, query=query, where={"label": ["slow", "long"]})["hits"]}
    assert labels == {"slow", "long"}
    early = search(client, query=query, where={"time": [0, 0.1]}, top=100)["hits"]
    assert early
    assert all(hit["start"] < 0.1 for hit in early)
    long = search(client, query=query, where={"duration": [3, None]}, moments=False)["hits"]
    assert [hit["video"]["id"] for hit in long] == [LONG]
    assert (
        "cannot filter by 'colour'" in search(client, 422, query=query, where={"fields": {"colour": ["red"]}})["detail"]
    )


def test_heat_is_the_cosine_of_each_window(client, numbers, place):
    store = coview.open_index(place.index).store
    one, other = store.get(numbers["fast/v1"]), store.get(numbers[LONG])
    asked = {"query": {"video": numbers["fast/v1"]}, "video": numbers[LONG]}
    heat = client.post("/api/heat", json=asked).json()
    expected = np.mean([other.windows[view] @ one.whole[view] for view in ("rgb", "flow")], axis=0)
    assert heat["cosine"] == pytest.approx(expected.tolist(), abs=1e-5)
    assert heat["start"] == other.starts.tolist()
    flow = client.post("/api/heat", json=asked | {"views": ["flow"]}).json()
    assert flow["cosine"] == pytest.approx((other.windows["flow"] @ one.whole["flow"]).tolist(), abs=1e-5)


def test_uploads_are_searched_by(client, numbers, place):
    taken = client.post("/api/uploads", params={"name": "../../etc/new.mp4"}, content=place.new.read_bytes())
    assert taken.status_code == 201
    assert taken.json()["name"] == "../../etc/new.mp4"
    answer = search(client, query={"upload": taken.json()["upload"]}, top=5)
    hits = coview.open_index(place.index).search(place.new, top=5)
    assert [hit["video"]["id"] for hit in answer["hits"]] == [hit.id for hit in hits]
    assert [hit["cosine"] for hit in answer["hits"]] == pytest.approx([hit.cosine for hit in hits], abs=2e-3)
    asked = {"query": {"upload": taken.json()["upload"]}, "video": numbers[LONG]}
    assert len(client.post("/api/heat", json=asked).json()["cosine"]) > 5


def test_a_copy_that_is_dropped_is_marked(client, place):
    content = (place.videos / "fast" / "v3.mp4").read_bytes()
    token = client.post("/api/uploads", params={"name": "mine.mp4"}, content=content).json()["upload"]
    hits = search(client, query={"upload": token}, moments=False)["hits"]
    assert [hit["video"]["id"] for hit in hits if hit["is_query"]] == ["fast/v3"]


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ({"query": {}}, "name what to search for"),
        ({"query": {"video": 1, "upload": "x"}}, "name what to search for"),
        ({"query": {"upload": "gone"}}, "no longer here"),
        ({"query": {"video": 1, "start": 2, "end": 1}}, "the end must come after the start"),
        ({"query": {"video": 1, "start": 900}}, "choose an earlier one"),
        ({"query": {"video": 1}, "views": ["flw"]}, "did you mean 'flow'"),
    ],
)
def test_mistakes_are_named(client, numbers, question, message):
    if "video" in question["query"]:
        question["query"]["video"] = numbers["fast/v1"]
    assert message in search(client, 422, **question)["detail"]


def test_what_is_no_video_is_refused_by_its_own_name(client, place):
    for content in (b"no video at all", b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n"):
        token = client.post("/api/uploads", params={"name": "notes.mp4"}, content=content).json()["upload"]
        detail = search(client, 422, query={"upload": token})["detail"]
        assert "notes.mp4" in detail
        assert "not_a_video" in detail
        assert "/tmp" not in detail
        assert token not in detail
    assert client.post("/api/uploads", content=b"").status_code == 422


def test_posters_show_their_moment(client, numbers, place):
    pictures = {}
    for at in ("0.2", "6.5"):
        answer = client.get(f"/api/videos/{numbers[LONG]}/poster.jpg", params={"at": at, "size": "large"})
        assert answer.headers["content-type"] == "image/jpeg"
        with av.open(io.BytesIO(answer.content)) as picture:
            pictures[at] = next(picture.decode(video=0)).to_ndarray(format="rgb24").astype(int)
    assert pictures["0.2"].shape == (36, 48, 3)
    with av.open(str(place.videos / f"{LONG}.mp4")) as film:
        frames = [frame.to_ndarray(format="rgb24").astype(int) for frame in film.decode(video=0)]
    for at, picture in pictures.items():
        errors = [np.abs(picture - frame).mean() for frame in frames]
        assert abs(int(np.argmin(errors)) - round(float(at) * 25)) <= 1


def test_a_broken_video_has_no_picture_and_says_so(client):
    (broken,) = client.get("/api/videos", params={"status": "failed"}).json()["videos"]
    answer = client.get(f"/api/videos/{broken['number']}/poster.jpg")
    assert answer.status_code == 422
    assert "not a video" in answer.json()["detail"]
    state = client.get(f"/api/videos/{broken['number']}/film/state").json()
    assert state["state"] == "failed"
    assert str(client.get("/api/collection").json()["name"]) == "idx"


def test_films_are_read_by_ranges(client, numbers, place):
    whole = (place.videos / "slow" / "v2.mp4").read_bytes()
    address = f"/api/videos/{numbers['slow/v2']}/film"
    assert client.get(f"{address}/state").json()["state"] == "ready"
    answer = client.get(address, headers={"Range": "bytes=100-299"})
    assert answer.status_code == 206
    assert answer.content == whole[100:300]
    assert answer.headers["content-range"] == f"bytes 100-299/{len(whole)}"
    assert client.get(address).content == whole
    assert client.get(address, headers={"Range": f"bytes={len(whole)}-"}).status_code == 416


def test_a_copy_is_made_of_what_browsers_do_not_play(client, numbers, place):
    address = f"/api/videos/{numbers[XVID]}/film"
    assert client.get(f"{address}/state", params={"begin": False}).json()["state"] == "making"
    assert client.get(address).status_code == 409
    for _ in range(300):
        state = client.get(f"{address}/state").json()
        if state["state"] != "making":
            break
        time.sleep(0.1)
    assert (state["state"], state["is_copy"], state["codec"]) == ("ready", True, "mpeg4")
    with av.open(io.BytesIO(client.get(address).content)) as copy:
        assert copy.streams.video[0].codec_context.name == "h264"
        assert sum(1 for _ in copy.decode(video=0)) == 20
    assert client.get(address, headers={"Range": "bytes=0-9"}).status_code == 206


def test_views_are_drawn(client, numbers):
    colours = {}
    for view in ("rgb", "flow"):
        answer = client.get(f"/api/videos/{numbers['fast/v1']}/views/{view}", params={"start": 0.2, "end": 0.6})
        assert answer.status_code == 200, answer.text
        with av.open(io.BytesIO(answer.content)) as film:
            frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
        assert len(frames) == 10
        colours[view] = np.stack(frames).astype(int)
    assert (np.ptp(colours["rgb"], axis=3) > 40).mean() < 0.6
    still = (colours["flow"].min(axis=3) > 225).mean()
    moving = (np.ptp(colours["flow"], axis=3) > 30).mean()
    assert still > 0.3, "where nothing moves, flow is drawn white"
    assert moving > 0.01, "what moves has a colour"
    assert client.get(f"/api/videos/{numbers['fast/v1']}/views/pose").status_code == 404
    assert client.get(f"/api/videos/{numbers['fast/v1']}/views/flow?start=2&end=1").status_code == 422


def test_only_what_is_in_the_collection_can_be_asked_for(client, place):
    secret = place.root / "new.mp4"
    tries = ("999", "0", "-1", "fast%2Fv1", "..%2F..%2Fnew.mp4", str(secret).replace("/", "%2F"))
    for one in tries:
        for what in ("film", "poster.jpg", "film/state", "views/rgb"):
            assert client.get(f"/api/videos/{one}/{what}").status_code in (404, 422)
    for path in (
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "//etc/passwd",
        "/static//etc/passwd",
    ):
        assert client.get(path).status_code == 404


def test_hostile_names_come_as_they_are(client):
    ids = {video["id"] for video in client.get("/api/videos", params={"label": "odd"}).json()["videos"]}
    assert ids == {f"odd/{name}" for name in HOSTILE}


def test_the_index_may_grow_while_it_is_served(place, tmp_path, client):
    from starlette.testclient import TestClient

    from coview.serving import create_app

    index = coview.open_index(tmp_path / "idx", run=place.run)
    with TestClient(create_app(coview.open_index(tmp_path / "idx")), base_url="http://localhost") as asked:
        assert asked.get("/api/videos").json()["total"] == 0
        index.add(place.videos / "fast", workers=0)
        time.sleep(2.1)
        found = asked.get("/api/videos").json()
        assert found["total"] == 3
        number = found["videos"][0]["number"]
        assert len(asked.post("/api/search", json={"query": {"video": number}, "moments": False}).json()["hits"]) == 3
        index.remove(found["videos"][0]["id"])
        time.sleep(2.1)
        assert asked.get(f"/api/videos/{number}").status_code == 404


def test_api_is_described(client):
    routes = client.get("/api/openapi.json").json()["paths"]
    assert {"/api/search", "/api/heat", "/api/uploads", "/api/videos/{number}/film"} <= set(routes)
    text = client.get("/docs").text
    assert all(path in text for path in routes)
    assert "https://" not in text
