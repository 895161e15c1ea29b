"""The commands that read runs: evaluate, analyse, table. Like `cli`, nothing heavy is imported before one runs."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from coview.cli.terminal import progress_bar
from coview.errors import UserError

if TYPE_CHECKING:
    from coview.analysis import AnalysisResult

Assignments = list[tuple[str, str]]
RunFolder = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
Runs = Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]


@dataclass(frozen=True)
class Evaluate:
    """Score a run: beside the same encoder with random weights, plain pixels and chance.

    Protocols: retrieval, a linear probe, few labels, the vote of neighbours, clusters, fine-tuning, and inference with
    what was fine-tuned (`coview list protocols`). Writes RUN/evaluation/<protocol>-....json and RUN/report.html, and
    prints the table. Settings of a protocol are given with a dot: --retrieval.variant leave-group-out lets every
    labelled video query those of all other groups.

    Examples:
        coview evaluate runs/cpc --data data/ucf10
        coview evaluate runs/cpc --data data/ucf10 --retrieval.variant leave-group-out
        coview evaluate runs/cocon --data data/ucf10 --retrieval.weights.pose 0
        coview evaluate runs/cocon --data data/ucf10 --protocol linear --linear.head plain
        coview evaluate runs/cocon --data data/ucf10 --protocol finetune --finetune.epochs 20
        coview evaluate runs/cocon --data data/hmdb51 --split split1 split2 split3
        coview evaluate runs/cocon --data data/mine --protocol knn --knn.folds 5
        coview evaluate runs/cocon --data data/mine --retrieval.gallery data/ucf101
    """

    run_folder: RunFolder
    """Folder of a run."""
    data: Path
    """Folder made by `coview prepare`, with labels."""
    protocol: str = "retrieval"
    """One of `coview list protocols`."""
    split: tuple[str, ...] = ()
    """Split column, or several: each is evaluated, and their mean is shown; not set: the run's own."""
    checkpoint: str | None = None
    """Folder name of a checkpoint, such as rgb-00000400; not set: the newest."""
    device: str = "auto"
    """auto, cpu, cuda, or cuda:N."""

    def run(self, assignments: Assignments) -> int:
        """Evaluate, print the table, renew the report."""
        from rich.console import Console

        from coview.datasets.prepared import PreparedDataset
        from coview.evaluation import curve_table, evaluate_run, result_table
        from coview.evaluation.over_splits import mean_over_splits
        from coview.reports import write_report

        options = options_of("protocol", self.protocol, assignments)
        if len(self.split) > 1:  # a misspelt last one shall not wait for the others
            for name in self.split:
                PreparedDataset.open(self.data).part(name, "test")
        results = []
        for split in dict.fromkeys(self.split) or (None,):
            with progress_bar("evaluate", unit="done") as progress:
                result = evaluate_run(
                    self.run_folder,
                    self.data,
                    protocol=self.protocol,
                    split=split,
                    along_with=self.split,
                    checkpoint=self.checkpoint,
                    options=options,
                    device=self.device,
                    progress=progress,
                )
            Console().print(result_table(result))
            if result.curve:
                Console().print(curve_table(result))
            results.append(result)
        if len(results) > 1:
            Console().print(result_table(mean_over_splits(results)))
        report = write_report(self.run_folder, PreparedDataset.open(self.data))
        print("\n".join([*(f"result: {result.path}" for result in results), f"report: {report}"]))
        return 0


