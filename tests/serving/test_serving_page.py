"""The page in a real browser: no complaints in its console, search by click, drag and file, names that stay text."""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from served_index import HOSTILE, LONG, XVID

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install 'coview[dev]'")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER = os.environ.get("COVIEW_CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
if BROWSER is None:
    pytest.skip("no Chromium on this machine; install one, or name it in COVIEW_CHROMIUM", allow_module_level=True)
pytestmark = pytest.mark.xdist_group("browser")


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def open_page(browser, address) -> Iterator:
    """Open the page; at the end of the test it must have had nothing to complain of, and asked nobody else."""
    pages, complaints, asked = [], [], set()

    def note(said, foreseen):
        if said.type in ("error", "warning") and not (foreseen and foreseen in said.text):
            complaints.append(said.text)

    def open_it(path="", *, width=1280, height=850, scheme="light", ready=".card", foreseen=None):
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("console", lambda said: note(said, foreseen))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: (complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: asked.add(request.url.split("/")[2]) if "//" in request.url else None)
        page.goto(address + path)
        page.wait_for_selector(ready)
        pages.append(context)
        return page

    yield open_it
    for context in pages:
        context.close()
    assert complaints == []
    assert {one for one in asked if one} <= {address.split("/")[2]}


def wait_until(page, condition):
    """Wait for an expression to become true; the page's own policy forbids the browser to compile one for us."""
    until = time.monotonic() + 60
    while not page.evaluate(condition):
        assert time.monotonic() < until, condition
        page.wait_for_timeout(50)


def card_of(page, name):
    return page.locator(".card-open", has=page.locator(".name", has_text=name)).first


def test_browse_and_search_by_click(open_page):
    page = open_page()
    assert page.locator(".card").count() == 12
    assert "12 videos" in page.locator("#told").inner_text()
    card_of(page, "fast/v1").click()
    page.wait_for_selector(".refine")
    assert page.locator(".pane h2").text_content() == "fast/v1"
    assert "the query itself" in page.locator(".card").first.inner_text()
    page.get_by_role("button", name="whole videos").click()
    wait_until(page, "document.querySelectorAll('.card').length === 12 && location.hash.includes('kind=videos')")
    page.go_back()
    page.go_back()
    wait_until(page, "location.hash === '' || location.hash === '#/'")
    page.wait_for_selector("text=Click one to find")


def test_search_by_dragging_over_a_timeline(open_page):
    page = open_page()
    card_of(page, LONG).click()
    page.wait_for_selector(".refine")
    wait_until(page, "document.querySelector('.pane video').readyState >= 2")
    line = page.locator(".timeline").bounding_box()
    middle = line["y"] + line["height"] / 2
    page.mouse.move(line["x"] + 0.25 * line["width"], middle)
    page.mouse.down()
    for share in (0.3, 0.4, 0.5):
        page.mouse.move(line["x"] + share * line["width"], middle)
    assert "Search by" in page.locator(".primary").inner_text()
    with page.expect_response("**/api/search") as answered:
        page.mouse.up()
    asked = answered.value.request.post_data_json["query"]
    assert asked["start"] == pytest.approx(2.0, abs=0.15)
    assert asked["end"] == pytest.approx(4.0, abs=0.15)
    page.wait_for_selector(".marked:not([hidden])")
    assert any(hit["is_query"] and hit["video"]["id"] == LONG for hit in answered.value.json()["hits"])
    heat = page.evaluate(
        "() => { const strip = document.querySelector('.heat');"
        " const pixels = strip.getContext('2d').getImageData(0, 0, strip.width, strip.height).data;"
        " return pixels.filter((value, index) => index % 4 === 3 && value > 0).length; }"
    )
    assert heat > 200, "the strip shows how like the query each moment is"


def test_hits_jump_to_their_moment(open_page):
    page = open_page()
    card_of(page, "slow/v2").click()
    page.wait_for_selector(".refine")
    hit = page.locator(".card", has_text=LONG).first
    begin = float(hit.locator(".time").inner_text().split(" ")[0])
    hit.locator(".card-open").click()
    wait_until(page, "document.querySelectorAll('.pane').length === 2")
    wait_until(page, "document.querySelectorAll('.pane video')[1].readyState >= 2")
    at = page.evaluate("document.querySelectorAll('.pane video')[1].currentTime")
    end = float(hit.locator(".time").inner_text().split("– ")[1].split(" ")[0])
    assert begin - 0.1 <= at <= end + 0.3
    page.keyboard.press("Escape")
    wait_until(page, "document.querySelectorAll('.pane').length === 1")


def test_clips_play_under_the_pointer(open_page):
    page = open_page()
    for name in ("fast/v5", XVID):  # the second through a copy
        card_of(page, name).hover()
        page.wait_for_selector(".card .screen.plays video")
        wait_until(page, "document.querySelector('.card .screen.plays video')?.currentTime > 0")
    page.mouse.move(5, 5)
    wait_until(page, "!document.querySelector('.card video')")


def test_search_by_a_file(open_page, place):
    page = open_page()
    page.set_input_files("#file", str(place.new))
    page.wait_for_selector(".refine")
    assert page.locator(".pane h2").text_content() == "new.mp4"
    assert page.locator(".card").count() > 5
    wait_until(page, "document.querySelector('.pane video').readyState >= 2")


def test_a_file_that_is_no_video_is_named(open_page, tmp_path):
    wrong = tmp_path / "<b>wrong.mp4"
    wrong.write_bytes(b"no video")
    page = open_page(foreseen="422")  # Chromium notes every such answer
    page.set_input_files("#file", str(wrong))
    page.wait_for_selector("#told .bad")
    assert "<b>wrong.mp4" in page.locator("#told .bad").inner_text()


