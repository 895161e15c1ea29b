"""`coview head`."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from coview.cli.command import Command, Settings
from coview.cli.encoding import one_line
from coview.cli.findings import IndexFolder, class_cells, print_table


@dataclass(frozen=True)
class HeadCommand(Command):
    """Fit a classifier to the labels of an index: linear, balanced, with probabilities that mean what they say.

    How good it is is found by cross-validation over whole recordings (videos of one group are never divided), printed
    with 95% intervals, and drawn in HEAD/report.html.

    Examples:
        coview head idx --out heads/mine
        coview head idx --out heads/mine --view flow --overwrite
        coview head idx --out heads/folders --source-labels
    """

    when_interrupted: ClassVar[str] = "a head is written whole or not at all"

    index: IndexFolder
    """Folder made by `coview index`, with labels."""
    out: Path
    """Folder to write: head.json, its numbers, report.html."""
    view: tuple[str, ...] = ()
    """View, or views, whose vectors it takes; not set: all."""
    combine: Literal["concat", "mean"] = "concat"
    """concat: the views' vectors one after the other; mean: their mean."""
    multi_label: bool | None = None
    """Classes may be seen at once; not set: where a moment has several."""
    source_labels: bool = False
    """Also learn from the classes that the sources gave whole videos: folders, tables."""
    overwrite: bool = False
    """Replace a head that is there."""

    def run(self, settings: Settings) -> int:
        """Fit, write, print how good it is."""
        import coview
        from coview.collection.heads.file import check_place
        from coview.evaluation.heads import judge_head
        from coview.reports.heads import write_head_report
        from coview.wording import counted

        check_place(self.out, overwrite=self.overwrite)
        index = coview.open_index(self.index)
        head = index.head(
            view=self.view or None,
            combine=self.combine,
            multi_label=self.multi_label,
            source_labels=self.source_labels,
        )
        quality = judge_head(head)
        report = write_head_report(head, quality, self.out)
        head.save(self.out, overwrite=self.overwrite)  # last: what is no head yet is begun again
        print(one_line(repr(head)))
        counts = head.counts
        print(
            f"from {counts['labels']:,} labels of {counts['videos']:,} videos, {counts['recordings']:,} recordings, "
            f"{counts['windows']:,} windows"
        )
        if quality is None:
            print("how good it is cannot be said: label moments of at least two recordings")
        else:
            print_table([class_cells(row, counted="windows") for row in quality.classes.rows])
            low, high = quality.classes.interval
            print(
                f"macro-F1 {quality.classes.macro_f1:.2f} (95% {low:.2f} to {high:.2f}), calibration error "
                f"{quality.reliability.error:.3f}, on {counted(quality.windows, 'window')} of recordings that were "
                "left out"
            )
            for remark in quality.remarks:
                print(one_line(f"note: {remark}"))
        print(f"report: {report}\nnext: coview predict {self.out} VIDEOS --out predictions.csv")
        return 0
