"""A figure fits into any page: valid, without styles or names that reach beyond it, legible on light and on dark."""

import re
import xml.etree.ElementTree as ElementTree

import cv2
import numpy as np

from coview.analysis.figure import INK, Figure, draw, file_word


def lines(canvas):
    axes = canvas.subplots()
    axes.plot([0, 1], [1, 0], label="a < b & c")
    axes.legend()


def figure(name="f"):
    return draw(name, title="Cosines <all>", caption="9 videos · " + "words " * 40, size=(4, 3), paint=lines)


def test_the_svg_is_one_valid_element_that_says_what_it_is():
    root = ElementTree.fromstring(figure().svg)
    assert root.tag.endswith("svg")
    assert root.get("viewBox") == "0 0 288 216"
    assert root.get("width") is None
    assert root.get("aria-label").startswith("Cosines <all>. 9 videos")
    texts = " ".join("".join(root.itertext()).split())
    assert "a < b & c" in texts
    assert "9 videos" in texts


def test_text_takes_the_colour_of_the_page():
    svg = figure().svg
    assert INK not in svg
    assert svg.count("currentColor") > 5


def test_it_touches_nothing_else_in_a_page():
    svg = figure().svg
    assert "<style" not in svg
    ids = re.findall(r' id="([^"]+)"', svg)
    used = re.findall(r'(?:url\(#|href="#)([^)"]+)', svg)
    assert set(ids) == set(used)
    assert ids
    assert not set(ids) & set(
        re.findall(r' id="([^"]+)"', draw("g", title="", caption="", size=(3, 3), paint=lines).svg)
    )


def test_the_png_is_white_and_as_large_as_asked():
    picture = cv2.imdecode(np.frombuffer(figure().png, np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape[:2] == (3 * 144, 4 * 144)
    assert picture[-1, -1].tolist() == [255, 255, 255]


def test_the_smaller_of_the_two_is_shown():
    made = figure()
    assert made.embedded() == made.svg
    large = Figure("f", 'a "title"', "c", "<svg>" + "x" * 999 + "</svg>", b"png")
    assert large.embedded() == '<img class="figure" alt="a &quot;title&quot;" src="data:image/png;base64,cG5n">'
    assert Figure("f", "t", "c", "<svg>" + "x" * 99 + "</svg>", b"").embedded().startswith("<svg>")


def test_the_same_figure_is_the_same_file():
    assert figure() == figure()


def test_names_become_parts_of_file_names():
    assert [file_word(name) for name in ("rgb", "mean of views", "a/b\\c", "../x")] == [
        "rgb",
        "mean-of-views",
        "a-b-c",
        "x",
    ]
