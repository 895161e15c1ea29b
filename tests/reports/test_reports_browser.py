"""The page in a real browser: no errors, maps answer to pointer and keyboard, it fits a phone, dark is dark."""

import numpy as np
import pytest
from browser import EXECUTABLE, look

from coview.analysis.base import Findings, FoundTable
from coview.analysis.figure import Figure
from coview.analysis.thumbnails import jpeg_uri
from coview.reports import write_report

pytestmark = pytest.mark.skipif(EXECUTABLE is None, reason="no Chromium here: apt-get install chromium")

PROBE = """
const map = document.querySelector("figure.map"), svg = map.querySelector("svg"), image = map.querySelector("img");
const dots = [...svg.querySelectorAll("circle")], words = () => map.querySelector(".reading").textContent;
const state = () => [words(), image.hidden, image.alt, image.src.slice(0, 22)];
const said = {dots: dots.length, before: state()};
svg.scrollIntoView();
const box = dots[2].getBoundingClientRect();
const at = {clientX: box.left + box.width / 2, clientY: box.top + box.height / 2, bubbles: true};
svg.dispatchEvent(new window.PointerEvent("pointermove", at));
said.hover = state();
await image.decode();
said.frames = [image.naturalWidth, image.naturalHeight];
said.faded = svg.querySelectorAll(".other").length;
svg.dispatchEvent(new window.PointerEvent("pointerleave"));
said.left = state();
svg.focus();
said.focus = words();
const press = (key) => svg.dispatchEvent(new window.KeyboardEvent("keydown", {key, bubbles: true, cancelable: true}));
press("ArrowRight");
said.right = words();
press("ArrowDown");
said.down = words();
press("ArrowDown");
said.end = words();
said.legend = map.querySelector(".legend").textContent.trim();
const chart = document.querySelector("svg.chart[data-points]");
chart.focus();
said.chart = chart.parentElement.querySelector(".reading").textContent;
const root = document.documentElement;
said.size = [root.scrollWidth, root.clientWidth];
const right = (one) => one.getBoundingClientRect().right;
const over = [...document.querySelectorAll("body *")].filter((one) => right(one) > root.clientWidth + 1);
said.over = over.filter((one) => !one.closest(".wide, .sr, .skip")).map((one) => one.outerHTML.slice(0, 80));
said.ink = window.getComputedStyle(document.body).color;
said.paper = window.getComputedStyle(document.body).backgroundColor;
const loaded = window.performance.getEntriesByType("resource").map((one) => one.name);
said.loaded = loaded.filter((name) => !name.startsWith("data:"));
const small = [...document.querySelectorAll("a, button, summary, [tabindex='0']")];
said.first = small[0].textContent;
small[0].focus();
said.skip = small[0].getBoundingClientRect().left >= 0;
return said;
"""


@pytest.fixture
def page(run_folder):
    """A report with everything in it: scores, a map of six clips, a wide figure."""
    run_folder.train()
    made = run_folder.evaluate()
    corners = [(0, 0), (1, 0), (0, 1), (1, 1), (0.4, 0.5), (0.6, 0.5)]
    points = [
        {"x": x, "y": y, "video": f"v{n}", "label": None, "group": "wave" if n % 2 else "jump"}
        for n, (x, y) in enumerate(corners)
    ]
    drawing = '<svg class="figure" role="img" aria-label="wide" viewBox="0 0 800 90"><path d="M0 0H800"/></svg>'
    wide = Figure("w", "wide " * 12, "c", drawing, b"a picture that is longer than the drawing" * 9)
    payload = {
        "maps": [{"title": "rgb, this run", "points": points}],
        "colours": {"jump": "#3b82d6", "wave": "#d9722e"},
        "thumbnails": {f"v{n}": jpeg_uri(np.full((56, 225, 3), 40 * n, np.uint8)) for n in range(6)},
    }
    findings = Findings(("A map.",), (), {}, (), figures=(wide,), payload=payload)
    run_folder.analyse(made, findings, videos=6)
    run_folder.analyse(made, Findings(("A figure.",), (), {}, (), figures=(wide,)), analysis="wide", videos=6)
    return write_report(run_folder.path, run_folder.data)


