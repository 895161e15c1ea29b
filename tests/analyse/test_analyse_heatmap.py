"""A matrix as a picture: the right colours at the right places, names that break nothing."""

import base64
import re
import xml.etree.ElementTree as ElementTree

import cv2
import numpy as np

from coview.analyse.heatmap import HIGH, LOW, NOTHING, heatmap


def pixels(svg):
    data = base64.b64decode(re.search(r"base64,([^\"]+)", svg)[1])
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def test_a_cell_is_a_pixel():
    svg = heatmap(np.array([[np.nan, 1.0], [-1.0, 0.0]]), ["a", "b"], title="t")
    found = pixels(svg)
    assert tuple(found[0, 0]) == NOTHING
    assert tuple(found[0, 1]) == HIGH
    assert tuple(found[1, 0]) == LOW
    np.testing.assert_allclose(found[1, 1], (np.array(LOW) + HIGH) / 2, atol=1)
    assert "from -1.00 (light) to 1.00 (dark)" in svg


def test_names_are_escaped_and_left_out_where_there_are_many():
    svg = heatmap(np.eye(2), ["<a & b>", "c"], title="x < y")
    assert [text.text for text in ElementTree.fromstring(svg) if text.tag == "text"] == ["<a & b>", "c"]
    many = ElementTree.fromstring(heatmap(np.eye(101), [str(n) for n in range(101)], title="t"))
    assert [child.tag for child in many] == ["image"]


def test_equal_values_are_no_division_by_zero():
    assert tuple(pixels(heatmap(np.ones((2, 2)), ["a", "b"], title="t"))[0, 0]) == LOW
