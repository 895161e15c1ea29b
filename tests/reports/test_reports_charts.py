"""Charts: round ticks, honest thinning, marks where the numbers are."""

import re

import pytest

from coview.reports.charts import MAX_POINTS, Series, line_chart, log_ticks, number, running_mean, thinned, ticks


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.25, 0.5, 0.75, 1]),
        (3, 97, [0, 25, 50, 75, 100]),
        (-1, 1, [-1, -0.5, 0, 0.5, 1]),
        (0.0008, 0.001, [0.0008, 0.00085, 0.0009, 0.00095, 0.001]),
        (5, 5, [4.5, 4.75, 5, 5.25, 5.5]),
        (0, 0, [-0.5, -0.25, 0, 0.25, 0.5]),
    ],
)
def test_ticks_are_round_and_cover_the_range(low, high, expected):
    assert ticks(low, high) == pytest.approx(expected)


def test_tight_ticks_end_at_the_data():
    assert ticks(7, 93, is_tight=True) == [7, 25, 50, 75, 93]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(5.4, 28, [6, 8, 10, 15, 20]), (1, 2000, [1, 10, 100, 1000]), (0.03, 0.2, [0.05, 0.1, 0.2]), (1, 1, [1])],
)
def test_log_ticks_are_round_between_ends_a_little_outside(low, high, expected):
    found = log_ticks(low, high)
    assert found[1:-1] == pytest.approx(expected)
    assert 0.9 * low < found[0] < low
    assert high < found[-1] < 1.1 * high


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.25, "0.25"), (6.6438, "6.64"), (1200, "1,200"), (1e-4, "1.0e-4"), (2e6, "2.0e6")]
)
def test_numbers_are_short(value, text):
    assert number(value) == text


def test_thinning_keeps_the_mean_and_the_last_point():
    line = Series("loss", range(1000), [float(i % 10) for i in range(1000)])
    short = thinned(line)
    assert len(short.x) == MAX_POINTS
    assert (short.x[-1], short.y[-1]) == (999, 9.0)
    assert sum(short.y) / len(short.y) == pytest.approx(4.5, abs=0.1)
    assert thinned(Series("x", [1, 2], [3.0, 4.0])).y == [3.0, 4.0]


def test_running_mean():
    assert running_mean([2.0, 4.0, 6.0], width=2) == [2.0, 3.0, 5.0]


def test_a_line_runs_from_corner_to_corner_and_the_reference_lies_between():
    svg = line_chart([Series("loss", [0, 10], [0.0, 10.0])], title="Loss", x_label="step", reference=(5.0, "half"))
    assert 'd="M46.0 206.0L408.0 12.0"' in svg
    assert '<line class="reference" x1="46" x2="408" y1="109.0"' in svg
    assert 'aria-label="Loss. loss: from 0 to 10; half: 5."' in svg


def test_a_log_axis_spaces_factors_evenly():
    svg = line_chart([Series("loss", [0, 1, 2], [1.0, 10.0, 100.0])], title="L", x_label="step", is_log=True)
    heights = [float(y) for y in re.findall(r"[ML][0-9.]+ ([0-9.]+)", svg)]
    assert heights[0] - heights[1] == pytest.approx(heights[1] - heights[2], abs=0.2)
    plain = line_chart([Series("loss", [0, 1], [-1.0, 10.0])], title="L", x_label="step", is_log=True)
    assert "NaN" not in plain
    assert "path" in plain


def test_points_that_are_not_numbers_are_left_out():
    svg = line_chart([Series("a", [1, 2, 3], [1.0, float("nan"), float("inf")])], title="t", x_label="x")
    assert svg.count("<circle") == 1
    assert not re.search("nan|inf", svg.replace("informative", ""))
    assert line_chart([Series("a", [], [])], title="t", x_label="x") == ""


def test_names_cannot_break_the_page():
    svg = line_chart([Series("<b>'\"", [1, 2], [1.0, 2.0])], title='"><script>', x_label="<x>")
    assert "<script>" not in svg
    assert "<b>" not in svg
    assert "<x>" not in svg
