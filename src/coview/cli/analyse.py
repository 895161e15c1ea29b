"""`coview analyse`."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from coview.cli.command import Command, RunFolder, Settings
from coview.cli.terminal import progress_bar

if TYPE_CHECKING:
    from coview.analysis import AnalysisResult


@dataclass(frozen=True)
class Analyse(Command):
    """Look into a run: what its encoders find similar, beside random weights and other runs.

    Runs every analysis (`coview list analyses`), or one. Those that need labels say so where there are none. Writes
    RUN/analysis/<name>.json and .csv, each figure as .svg and .png, prints the tables and renews RUN/report.html.
    Settings of an analysis are given with a dot: --class-relations.neighbours 4.

    Examples:
        coview analyse runs/cocon --data data/ucf10
        coview analyse runs/cocon --data data/ucf10 --analysis map --map.method pca
        coview analyse runs/cocon --data data/ucf10 --beside runs/cpc --class-relations.neighbours 4
    """

    takes_settings: ClassVar[bool] = True
    runs_encoders: ClassVar[bool] = True
    when_interrupted: ClassVar[str] = (
        "finished embeddings and analyses are kept; the same command makes all analyses again, from these embeddings"
    )

    run_folder: RunFolder
    """Folder of a run."""
    data: Path
    """Folder made by `coview prepare`; labels are used where there are any."""
    analysis: str | None = None
    """One of `coview list analyses`; not set: all of them."""
    beside: tuple[Path, ...] = ()
    """Folders of other runs to compare it with, on the same videos."""
    split: str | None = None
    """Split column; not set: the run's own."""
    part: Literal["auto", "test", "train", "all"] = "auto"
    """Which videos; auto: test where the data set has a split, else all."""
    checkpoint: str | None = None
    """Folder name of a checkpoint, such as rgb-00000400; not set: the newest."""
    device: str = "auto"
    """auto, cpu, cuda, or cuda:N."""

    def run(self, settings: Settings) -> int:
        """Analyse, print the findings, renew the report."""
        import coview

        with progress_bar("analyse", unit="done") as progress:
            results = coview.analyse(
                self.run_folder,
                self.data,
                [self.analysis] if self.analysis else None,
                settings=settings,
                beside=self.beside,
                split=self.split,
                part=self.part,
                checkpoint=self.checkpoint,
                device=self.device,
                progress=progress,
            )
        for result in results:
            _print_findings(result)
        report = coview.write_report(self.run_folder, self.data)
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
