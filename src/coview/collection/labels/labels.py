"""`index.labels`: what people said of videos and moments; added, removed, taken back, and in and out of files."""

import contextlib
import datetime
import getpass
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from coview.collection.catalogue import Catalogue
from coview.collection.file_identity import shown_path, stored_path
from coview.collection.labels.faults import Faults
from coview.collection.labels.formats import choose_format, export_text, read_file
from coview.collection.labels.label import Label, check_classes, check_span
from coview.collection.labels.matching import VideoNames, resolve_entries
from coview.collection.labels.table import LabelRow, LabelTable
from coview.collection.queries import unknown_video
from coview.collection.store import Store, VideoRow
from coview.errors import UserError
from coview.files import as_path, write_text
from coview.wording import counted


class Labels:
    """The labels of an index.

    Example:
        index.labels.add("walk/v3", "walk", start=3.2, end=5.0)
        index.labels.add("walk/v4", ())                          # none of the classes
        index.labels.import_file("labels.csv")
        index.labels.undo()
    """

    def __init__(self, catalogue: Catalogue, store: Store, folder: Path) -> None:
        self._table, self._store, self._folder = LabelTable(catalogue), store, folder
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self.rows())

    def __iter__(self) -> Iterator[Label]:
        """Yield every label, in the order in which they were made."""
        return iter(self.rows())

    def __repr__(self) -> str:
        found = self.rows()
        videos = len({label.path for label in found})
        return f"Labels({len(found):,} of {counted(videos, 'video')}, classes: {', '.join(self.classes) or 'none yet'})"

    def close(self) -> None:
        """Close its connection."""
        self._table.catalogue.close()

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, the first named first."""
        with self._lock:
            return tuple(self._table.classes())

    @property
    def state(self) -> int:
        """A number that differs after any change."""
        with self._lock:
            return self._table.state()

    def rows(self, video: str | int | None = None) -> list[Label]:
        """Return the labels of one video, by id, path or number, or all of them.

        Raises:
            UserError: no such video.
        """
        with self._lock:
            stored = self._table.rows()
            found = self._with_videos(stored)
        if video is None:
            return found
        number = self._find(video).number
        return [label for label in found if label.video == number]

    def add(
        self,
        video: str | int,
        classes: str | Iterable[str],
        *,
        start: float | None = None,
        end: float | None = None,
        who: str | None = None,
    ) -> Label:
        """Say what is seen in a video, or in some seconds of it; a label of the same seconds is replaced.

        Args:
            video: id, path or number.
            classes: one, several that are all seen, or none: "none of the classes".
            start: in seconds; not given: the whole video.
            end: in seconds.
            who: says it; not given: the user of this process.

        Raises:
            UserError: no such video, seconds outside it, or a contradiction to another label.
        """
        row = self._find(video)
        chosen = check_span(start, end, duration=row.facts.duration_seconds)
        path = shown_path(row.facts.path, self._folder)
        name = _user() if who is None else who
        label = Label(path, check_classes(classes), *chosen, name, _now(), row.facts.id, row.number)
        with self._step(f"label {row.facts.id}: {label.words}") as step:
            own = self._rows_of_video(row)
            same = [one for one in own if (one.start_seconds, one.end_seconds) == chosen]
            for other in self._with_videos([one for one in own if one not in same]):
                if label.contradicts(replace(other, path=path)):
                    raise UserError(_contradiction(label, other))
            self._table.remove(step, [one.number for one in same])
            self._table.insert(step, [self._row(label, row)])
        return label

    def add_class(self, name: str) -> None:
        """Name a class before it has a label.

        Raises:
            UserError: no possible name, or one that is there already.
        """
        (checked,) = check_classes(name)
        if checked in self.classes:
            raise UserError(f"there is a class {checked!r} already")
        with self._step(f"new class {checked}") as step:
            self._table.add_classes(step, [checked])

    def remove(self, video: str | int, *, start: float | None = None, end: float | None = None) -> int:
        """Remove the label of a video as a whole, or of exactly these seconds; return how many there were (0 or 1).

        Raises:
            UserError: no such video.
        """
        row = self._find(video)
        with self._lock:
            same = [one for one in self._rows_of_video(row) if (one.start_seconds, one.end_seconds) == (start, end)]
            if same:
                with self._step(f"remove a label of {row.facts.id}") as step:
                    self._table.remove(step, [one.number for one in same])
        return len(same)

    def undo(self) -> str | None:
        """Take back the last step, whoever made it; return it in words, None where there is none."""
        with self._lock, self._table.catalogue.transaction():
            last = self._table.last_step()
            if last is None:
                return None
            self._table.take_back(last[0])
            return last[1]

    def import_file(self, path: Path | str, *, format: str | None = None, replace_differing: bool = False) -> int:
        """Add the labels of a file, all of them or none; return how many are new.

        Args:
            path: CSV with the columns path, start, end, label; or JSON of FiftyOne, Label Studio or VIA. Paths of
                videos start from the file's folder; ids and names that are found once in the index are understood too.
            format: "csv", "fiftyone", "label-studio" or "via"; not given: recognised.
            replace_differing: where the index says otherwise of the same seconds, the file counts.

        Raises:
            UserError: no such file, an unknown format, a video that is not in the index, seconds outside it, or
                labels that contradict each other or those of the index; names every place in the file, up to 20.
        """
        source = as_path(path, name="path", what="a file of labels")
        faults = Faults(source)
        entries = read_file(source, format, faults)
        with self._step(f"import {source.name}") as step:
            known = self._table.rows()
            labels = self._with_videos(known)
            rows = self._store.rows()
            new, replaced = resolve_entries(
                entries,
                VideoNames(rows, folder=self._folder, base=source.parent),
                known=labels,
                faults=faults,
                replace_differing=replace_differing,
            )
            by_number = {row.number: row for row in rows}
            self._table.remove(step, [known[place].number for place in replaced])
            self._table.insert(step, [self._row(label, by_number[label.video or 0]) for label in new])
            if not new:
                raise _NothingNew
        return len(new)

    def export_file(self, path: Path | str, *, format: str | None = None) -> int:
        """Write all labels into a file that `import_file` reads back; return how many.

        Raises:
            UserError: an unknown format, or the file cannot be written.
        """
        out = as_path(path, name="path", what="a file of labels")
        chosen = choose_format(out, format)
        labels = self.rows()
        facts = {row.number: row.facts for row in self._store.rows()}
        write_text(out, export_text(labels, chosen, base=out.parent, facts=facts))
        return len(labels)

    @contextlib.contextmanager
    def _step(self, words: str) -> Iterator[int]:
        """Hold the table for a step that is there whole or not at all."""
        with self._lock, contextlib.suppress(_NothingNew), self._table.catalogue.transaction():
            yield self._table.begin_step(words)

    def _row(self, label: Label, row: VideoRow) -> LabelRow:
        content = row.facts.content
        span = label.start_seconds, label.end_seconds
        return LabelRow(row.facts.path, content, *span, label.classes, label.who, label.made_at or "")

    def _rows_of_video(self, row: VideoRow) -> list[LabelRow]:
        """Return the stored labels of one video, those from before it was moved too."""
        stored = self._table.rows()
        owners = self._owners(stored)
        return [one for one, owner in zip(stored, owners, strict=True) if owner and owner.number == row.number]

    def _with_videos(self, stored: Sequence[LabelRow]) -> list[Label]:
        found = []
        for one, owner in zip(stored, self._owners(stored), strict=True):
            path = one.path if owner is None else owner.facts.path
            who = one.who, one.made_at
            label = Label(shown_path(path, self._folder), one.classes, one.start_seconds, one.end_seconds, *who)
            found.append(label if owner is None else replace(label, id=owner.facts.id, video=owner.number))
        return found

    def _owners(self, stored: Sequence[LabelRow]) -> list[VideoRow | None]:
        """Return the video of each label: the one at its path, else the one whose file holds the same."""
        by_path = {row.facts.path: row for row in self._store.rows(path=sorted({one.path for one in stored}))}
        lost = sorted({one.content for one in stored if one.path not in by_path and one.content})
        by_content = {row.facts.content: row for row in self._store.rows(content=lost)} if lost else {}
        return [by_path.get(one.path) or by_content.get(one.content) for one in stored]

    def _find(self, video: str | int) -> VideoRow:
        if isinstance(video, int):
            row = next((row for row in self._store.rows() if row.number == video), None)
            if row is None:
                raise UserError(f"{self._folder} has no video {video}")
            return row
        rows = self._store.rows(id=video) or self._store.rows(path=stored_path(video, self._folder))
        if not rows:
            raise unknown_video(video, self._store, self._folder)
        return rows[0]


class _NothingNew(Exception):
    """A step that changes nothing is none."""


def _contradiction(label: Label, other: Label) -> str:
    return f"{label.id}: {label.words} contradicts {other.words}, which it was labelled {_span_words(other)}"


def _span_words(label: Label) -> str:
    return "as a whole" if label.is_whole else f"from {label.start_seconds:g} s to {label.end_seconds:g} s"


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container may know no name for its user
        return ""
