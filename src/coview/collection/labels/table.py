"""Labels in index.sqlite: nothing is ever overwritten, so that every step can be taken back.

A row belongs to the path of a video and to what its file held. Videos that are embedded again, come back, or were
moved keep their labels.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from coview.collection.catalogue import Catalogue


@dataclass(frozen=True)
class LabelRow:
    """A label as it is stored; see `Label`."""

    path: str
    """Of the video, relative to the folder of the index."""
    content: str
    """Hash of the video's file when it was labelled; see `VideoFacts`."""
    start_seconds: float | None
    end_seconds: float | None
    classes: tuple[str, ...]
    who: str
    made_at: str
    number: int = 0


class LabelTable:
    """The rows; what changes them is called within `catalogue.transaction()`.

    Args:
        catalogue: a connection of its own.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue

    def rows(self) -> list[LabelRow]:
        """Return the labels that count, in the order in which they were made."""
        found = self.catalogue.query(
            "SELECT path, content, start_seconds, end_seconds, classes, who, made_at, number FROM labels "
            "WHERE removed_by IS NULL ORDER BY number"
        )
        return [
            LabelRow(path, content, start, end, tuple(self.catalogue.read_values(classes)), who, made_at, number)
            for path, content, start, end, classes, who, made_at, number in found
        ]

    def classes(self) -> list[str]:
        """Return the names of classes, the first named first."""
        return [name for (name,) in self.catalogue.query("SELECT name FROM label_classes ORDER BY place")]

    def state(self) -> int:
        """Return a number that grows with every step and shrinks where one is taken back to an earlier one."""
        ((number, rows),) = self.catalogue.query(
            "SELECT (SELECT COALESCE(MAX(number), 0) FROM label_steps), (SELECT COALESCE(MAX(number), 0) FROM labels)"
        )
        return int(number) * 1_000_003 + int(rows)

    def begin_step(self, words: str) -> int:
        """Note what is going to be done; return the number of the step."""
        return self.catalogue.write("INSERT INTO label_steps (words) VALUES (?)", [words])

    def insert(self, step: int, rows: Iterable[LabelRow]) -> None:
        """Write labels, and the classes that they are the first to name."""
        for row in rows:
            self.add_classes(step, row.classes)
            values: Sequence[Any] = [
                row.path,
                row.content,
                row.start_seconds,
                row.end_seconds,
                json.dumps(list(row.classes)),
                row.who,
                row.made_at,
                step,
            ]
            self.catalogue.write(
                "INSERT INTO labels (path, content, start_seconds, end_seconds, classes, who, made_at, added_by) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                values,
            )

    def add_classes(self, step: int, names: Iterable[str]) -> None:
        """Write classes that are not there yet."""
        for name in names:
            self.catalogue.write("INSERT OR IGNORE INTO label_classes (name, added_by) VALUES (?, ?)", [name, step])

    def remove(self, step: int, numbers: Iterable[int]) -> None:
        """Let labels count no more."""
        for number in numbers:
            self.catalogue.write("UPDATE labels SET removed_by = ? WHERE number = ?", [step, number])

    def last_step(self) -> tuple[int, str] | None:
        """Return number and words of the last step, None where there is none to take back."""
        found = self.catalogue.query("SELECT number, words FROM label_steps ORDER BY number DESC LIMIT 1")
        return (int(found[0][0]), str(found[0][1])) if found else None

    def take_back(self, step: int) -> None:
        """Undo a step: what it wrote goes, what it removed counts again."""
        self.catalogue.write("DELETE FROM labels WHERE added_by = ?", [step])
        self.catalogue.write("DELETE FROM label_classes WHERE added_by = ?", [step])
        self.catalogue.write("UPDATE labels SET removed_by = NULL WHERE removed_by = ?", [step])
        self.catalogue.write("DELETE FROM label_steps WHERE number = ?", [step])
