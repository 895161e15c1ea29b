"""A matrix as a picture: the right colours at the right places, names that break nothing."""

import base64
import re
import xml.etree.ElementTree as ElementTree

import cv2
import numpy as np

from coview.analysis.figure import RAMP, draw
from coview.analysis.heatmap import paint_heatmap


def drawn(matrix, names):
    figure = draw(
        "", title="t", caption="c", size=(3, 3), paint=lambda canvas: paint_heatmap(canvas.subplots(), matrix, names)
    )
    return figure.svg


def first_picture(svg):
    """Return the pixels (r, g, b) of the first image in it, as far as it has an alpha channel without that."""
    data = base64.b64decode(re.search(r"base64,([^\"]+)", svg)[1])
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def colour(code):
    return [int(code[place : place + 2], 16) for place in (1, 3, 5)]


def test_a_cell_is_a_pixel():
    found = first_picture(drawn(np.array([[np.nan, 1.0], [-1.0, 0.0]]), ["a", "b"]))
    assert found.shape[:2] == (2, 2)
    rows = sorted(found.reshape(-1, 3).tolist())
    expected = [colour(RAMP[-1]), colour(RAMP[2]), colour("#b8b4ab"), colour(RAMP[0])]
    np.testing.assert_allclose(rows, sorted(expected), atol=2)


def test_names_are_text_and_left_out_where_there_are_many():
    few = ElementTree.fromstring(drawn(np.eye(2), ["<a & b>", "$c"]))
    texts = ["".join(element.itertext()).strip() for element in few.iter() if element.tag.endswith("text")]
    assert texts.count("<a & b>") == 2
    assert texts.count("$c") == 2
    many = drawn(np.eye(31), [f"n{n}" for n in range(31)])
    assert "n3" not in many


def test_equal_values_are_no_division_by_zero():
    found = first_picture(drawn(np.ones((2, 2)), ["a", "b"]))
    assert (found == found[0, 0]).all()
