"""What a file of labels, an index or a prepared data set says of videos and moments."""

from pathlib import Path
from typing import NamedTuple

from coview.collection.about import ABOUT
from coview.collection.file_identity import absolute
from coview.collection.labels.faults import Faults
from coview.collection.labels.formats import read_file
from coview.collection.opening import open_index
from coview.datasets.prepared import INFO_NAME, PreparedDataset
from coview.errors import UserError


class Said(NamedTuple):
    """One label, of a video by its absolute path."""

    path: str
    classes: tuple[str, ...]
    """Empty for none of the classes."""
    start_seconds: float | None
    """None: the whole video."""
    end_seconds: float | None
    group: str = ""
    """Recording that the video was cut from; "" where unknown."""


def read_labels(source: Path) -> list[Said]:
    """Return what a source says, in its order.

    Raises:
        UserError: no such source, lines that cannot be understood, or a file that counts frames.
    """
    if (source / ABOUT).is_file():
        return _of_index(source)
    if (source / INFO_NAME).is_file():
        ready = PreparedDataset.open(source).ready
        return [Said(absolute(one.path), (one.label,), None, None, one.group or "") for one in ready if one.label]
    faults = Faults(source)
    entries = read_file(source, None, faults)
    faults.raise_if_any()
    counted = next((entry for entry in entries if entry.frames is not None), None)
    if counted is not None:
        raise UserError(
            f"{source}, {counted.place}: it counts frames; import it into an index, and name that: coview labels import"
        )
    return [
        Said(absolute(source.parent / entry.video), entry.classes, entry.start_seconds, entry.end_seconds)
        for entry in entries
    ]


def _of_index(folder: Path) -> list[Said]:
    index = open_index(folder)
    try:
        groups = {row.number: row.facts.group for row in index.store.rows()}
        return [
            Said(one.path, one.classes, one.start_seconds, one.end_seconds, groups.get(one.video or -1) or "")
            for one in index.labels
        ]
    finally:
        index.close()
