"""`coview score`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from coview.cli.command import Command, Settings
from coview.cli.encoding import one_line
from coview.cli.findings import class_cells, print_table
from coview.errors import UserError

Predictions = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="PREDICTIONS")]
Truth = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="TRUTH")]


@dataclass(frozen=True)
class Score(Command):
    """Compare predictions with the truth: class by class, mAP of segments, and whether probabilities come true.

    TRUTH is a file of labels (see coview labels), an index with labels, or a prepared data set with classes, and is
    taken to name all that its videos show. Videos are found by path, else by a file name that only one has. Prints the
    table with 95% intervals and writes a page with the calibration plot.

    Examples:
        coview score predictions.csv truth.csv
        coview score timeline.csv idx --out timeline.html
    """

    predictions: Predictions
    """Table made by `coview predict`, of any kind."""
    truth: Truth
    """What the videos show."""
    out: Path | None = None
    """Page to write (.html); not set: beside the predictions."""

    def run(self, settings: Settings) -> int:
        """Score, print, write."""
        from coview.evaluation.predicted import score_predictions
        from coview.reports.heads import write_prediction_report
        from coview.wording import counted

        out = self.out or self.predictions.with_suffix(".html")
        if out.suffix.lower() != ".html":
            raise UserError(f"the page is written as .html, and {out.name!r} is not called so")
        quality = score_predictions(self.predictions, self.truth)
        rows = [class_cells(row, counted=quality.kind) for row in quality.classes.rows]
        for tiou, found in quality.segments.items():
            rows = [{**row, f"AP at {tiou}": f"{found.get(row['class'], 0):.2f}"} for row in rows]
        print_table(rows)
        low, high = quality.classes.interval
        print(
            f"macro-F1 {quality.classes.macro_f1:.2f} (95% {low:.2f} to {high:.2f}), calibration error "
            f"{quality.reliability.error:.3f}, {quality.kind} of {counted(quality.videos, 'video')}"
        )
        if quality.segments:
            print(", ".join(f"mAP at IoU {tiou}: {found['']:.2f}" for tiou, found in quality.segments.items()))
        if quality.unjudged or quality.missing:
            print(
                f"{counted(quality.unjudged, 'video')} predicted of which {self.truth} says nothing, and "
                f"{quality.missing:,} that it names have no prediction"
            )
        if quality.unnamed:
            print(one_line(f"note: {self.truth} never names {', '.join(quality.unnamed)}"))
        print(f"report: {write_prediction_report(quality, out, predictions=self.predictions, truth=self.truth)}")
        return 0
