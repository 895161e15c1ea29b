"""Labels over the JSON API and in a real browser, by keys alone: a head follows, and every step can be taken back."""

import shutil
import time
from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient
from test_serving_page import BROWSER, browser, playwright  # noqa: F401

import coview
from coview.serving import create_app
from served_index import HOSTILE, LONG

pytestmark = pytest.mark.xdist_group("browser")
MARKUP = "<img src=x onerror=alert(1)>"


def copied_index(place, name):
    """Beside the one that others read, since paths start from an index's folder."""
    folder = place.root / f"idx-{name}"
    shutil.copytree(place.index, folder)
    return coview.open_index(folder, run=place.run)


@pytest.fixture
def asked(place, tmp_path) -> Iterator[TestClient]:
    """The API of a copy of the index, whose labels may change."""
    index = copied_index(place, tmp_path.name)
    with TestClient(create_app(index), base_url="http://localhost:8765") as client:
        yield client


def until(ask, is_done, seconds=60):
    end = time.monotonic() + seconds
    while not is_done(found := ask()):
        assert time.monotonic() < end, found
        time.sleep(0.05)
    return found


def numbers(asked):
    return {one["id"]: one["number"] for one in asked.get("/api/videos", params={"limit": 100}).json()["videos"]}


def test_labels_a_head_and_undo(asked):
    known = numbers(asked)
    start = asked.get("/api/labelling").json()
    assert (start["labels"], start["classes"], start["has_head"]) == (0, [], False)
    for name in ("slow", MARKUP):
        assert asked.post("/api/labelling/classes", json={"name": name}).status_code == 201
    assert asked.post("/api/labelling/classes", json={"name": "slow"}).status_code == 422
    for seed in range(6):
        given = {
            "video": known[f"{'fast' if seed % 2 else 'slow'}/v{seed}"],
            "classes": [MARKUP if seed % 2 else "slow"],
        }
        assert asked.post("/api/labelling/labels", json=given).status_code == 201
    moment = {"video": known[LONG], "start": 1.0, "end": 2.5, "classes": []}
    assert asked.post("/api/labelling/labels", json=moment).json()["classes"] == []
    found = until(lambda: asked.get("/api/labelling").json(), lambda one: one["state"] == "ready")
    assert found["has_head"]
    assert (found["labels"], found["none_labels"], found["videos"], found["recordings"]) == (7, 1, 7, 7)
    assert 0 <= found["low"] <= found["macro_f1"] <= found["high"] <= 1
    line = asked.get(f"/api/labelling/timeline/{known[LONG]}").json()
    assert line["classes"] == ["slow", MARKUP]
    assert len(line["chances"]) == 2
    assert len(line["chances"][0]) == len(line["start"]) > 5
    assert line["labels"][0]["start"] == 1.0
    params = {"video": known[LONG], "start": 1.0, "end": 2.5}
    assert asked.delete("/api/labelling/labels", params=params).json() == 1
    assert asked.post("/api/labelling/undo").json()["undone"] == f"remove a label of {LONG}"
    assert len(asked.get("/api/labelling/labels", params={"video": known[LONG]}).json()) == 1
    while asked.post("/api/labelling/undo").json()["undone"] is not None:
        pass
    found = until(lambda: asked.get("/api/labelling").json(), lambda one: one["state"] == "ready")
    assert (found["labels"], found["has_head"], found["classes"]) == (0, False, [])
    assert "no labels to learn from" in found["reason"]


@pytest.mark.parametrize("kind", ["moments", "videos"])
def test_suggestions(asked, kind):
    known = numbers(asked)

    def suggestions(number):
        ask = lambda: asked.get("/api/labelling/suggestions", params={"kind": kind, "round": number}).json()  # noqa: E731
        return until(ask, lambda one: one["state"] == "ready")["suggestions"]

    first = suggestions(0)
    assert len(first) == 12
    assert {one["why"] for one in first} == {"new"}
    assert all((one["start"] is None) == (kind == "videos") for one in first)
    for name in ("a", "b"):
        asked.post("/api/labelling/classes", json={"name": name})
    for video, name in (("slow/v0", "a"), ("slow/v2", "a"), ("fast/v1", "b")):
        asked.post("/api/labelling/labels", json={"video": known[video], "classes": [name]})
    second = suggestions(1)
    assert {one["why"] for one in second} == {"unsure", "rare", "new"}
    assert not {one["video"]["id"] for one in second} & {"slow/v0", "slow/v2", "fast/v1"}
    assert len({one["video"]["id"] for one in second}) == len(second) == 9
    assert all(one["classes"] == ["b"] for one in second if one["why"] == "rare")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"classes": ["c"]}, "there is no class 'c'"),
        ({"start": 3, "end": 1, "classes": ["a"]}, "expected 0 <= start < end"),
        ({"start": 0, "end": 999, "classes": ["a"]}, "outside the video"),
        ({"start": 0, "classes": ["a"]}, "the start alone"),
        ({"video": 999, "classes": ["a"]}, "no video 999"),
        ({"classes": []}, "contradicts a"),
    ],
)
def test_what_makes_no_sense_is_refused(asked, given, words):
    known = numbers(asked)
    asked.post("/api/labelling/classes", json={"name": "a"})
    asked.post("/api/labelling/labels", json={"video": known[LONG], "start": 1, "end": 3, "classes": ["a"]})
    answer = asked.post("/api/labelling/labels", json={"video": known[LONG], **given})
    assert answer.status_code in (404, 422)
    assert words in answer.json()["detail"]
    assert len(asked.get("/api/labelling/labels").json()) == 1