def test_hostile_names_stay_text(open_page):
    page = open_page("#/?label=odd")
    names = set(page.locator(".card .name").evaluate_all("all => all.map((one) => one.textContent)"))
    assert names == {f"odd/{name}" for name in HOSTILE}
    for number in range(len(HOSTILE)):
        page.goto(page.url.split("#")[0] + "#/?label=odd")
        page.wait_for_selector("text=Click one to find")
        page.locator(".card-open").nth(number).click()
        page.wait_for_selector(".refine")
    assert page.locator("img[src='x']").count() == 0
    assert page.locator("#label option").all_inner_texts()[0] == "All labels"


def test_all_of_it_by_keys(open_page):
    page = open_page()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.closest('.card') === document.querySelectorAll('.card')[1]")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    assert page.evaluate("document.activeElement.closest('.card') === document.querySelectorAll('.card')[1]")
    page.keyboard.press("Enter")
    page.wait_for_selector(".refine")
    wait_until(page, "document.querySelector('.pane video').readyState >= 2")
    page.keyboard.press(" ")
    wait_until(page, "document.querySelector('.pane video').paused")
    before = page.evaluate("document.querySelector('.pane video').currentTime")
    page.keyboard.press(".")
    wait_until(page, f"document.querySelector('.pane video').currentTime !== {before}")
    page.locator(".timeline").focus()
    page.keyboard.press("Home")
    page.keyboard.press("[")
    for _ in range(2):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("]")
    with page.expect_response("**/api/search") as answered:
        page.keyboard.press("Enter")
    assert answered.value.request.post_data_json["query"]["start"] == 0
    page.keyboard.press("?")
    page.wait_for_selector("#keys[open]")
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.type("v1")
    wait_until(page, "document.querySelectorAll('.card').length === 1")
    page.keyboard.press("Escape")
    page.keyboard.press("t")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(21, 23, 27)"


def test_keys_go_on_at_the_clip_that_was_searched_by(open_page):
    page = open_page()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_selector(".refine")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('.pane') !== null")


def test_all_views_side_by_side(open_page):
    page = open_page()
    card_of(page, "fast/v1").click()
    page.wait_for_selector(".refine")
    page.keyboard.press("v")
    wait_until(
        page, "[...document.querySelectorAll('.views video')].filter((film) => film.readyState >= 2).length === 2"
    )
    assert page.locator(".views figcaption").all_inner_texts() == ["rgb", "flow"]


@pytest.mark.parametrize(("width", "scheme"), [(400, "light"), (400, "dark"), (1280, "dark")])
def test_nothing_is_cut_off(open_page, width, scheme):
    page = open_page(width=width, scheme=scheme)
    card_of(page, LONG).click()
    page.wait_for_selector(".refine")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    ink, paper = page.evaluate(
        "['color', 'backgroundColor'].map((name) => getComputedStyle(document.body)[name].match(/\\d+/g).slice(0, 3)"
        ".reduce((sum, one) => sum + Number(one), 0))"
    )
    assert (ink > paper) == (scheme == "dark")


def test_the_api_is_described_without_scripts(open_page):
    page = open_page("docs", ready="h1")
    assert page.locator("section").count() > 15


def test_pages_are_shipped():
    import coview.serving

    folder = Path(coview.serving.__file__).parent / "static"
    assert {path.suffix for path in folder.iterdir()} == {".js", ".css", ".svg"}
    assert all("http://" not in path.read_text() or path.suffix == ".svg" for path in folder.glob("*.*"))


def test_the_map_is_drawn_and_a_lasso_lists(open_page):
    page = open_page("#/map", ready=".field", foreseen="GPU stall")  # what Chromium without a GPU says of pictures
    field = page.locator(".field").bounding_box()
    inset = 12  # the corners are round
    left, top = field["x"] + inset, field["y"] + inset
    page.mouse.move(left, top)
    page.mouse.down()
    for x, y in ((1, 0), (1, 1), (0, 1), (0, 0)):
        page.mouse.move(left + x * (field["width"] - 2 * inset), top + y * (field["height"] - 2 * inset), steps=3)
    page.mouse.up()
    page.wait_for_selector(".chosen:has-text('12 videos chosen')")
    wait_until(page, "document.querySelectorAll('.card').length === 12")
    picture = page.locator(".field").screenshot()
    canvas = page.locator(".field canvas").first
    canvas.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_selector(".point:not([hidden])")
    name = page.locator(".point bdi").first.text_content()
    assert page.locator(".field").screenshot() != picture
    page.keyboard.press("Enter")
    page.wait_for_selector(".refine")
    assert page.locator(".pane h2").text_content() == name


@pytest.mark.parametrize("section", ["clusters", "outliers", "duplicates", "sample"])
def test_findings_are_browsed(open_page, section):
    page = open_page(f"#/{section}", ready="nav a[aria-current]")
    wait_until(
        page, "/cluster|least like|differ most|pair|No |Nothing/i.test(document.querySelector('#told').innerText)"
    )
    if section == "outliers":
        page.locator(".card-open").first.click()
        page.wait_for_selector(".refine")


def test_pictures_that_nobody_sees_any_more_keep_nothing_waiting(open_page):
    page = open_page()
    held, given_up = [], []
    page.on("requestfailed", lambda request: given_up.append(request.url))
    page.route("**/poster.jpg?*at=*", lambda route: held.append(route.request.url))  # and never answered
    page.click(".card >> nth=1")
    page.wait_for_selector(".card [alt]", state="attached")
    wait_until(page, "document.querySelectorAll('#content img').length > 2")
    page.wait_for_timeout(500)
    assert held
    page.goto(page.url.split("#")[0] + "#/")
    page.wait_for_timeout(1000)
    assert set(given_up) >= set(held)