@dataclass(frozen=True)
class Analyse:
    """Look into a run: what its encoders find alike, beside random weights and other runs.

    Runs every analysis (`coview list analyses`), or one. Those that need labels say so where there are none. Writes
    RUN/analysis/<name>.json and .csv, each figure as .svg and .png, prints the tables and renews RUN/report.html.
    Settings of an analysis are given with a dot: --class-relations.neighbours 4.

    Examples:
        coview analyse runs/cocon --data data/ucf10
        coview analyse runs/cocon --data data/ucf10 --analysis map --map.method pca
        coview analyse runs/cocon --data data/ucf10 --beside runs/cpc --class-relations.neighbours 4
    """

    run_folder: RunFolder
    """Folder of a run."""
    data: Path
    """Folder made by `coview prepare`; labels are used where there are any."""
    analysis: str | None = None
    """One of `coview list analyses`; not set: all of them."""
    beside: tuple[Path, ...] = ()
    """Folders of other runs to stand beside it, on the same videos."""
    split: str | None = None
    """Split column; not set: the run's own."""
    part: Literal["auto", "test", "train", "all"] = "auto"
    """Which videos; auto: test where the data set has a split, else all."""
    checkpoint: str | None = None
    """Folder name of a checkpoint, such as rgb-00000400; not set: the newest."""
    device: str = "auto"
    """auto, cpu, cuda, or cuda:N."""

    def run(self, assignments: Assignments) -> int:
        """Analyse, print what was found as it comes, renew the report."""
        from coview.analysis import ANALYSES, analyse_all
        from coview.analysis.running import options_by_analysis
        from coview.datasets.prepared import PreparedDataset
        from coview.reports import write_report

        options = options_by_analysis(nested(assignments), only=self.analysis)
        names = [self.analysis] if self.analysis else list(ANALYSES)
        not_run = {}
        with progress_bar("analyse", unit="done") as progress:
            outcomes = analyse_all(
                self.run_folder,
                self.data,
                analyses=names,
                beside=self.beside,
                split=self.split,
                part=self.part,
                checkpoint=self.checkpoint,
                options=options,
                device=self.device,
                progress=progress,
            )
            for outcome in outcomes:
                if outcome.result is None:
                    not_run[outcome.analysis] = outcome.reason
                else:
                    _print_findings(outcome.result)
        if len(not_run) == len(names):
            raise UserError("; ".join(dict.fromkeys(not_run.values())))
        report = write_report(self.run_folder, PreparedDataset.open(self.data))
        for name, reason in not_run.items():
            print(f"not run: {name}: {reason}")
        print(f"results: {self.run_folder / 'analysis'}\nreport: {report}")
        return 0


def _print_findings(result: "AnalysisResult") -> None:
    """Print the tables and sentences of one analysis."""
    from rich.console import Console

    from coview.analysis.table import finding_tables

    console = Console(highlight=False)
    console.rule(result.analysis, align="left")
    for table in finding_tables(result):
        console.print(table)
    for sentence in result.findings.sentences:
        console.print(sentence, markup=False)
    for figure in result.findings.figures:
        print(f"figure: {result.figure_path(figure).with_suffix('.png')}")


@dataclass(frozen=True)
class Tabulate:
    """Make one table from the evaluations of many runs: mean and standard deviation over seeds, beside random weights.

    Runs that differ in nothing but their seed share a row. Runs that were evaluated on several splits also get the mean
    over their splits. Results under another protocol, split or data set get a table of their own, never a place in the
    same one. With --shape, runs stand beside the rows of a table of the papers, whose published numbers have columns of
    their own. NAME=RUN names a row; without a name it is called by its method and by what its settings have of their
    own.

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

    def run(self, assignments: Assignments) -> int:
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


def options_of(kind: str, name: str, assignments: Assignments) -> dict[str, Any]:
    """Return the dotted settings that belong to a protocol or analysis.

    Raises:
        UserError: a setting of something else.
    """
    options = nested(assignments)
    own = name.replace("-", "_")  # as `override` spells it
    foreign = [given for given in options if given != own]
    if foreign:
        raise UserError(f"--{foreign[0]}... is no setting of {kind} {name}: they begin --{name}.")
    settings: dict[str, Any] = options.get(own, {})
    return settings


def nested(assignments: Assignments) -> dict[str, Any]:
    """Return dotted settings of a command line as nested values.

    Raises:
        UserError: a text that is not a value.
    """
    from coview.config.parsing import override, read_value

    return override({}, {name: read_value(text) for name, text in assignments})
