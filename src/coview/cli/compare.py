"""`coview compare`."""

from dataclasses import dataclass
from pathlib import Path

from coview.cli.command import Command, RunA, RunB, Settings


@dataclass(frozen=True)
class Compare(Command):
    """Say where one run gains over another, class by class, and whether the difference is real.

    Both must have been evaluated in the same way: same protocol, data, split and settings. Prints how often each is
    right on the same videos, the 95% interval of the difference (bootstrap over whole groups of test videos) and
    McNemar's exact test. The verdict is about these two runs; with other seeds it may differ: coview table shows the
    spread over seeds.

    Examples:
        coview compare runs/cocon runs/cpc
        coview compare runs/cocon runs/cpc --protocol linear --features rgb --out figures/cocon-cpc
        coview compare runs/vicc runs/vicc@rgb-00000400 --features flow rgb
    """

    a: RunA
    """RUN, RUN@CHECKPOINT, or a result file in RUN/evaluation."""
    b: RunB
    """What A is compared with, given in the same way."""
    protocol: str | None = None
    """Protocol; not set: the first of `coview list protocols` that both were evaluated under."""
    features: tuple[str, ...] = ()
    """Row to compare, or A's and B's row; not set: all that both have, and the ensemble of views class by class."""
    split: str | None = None
    """Only results of this split."""
    data: Path | None = None
    """Only results on this data set."""
    out: Path | None = None
    """Write OUT.json, OUT.csv and OUT.svg, the figure of gains per class. What lies in A/comparisons is on the first
    screen of A's report when that is next written."""

    def run(self, settings: Settings) -> int:
        """Compare, print the tables, write the files."""
        from coview.evaluation.comparison.compare import compare
        from coview.evaluation.comparison.output import comparison_tables, write_comparison
        from coview.evaluation.results.tables import lay_out

        found = compare(
            self.a, self.b, protocol=self.protocol, features=self.features, split=self.split, data=self.data
        )
        print(lay_out(comparison_tables(found), "text"))
        print("\n".join(found.sentences()))
        if self.out is not None:
            print("written: " + ", ".join(str(path) for path in write_comparison(found, self.out)))
        return 0
