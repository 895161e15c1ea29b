"""`coview labels`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from coview.cli.command import Command, Settings
from coview.cli.encoding import one_line
from coview.cli.findings import IndexFolder, print_table
from coview.errors import UserError
from coview.wording import counted

if TYPE_CHECKING:
    from coview.collection.labels import Label

Action = Annotated[Literal["import", "export", "show", "undo"], tyro.conf.Positional, tyro.conf.arg(metavar="ACTION")]
File = Annotated[Path | None, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]


@dataclass(frozen=True)
class LabelsCommand(Command):
    """Bring labels of an index in and out: a table, or the JSON of FiftyOne, Label Studio and VIA.

    ACTION is import, export, show (how many of each class) or undo (take the last step back). A table has the columns
    path, start, end and label, a line a class; no times: the whole video. Labels are made in the page of `coview
    serve`, too. All labels of a file are taken, or none: what is wrong is named with its place.

    Examples:
        coview labels import idx labels.csv
        coview labels import idx tasks.json --replace
        coview labels export idx labels.json --format label-studio
        coview labels show idx
        coview labels undo idx
    """

    action: Action
    """import, export, show or undo."""
    index: IndexFolder
    """Folder made by `coview index`."""
    file: File = None
    """File of labels, to import or export."""
    format: Literal["csv", "fiftyone", "label-studio", "via"] | None = None
    """Of the file; not set: recognised when importing, by its name when exporting."""
    replace: bool = False
    """Where the index says otherwise of the same seconds, the file counts."""

    def run(self, settings: Settings) -> int:
        """Do it and say what came of it."""
        import coview

        if (self.file is None) == (self.action in ("import", "export")):
            expected = "needs" if self.file is None else "takes no"
            raise UserError(
                f"coview labels {self.action} {expected} FILE, such as: coview labels import idx labels.csv"
            )
        labels = coview.open_index(self.index).labels
        if self.action == "undo":
            undone = labels.undo()
            print("nothing to take back" if undone is None else one_line(f"taken back: {undone}"))
            return 0
        if self.action == "import" and self.file is not None:
            count = labels.import_file(self.file, format=self.format, replace_differing=self.replace)
            print(f"{counted(count, 'new label')} from {self.file}; {len(labels):,} in all")
            print(f"next: coview head {self.index} --out {self.index}-head")
        elif self.action == "export" and self.file is not None:
            count = labels.export_file(self.file, format=self.format)
            print(f"{counted(count, 'label')} written to {self.file}")
        else:
            _show(labels.rows())
        return 0


def _show(rows: "Sequence[Label]") -> None:
    """Print how many labels and videos each class has."""
    videos: dict[str, list[str]] = {}
    for label in rows:
        for name in label.classes or ("none of them",):
            videos.setdefault(name, []).append(label.path)
    if videos:
        ordered = sorted(videos.items(), key=lambda item: -len(item[1]))
        print_table(
            [{"class": name, "labels": f"{len(own):,}", "videos": f"{len(set(own)):,}"} for name, own in ordered]
        )
    lost = sum(label.video is None for label in rows)
    print(counted(len(rows), "label") + (f", {lost:,} of videos that are not in the index now" if lost else ""))
