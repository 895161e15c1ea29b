"""Of a drawing only shapes, text and pictures reach the page, and ours come through whole."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from coview.analysis.figure import draw
from coview.reports.drawings import safe_drawing

SVG = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 9 9">{}</svg>'


def busy(canvas):
    left, right = canvas.subplots(1, 2)
    left.plot(np.arange(9), np.arange(9) ** 2, label="a < b & c")
    left.legend()
    right.imshow(np.arange(16).reshape(4, 4))


def shape_of(element):
    """Return tags, places and words, without the names of parts."""
    tag = element.tag.rpartition("}")[2]
    given = {name.rpartition("}")[2]: value for name, value in element.attrib.items()}
    kept = {name: given[name] for name in ("d", "x", "y", "transform", "width", "height", "viewBox") if name in given}
    return tag, kept, (element.text or "").strip(), [shape_of(child) for child in element]


def test_our_own_drawings_lose_nothing():
    made = draw("f", title="<all> of it", caption="c", size=(5, 3), paint=busy).svg
    kept = safe_drawing(made)
    assert shape_of(ElementTree.fromstring(kept)) == shape_of(ElementTree.fromstring(made))
    assert kept.startswith('<svg class="figure" role="img" aria-label="&lt;all&gt; of it. c"')
    assert kept.count("currentColor") == made.count("currentColor")
    assert kept.count("data:image/png") == made.count("data:image/png") == 1
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', kept))
    assert used
    assert used <= set(re.findall(r' id="([^"]+)"', kept))


@pytest.mark.parametrize(
    "inside",
    [
        "<script>x()</script>",
        '<script href="data:text/javascript,x()"/>',
        '<g onload="x()" onclick="x()"/>',
        "<foreignObject><iframe srcdoc='&lt;script&gt;x()&lt;/script&gt;'/></foreignObject>",
        '<a href="javascript:x()"><text>t</text></a>',
        '<use xlink:href="https://somewhere/x.svg#a"/>',
        '<image href="https://somewhere/x.png"/>',
        '<image href="data:image/svg+xml;base64,PHN2Zz4="/>',
        '<animate attributeName="href" values="javascript:x()"/>',
        '<set attributeName="onmouseover" to="x()"/>',
        "<style>@import url(https://somewhere/x.css); * { display: none }</style>",
        '<rect style="fill: url(https://somewhere/x)"/>',
        '<rect fill="url(https://somewhere/x)"/>',
        '<rect style="position: fixed; inset: 0"/>',
        '<rect style="background: url(javascript:x())"/>',
        '<rect class="skip" data-points="[1]"/>',
        '<handler type="text/javascript">x()</handler>',
    ],
)
def test_what_runs_loads_or_reaches_beyond_it_is_left_out(inside):
    found = safe_drawing(SVG.format(f'<path d="M0 0"/>{inside}'))
    assert '<path d="M0 0"/>' in found
    for part in ("x()", "somewhere", "javascript", "<script", "position", "skip", "data-", "<a", "svg+xml", "on"):
        assert part not in found.replace("<svg", ""), part


def test_names_of_parts_meet_no_other_name_of_the_page():
    found = safe_drawing(SVG.format('<g id="thumbnails"><use href="#thumbnails"/></g>'))
    assert 'id="thumbnails"' not in found
    name = re.search(r'id="([^"]+)"', found)[1]
    assert f'href="#{name}"' in found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<svg>",
        "<html></html>",
        "<p>no drawing</p>",
        '<!DOCTYPE svg [<!ENTITY a "aaaa">]><svg>&a;</svg>',
        "<svg>" + "<g>" * 5000 + "</g>" * 5000 + "</svg>",
    ],
    ids=["empty", "cut", "page", "paragraph", "entities", "deep"],
)
def test_what_is_no_drawing_is_nothing(text):
    assert safe_drawing(text) == ""