def test_a_page_of_another_site_may_not_label(asked):
    headers = {"Origin": "http://elsewhere.example"}
    assert asked.post("/api/labelling/undo", headers=headers).status_code == 403
    assert asked.delete("/api/labelling/labels", params={"video": 1}, headers=headers).status_code == 403


@pytest.fixture
def page(browser, place, tmp_path):  # noqa: F811
    """The labelling page of a copy of the index, which must have had nothing to complain of."""
    import threading

    import uvicorn

    index = copied_index(place, tmp_path.name)
    index.labels.add("slow/v0", "slow", who="ann")
    index.labels.add("fast/v1", MARKUP, who="ann")
    server = uvicorn.Server(uvicorn.Config(create_app(index), port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started, bool)
    port = server.servers[0].sockets[0].getsockname()[1]
    complaints = []
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    shown = context.new_page()
    shown.set_default_timeout(60_000)
    shown.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    shown.on("pageerror", lambda error: complaints.append(str(error)))
    shown.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
    shown.goto(f"http://localhost:{port}/#/label")
    shown.wait_for_selector(".bench .pane")
    yield shown, index.labels
    context.close()
    server.should_exit = True
    thread.join(timeout=30)
    assert complaints == []


def test_labelling_by_keys_alone(page):
    shown, labels = page
    assert [text.strip() for text in shown.locator(".answer span").all_inner_texts()] == [
        "slow",
        MARKUP,
        "none of them",
    ]
    first = shown.locator(".pane h2").text_content()
    assert shown.locator(".dozen button").count() == 10
    shown.keyboard.press("2")
    shown.wait_for_selector('.answer[aria-pressed="true"]')
    shown.keyboard.press("1")
    until(lambda: [one.classes for one in labels][-1], lambda classes: len(classes) == 2)
    shown.keyboard.press("Enter")
    until(lambda: shown.locator(".pane h2").text_content(), lambda name: name != first)
    shown.keyboard.press("n")
    shown.keyboard.type("third")
    shown.keyboard.press("Enter")
    until(lambda: labels.rows()[-1].classes, lambda classes: classes == ("third",))
    shown.keyboard.press("Enter")
    until(lambda: shown.locator(".kicker").first.inner_text(), lambda text: text.startswith("3 of"))
    shown.keyboard.press("0")
    until(lambda: labels.rows()[-1].classes, lambda classes: classes == ())
    shown.keyboard.press("u")
    until(lambda: len(labels), lambda count: count == 4)
    shown.wait_for_selector(".howgood .large")
    until(lambda: shown.locator(".strips canvas").count(), lambda count: count == 3)
    shown.keyboard.press("Backspace")
    until(lambda: shown.locator(".kicker").first.inner_text(), lambda text: text.startswith("2 of"))
    assert shown.locator(".dozen .said").first.inner_text()
    shown.keyboard.press("w")
    until(lambda: shown.locator(".pane .kicker").inner_text(), lambda text: "–" in text or "Whole" in text)
    assert not shown.locator(".bench img[src=x]").count()


def test_keys_that_are_quicker_than_the_server_lose_nothing(page):
    shown, labels = page
    first = shown.locator(".pane h2").text_content()
    held, is_slow = [], True
    for what in ("labels", "classes"):
        shown.route(f"**/api/labelling/{what}", lambda route: held.append(route) if is_slow else route.continue_())
    for key in ("2", "1", "n", *"third", "Enter", "Enter"):
        shown.keyboard.press(key)
    until(lambda: shown.locator(".pane h2").text_content(), lambda name: name != first)
    until(lambda: (shown.wait_for_timeout(50), len(held))[1], lambda count: count >= 2)
    is_slow = False
    for route in held:
        route.continue_()

    def said():
        shown.wait_for_timeout(50)  # the browser is answered meanwhile
        return sorted(labels.rows()[-1].classes)

    until(said, lambda classes: classes == sorted(("slow", MARKUP, "third")))
    assert (len(labels), labels.rows()[-1].id) == (3, first)
    shown.keyboard.press("u")
    until(said, lambda classes: classes == sorted(("slow", MARKUP)))


def test_a_stretch_is_labelled_and_names_stay_text(page):
    shown, labels = page
    number = next(row.number for row in labels._store.rows(id=LONG))
    shown.evaluate(f"location.hash = '#/label?video={number}&start=1&end=2'")
    until(lambda: shown.locator(".pane h2").text_content(), lambda name: name == LONG)
    until(lambda: shown.evaluate("document.querySelector('.pane video').readyState"), lambda state: state >= 2)
    shown.keyboard.press("1")
    until(lambda: labels.rows(LONG), bool)
    assert [one.span for one in labels.rows(LONG)] == [(1.0, 2.0)]
    line = shown.locator(".timeline").bounding_box()
    shown.mouse.move(line["x"] + 0.5 * line["width"], line["y"] + 20)
    shown.mouse.down()
    shown.mouse.move(line["x"] + 0.6 * line["width"], line["y"] + 20)
    shown.mouse.move(line["x"] + 0.7 * line["width"], line["y"] + 20)
    shown.mouse.up()
    until(lambda: shown.locator('.answer[aria-pressed="true"]').count(), lambda count: count == 0)
    shown.keyboard.press("2")
    until(lambda: len(labels.rows(LONG)), lambda count: count == 2)
    assert labels.rows(LONG)[1].classes == (MARKUP,)
    assert labels.rows(LONG)[1].span[0] == pytest.approx(4.0, abs=0.3)
    assert HOSTILE[0] == MARKUP
