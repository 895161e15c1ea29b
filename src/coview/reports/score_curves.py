"""The scores of a run after each of its stages, as lines to draw (ViCC, Figure 3)."""

from coview.evaluation import Result
from coview.reports.charts import Series


def curve_lines(result: Result) -> list[Series]:
    """Return the first metric as it is shown, a line a view and ensemble; x counts the entries of the curve."""
    first = first_metric(result)
    names = dict.fromkeys(row.name for one in result.curve for row in one.rows)
    lines = []
    for tone, name in enumerate(names):
        points = [
            (float(x), result.scale(first).factor * row.metrics[first])
            for x, one in enumerate(result.curve)
            for row in one.rows
            if row.name == name
        ]
        lines.append(Series(name, [x for x, _ in points], [y for _, y in points], tone % 4))
    return lines


def first_metric(result: Result) -> str:
    """Return the metric that a curve shows."""
    return next(iter(result.rows[0].metrics))


def stages_in_words(result: Result) -> str:
    """Say which stage each place of the curve is the end of, and what learnt in it."""
    words = []
    for place, one in enumerate(result.curve):
        learnt = f" ({', '.join(one.trained)} learnt)" if one.trained and tuple(one.trained) != (one.stage,) else ""
        words.append(f"{place}: {one.stage}{learnt}")
    return ", ".join(words)