def test_the_page_in_a_browser(page, tmp_path):
    seen, problems = look(page, PROBE, folder=tmp_path / "phone", width=375)
    assert problems == []
    assert seen["loaded"] == []
    assert seen["dots"] == 6
    assert seen["before"][:2] == seen["left"][:2]
    assert seen["before"][1] is True
    assert seen["hover"] == ["jump · v2", False, "frames of v2", "data:image/jpeg;base64"]
    assert seen["frames"] == [225, 56]
    assert seen["faded"] == 3
    assert seen["focus"] == "jump · v2"
    assert [seen["right"], seen["down"], seen["end"]] == ["wave · v3", "wave · v1", "wave · v1"]
    assert seen["legend"].split() == ["jump", "wave"]
    assert seen["chart"].startswith("step 60: ")
    assert seen["size"] == [375, 375]
    assert seen["over"] == []
    assert seen["first"] == "Skip to the scores"
    assert seen["skip"] is True

    assert brightness(seen["paper"]) > 700 > 250 > brightness(seen["ink"])


def test_dark_is_dark_and_a_wide_screen_holds_too(page, tmp_path):
    seen, problems = look(page, PROBE, folder=tmp_path / "dark", is_dark=True)
    assert problems == []
    assert brightness(seen["paper"]) < 150 < 600 < brightness(seen["ink"])
    assert seen["size"] == [1000, 1000]
    assert seen["over"] == []


def brightness(colour):
    return sum(map(int, colour.removeprefix("rgb(").removesuffix(")").split(",")))


ATTACK = "<script>window.ran = 1</script><img src=x onerror='window.ran = 2'>"


def test_nothing_that_a_strangers_run_holds_runs_in_the_page(run_folder, tmp_path):
    """Scripts in a figure, a title, a name, a log and a map; style that loads; and one put into the page by hand."""
    run_folder.train(stages=(ATTACK, "rgb"))
    made = run_folder.evaluate(remarks=(ATTACK,), variant=ATTACK, data={"name": ATTACK, "views": {}, "storage": {}})
    run_folder.log({"event": "warning", "stage": ATTACK, "step": 1, "text": ATTACK})
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9" onload="window.ran = 3">'
        "<script>window.ran = 4; document.title = '!'</script>"
        '<foreignObject><img xmlns="http://www.w3.org/1999/xhtml" src="x" onerror="window.ran = 5"/></foreignObject>'
        '<image href="https://somewhere.invalid/x.png" width="9" height="9"/><path d="M0 0H9"/></svg>'
    )
    point = {"x": 0, "y": 0, "video": ATTACK, "label": ATTACK, "group": ATTACK}
    payload = {
        "maps": [{"title": ATTACK, "points": [point, {**point, "x": 1}]}],
        "colours": {ATTACK: "url(https://somewhere.invalid/)"},
        "thumbnails": {ATTACK: "https://somewhere.invalid/x.jpg"},
    }
    table = FoundTable(ATTACK, (ATTACK,), ((ATTACK,),))
    figure = Figure("f", ATTACK, ATTACK, svg, b"a picture that is longer than the drawing" * 30)
    run_folder.analyse(made, Findings((ATTACK,), (table,), {}, (), figures=(figure,)), analysis="similarity")
    run_folder.analyse(made, Findings((ATTACK,), (), {}, (), payload=payload), analysis="map")
    page = write_report(run_folder.path, run_folder.data)
    probe = """
      const blocked = [];
      document.addEventListener("securitypolicyviolation", (event) => blocked.push(event.violatedDirective));
      const put = (tag, given) => document.body.append(Object.assign(document.createElement(tag), given));
      put("script", {textContent: "window.ran = 6"});
      put("img", {src: "https://somewhere.invalid/y.png"});
      await new Promise((done) => setTimeout(done, 300));
      document.querySelector("figure.map svg").focus();
      const drawn = [...document.querySelectorAll("#analyses svg.figure path, #analyses svg path[d='M0 0H9']")].length;
      const reading = document.querySelector("figure.map .reading").textContent;
      const loaded = window.performance.getEntriesByType("resource").map((one) => one.name);
      return {ran: window.ran ?? null, title: document.title, drawn, reading, blocked: blocked.sort(),
              scripts: document.querySelectorAll("script:not([type])").length,
              foreign: loaded.filter((name) => name.includes("somewhere") && !name.includes("y.png"))};
    """
    seen, problems = look(page, probe, folder=tmp_path / "attack")
    assert seen["ran"] is None
    assert seen["title"] == "my <run> · coview report"
    assert seen["drawn"] == 1
    assert seen["reading"] == f"{ATTACK} · {ATTACK}"
    assert seen["blocked"] == ["img-src", "script-src-elem"]
    assert seen["scripts"] == 3  # the listener of this test, the page's own, the one put in and not run
    assert seen["foreign"] == []
    assert [problem for problem in problems if "somewhere" not in problem] == []
