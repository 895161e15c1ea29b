"""`coview table`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from coview.cli.command import Command, Runs, Settings


@dataclass(frozen=True)
class Table(Command):
    """Make one table from the evaluations of many runs: mean and standard deviation over seeds, beside random weights.

    Runs that differ only in their seed share a row. Runs that were evaluated on several splits also get the mean over
    their splits. Results under another protocol, split or data set get a table of their own. With --shape, runs stand
    beside the rows of a table of the papers, whose published numbers have columns of their own. NAME=RUN names a row;
    without a name it is called by its method and by the settings in which it differs.

    Examples:
        coview table runs/*
        coview table CPC=runs/cpc-0 CPC=runs/cpc-1 CoCon=runs/cocon-0 --metrics R@1 --format latex --out table.tex
        coview table runs/* --shape vicc-1
        coview table runs/* --shape cocon-1 --protocol linear
    """

    runs: Runs
    """Folders of runs that were evaluated, each with or without NAME= before it."""
    protocol: str | None = None
    """Only results of this protocol; not set: all there are, or with --shape the protocol of the paper's numbers."""
    metrics: tuple[str, ...] = ()
    """Columns; not set: the first two of each protocol."""
    shape: str | None = None
    """A table of the papers: cocon-1 to cocon-6 (not 4), vicc-1 to vicc-7."""
    format: Literal["markdown", "csv", "latex"] = "markdown"
    """How the table is written."""
    out: Path | None = None
    """File to write; not set: the table is printed."""

    def run(self, settings: Settings) -> int:
        """Make the tables, print or write them."""
        from coview.files import write_text

        if self.shape is None:
            from coview.evaluation.many_runs import tables_of_runs
            from coview.evaluation.table_formats import as_text

            text = as_text(tables_of_runs(self.runs, protocol=self.protocol, metrics=self.metrics), self.format)
        else:
            from coview.evaluation.shape_formats import shapes_as_text
            from coview.evaluation.shape_tables import shape_tables

            shaped = shape_tables(self.runs, shape=self.shape, protocol=self.protocol, metrics=self.metrics)
            text = shapes_as_text(shaped, self.format)
        if self.out is None:
            print(text, end="")
        else:
            write_text(self.out, text)
            print(f"table: {self.out}")
        return 0
