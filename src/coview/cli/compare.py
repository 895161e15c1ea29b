"""The commands that set runs beside or on top of one another: ensemble, compare. Nothing heavy is imported before."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from coview.cli.scores import Assignments, options_of
from coview.cli.terminal import progress_bar

Members = Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN[:VIEW][=WEIGHT]")]
RunA = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="A")]
RunB = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="B")]


@dataclass(frozen=True)
class Ensemble:
    """Score views of several runs together: the weighted mean of their cosines (retrieval, knn) or softmax (linear).

    A member is a run with all of its views, or RUN:VIEW, each with or without a weight (1); RUN@CHECKPOINT:VIEW names
    an older checkpoint. Every member is also scored by itself. The result names all members; it is written into the
    first member's run, RUN/evaluation/<protocol>-....json. Settings of a protocol are given with a dot.

    Examples:
        coview ensemble runs/cocon:rgb=2 runs/vicc:flow=2 runs/cpc:pose --data data/ucf10
        coview ensemble runs/cocon-0 runs/cocon-1 --data data/ucf10 --protocol linear --linear.baselines false
    """

    members: Members
    """Two voices or more."""
    data: Path
    """Folder made by `coview prepare`, with labels and the views of all members."""
    protocol: str = "retrieval"
    """retrieval, linear, knn, or inference for fine-tuned runs."""
    split: str | None = None
    """Split column; not set: that of the first member's run."""
    device: str = "auto"
    """auto, cpu, cuda, or cuda:N."""

    def run(self, assignments: Assignments) -> int:
        """Score the ensemble, print the table."""
        from rich.console import Console

        from coview.evaluation import result_table
        from coview.evaluation.scoring import evaluate_ensemble

        options = options_of("protocol", self.protocol, assignments)
        with progress_bar("ensemble", unit="videos") as progress:
            result = evaluate_ensemble(
                self.members,
                self.data,
                protocol=self.protocol,
                split=self.split,
                options=options,
                device=self.device,
                progress=progress,
            )
        Console().print(result_table(result))
        print(f"result: {result.path}")
        return 0


@dataclass(frozen=True)
class Compare:
    """Say where one run gains over another, class by class, and whether the difference is real.

    Both must have been evaluated alike: same protocol, data, split and settings. Prints how often each is right on the
    same videos, the 95% interval of the difference (whole groups of test videos drawn anew) and McNemar's exact test.
    What is said holds for these two runs; other seeds of them may differ: coview table shows the spread over seeds.

    Examples:
        coview compare runs/cocon runs/cpc
        coview compare runs/cocon runs/cpc --protocol linear --features rgb --out figures/cocon-cpc
        coview compare runs/vicc runs/vicc@rgb-00000400 --features flow rgb
    """

    a: RunA
    """RUN, RUN@CHECKPOINT, or a result file in RUN/evaluation."""
    b: RunB
    """What A is held against, given in the same way."""
    protocol: str | None = None
    """Protocol; not set: the first of `coview list protocols` that both were evaluated under."""
    features: tuple[str, ...] = ()
    """Row to compare, or A's and B's row; not set: all that both have, and the ensemble of views class by class."""
    split: str | None = None
    """Only results of this split."""
    data: Path | None = None
    """Only results on this data set."""
    out: Path | None = None
    """Write OUT.json, OUT.csv and OUT.svg, the figure of gains per class."""

    def run(self, assignments: Assignments) -> int:
        """Compare, print the tables, write the files."""
        from rich.console import Console

        from coview.evaluation.compare import compare
        from coview.evaluation.compare_output import class_table, overall_table, write_comparison

        found = compare(
            self.a, self.b, protocol=self.protocol, features=self.features, split=self.split, data=self.data
        )
        console = Console(highlight=False)
        console.print(overall_table(found))
        for row in found.closer:
            console.print(class_table(found, row))
        for sentence in found.sentences():
            console.print(sentence, markup=False)
        if self.out is not None:
            print("written: " + ", ".join(str(path) for path in write_comparison(found, self.out)))
        return 0
