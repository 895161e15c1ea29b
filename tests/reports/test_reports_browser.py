"""The page in a real browser: no errors, maps answer to pointer and keyboard, it fits a phone, dark is dark."""

import numpy as np
import pytest
from browser import EXECUTABLE, look

from coview.analysis.base import Findings
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
    assert seen["chart"].startswith("step 20: ")
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
