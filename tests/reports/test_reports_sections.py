"""Charts of a stage: the method's own meters stand in the report, one chart a kind."""

from coview.reports.facts import StageFacts
from coview.reports.sections import stage_charts

METERS = {
    "rgb/accuracy": 0.25,
    "flow/accuracy": 0.5,
    "agreement": -0.2,
    "positive_distance": 0.3,
    "negative_distance": 0.9,
}


def test_meters_are_charted_by_kind():
    steps = [{"step": n, "loss": 1.0, "parts": {"sync": 0.1}, "meters": METERS} for n in (1, 2)]
    charts = {chart.title: chart for chart in stage_charts(StageFacts("together", 2, steps, []))}
    legends = {title: [name for name, _ in chart.legend] for title, chart in charts.items() if "Meter" in title}
    assert legends == {
        "Meter: accuracy": ["rgb", "flow"],
        "Meter: agreement": [],
        "Meter: distance": ["positive", "negative"],
    }
    assert "<svg" in charts["Meter: agreement"].svg


def test_a_log_without_meters_has_no_such_chart():
    steps = [{"step": 1, "loss": 1.0, "parts": {}, "meters": {}}, {"step": 2, "loss": 1.0}]
    assert not [chart for chart in stage_charts(StageFacts("rgb", 2, steps, [])) if "Meter" in chart.title]
