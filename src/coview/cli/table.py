"""`coview table`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from coview.cli.command import Command, Runs, Settings


@dataclass(frozen=True)
class TableCommand(Command):
    """Make one table from the evaluations of many runs: mean and standard deviation over seeds, beside random weights.

    Runs that differ only in their seed share a row. Runs that were evaluated on several splits also get the mean over
    their splits. Results under another protocol, split or data set get a table of their own. NAME=RUN
    names a row; without a name it is called by its method and by the settings in which it differs.

    Examples:
        coview table runs/*
        coview table CPC=runs/cpc-0 CPC=runs/cpc-1 CoCon=runs/cocon-0 --metrics R@1 --format latex --out table.tex
    """

    runs: Runs
    """Folders of runs that were evaluated, each with or without NAME= before it."""
    protocol: str | None = None
    """Only results of this protocol; not set: all there are."""
    metrics: tuple[str, ...] = ()
    """Columns; not set: the first two of each protocol."""
    format: Literal["text", "markdown", "csv", "latex"] = "markdown"
    """How the table is written."""
    out: Path | None = None
    """File to write; not set: the table is printed."""

    def run(self, settings: Settings) -> int:
        """Make the tables, print or write them."""
        from coview.evaluation.results.tables import lay_out, tabulate_runs
        from coview.files import write_text

        text = lay_out(tabulate_runs(self.runs, protocol=self.protocol, metrics=self.metrics), self.format)
        if self.out is None:
            print(text, end="")
        else:
            write_text(self.out, text)
            print(f"table: {self.out}")
        return 0
