"""How retrieval grew from stage to stage of a run (ViCC, Figure 3), from the newest evaluation that scored stages."""

from dataclasses import dataclass
from typing import Any

from coview.analysis.base import Analysis, AnalysisContext, Findings, FoundTable
from coview.analysis.figure import TONES, Figure, draw
from coview.errors import UserError
from coview.evaluation import Result, read_results


@dataclass(frozen=True)
class StagesSettings:
    """Which numbers are drawn."""

    protocol: str = "retrieval"
    """The protocol whose results are looked at."""
    metric: str | None = None
    """One of its metrics; not set: the first."""


class Stages(Analysis):
    """Retrieval after each stage of the run, a line a view and ensemble; dots mark the views that a stage taught."""

    Settings = StagesSettings

    def analyse(self, context: AnalysisContext) -> Findings:
        """Draw the newest curve."""
        protocol, run = self.settings.protocol, context.run.path
        results = [one for one in read_results(run) if one.protocol == protocol]
        result = next((one for one in results if one.curve), None)
        if result is None:
            why = "has no result with a curve" if results else "has not been evaluated"
            raise UserError(
                f"{run} {why}: stages are scored by coview evaluate {run} --data {context.data.root}, where a run has "
                "finished at least two and their checkpoints are there"
            )
        known = list(result.curve[0].rows[0].metrics)
        metric = self.settings.metric or known[0]
        if metric not in known:
            raise UserError(f"--stages.metric {metric}: {protocol} has {', '.join(known)}")
        lines = curve_of(result, metric)
        return Findings(
            sentences=tuple(_sentence(result, name, values, metric) for name, values in lines.items()),
            tables=(_table(result, lines, metric),),
            values={"stages": [one.stage for one in result.curve], "metric": metric, "lines": lines},
            records=[
                {"stage": one.stage, "checkpoint": one.checkpoint, "features": name, metric: values[place]}
                for name, values in lines.items()
                for place, one in enumerate(result.curve)
                if values[place] is not None
            ],
            figures=(self._figure(result, lines, metric),),
        )

    def _figure(self, result: Result, lines: dict[str, list[float | None]], metric: str) -> Figure:
        scale = result.scale(metric).factor

        def paint(canvas: Any) -> None:
            axes = canvas.subplots()
            for place, (name, values) in enumerate(lines.items()):
                known = [(x, scale * y) for x, y in enumerate(values) if y is not None]
                tone = TONES[place % len(TONES)]
                axes.plot(*zip(*known, strict=True), color=tone, linewidth=1.6, label=name)
                taught = [(x, y) for x, y in known if name in result.curve[x].trained]
                if taught:
                    axes.plot(*zip(*taught, strict=True), color=tone, marker="o", markersize=6, linestyle="")
            axes.set_xticks(range(len(result.curve)))
            axes.set_xticklabels([one.stage for one in result.curve], rotation=20, ha="right")
            axes.set_ylabel(f"{metric} in %" if result.scale(metric).is_share else metric)
            axes.set_ylim(bottom=0)
            axes.legend()

        place = f"split {result.split}" if result.split else "all labelled videos"
        return draw(
            "",
            title=f"{result.protocol} after each stage",
            caption=f"{result.counts['queries_scored']} videos scored ({place}) of {result.data_name} · "
            f"{result.run} at {result.checkpoint['checkpoint']} · dots: the views that a stage taught",
            size=(6.6, 4.0),
            paint=paint,
        )


def curve_of(result: Result, metric: str) -> dict[str, list[float | None]]:
    """Return name of the features -> a metric after each stage; None where a stage has no such row."""
    names = dict.fromkeys(row.name for one in result.curve for row in one.rows)
    return {
        name: [next((row.metrics[metric] for row in one.rows if row.name == name), None) for one in result.curve]
        for name in names
    }


def _sentence(result: Result, name: str, values: list[float | None], metric: str) -> str:
    known = [(one.stage, value) for one, value in zip(result.curve, values, strict=True) if value is not None]
    (first, before), (last, after) = known[0], known[-1]
    shown = result.scale(metric)
    return f"{name}: {metric} {shown.text(before)} after {first}, {shown.text(after)} after {last}."


def _table(result: Result, lines: dict[str, list[float | None]], metric: str) -> FoundTable:
    shown = result.scale(metric)
    rows = []
    for place, one in enumerate(result.curve):
        cells = [values[place] for values in lines.values()]
        taught = ", ".join(one.trained) or "-"
        rows.append((one.stage, taught, *("-" if value is None else shown.text(value) for value in cells)))
    return FoundTable(f"{metric} after each stage", ("stage", "taught", *lines), tuple(rows))
