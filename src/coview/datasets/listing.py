"""What every layout returns: the videos of a source, and remarks for the person who reads them."""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from coview.datatypes import VideoEntry
from coview.errors import UserError
from coview.wording import counted, some

VIDEO_SUFFIXES = frozenset(
    {
        *(".mp4", ".m4v", ".mov", ".qt", ".3gp", ".3g2", ".f4v", ".ismv", ".mj2", ".insv", ".lrv"),
        *(".avi", ".divx", ".mkv", ".mk3d", ".webm", ".flv", ".asf", ".wmv", ".rm", ".rmvb", ".ogv", ".ogm", ".ogg"),
        *(".mpg", ".mpeg", ".mpe", ".mpv", ".m1v", ".m2v", ".mp2v", ".m2p", ".vob", ".vro", ".mod", ".tod"),
        *(".ts", ".mts", ".m2t", ".m2ts", ".trp", ".tp", ".mxf", ".gxf", ".dv", ".dif", ".wtv", ".dav", ".nut", ".amv"),
        *(".h264", ".264", ".avc", ".h265", ".265", ".hevc", ".h263", ".vvc", ".h266", ".ivf", ".obu", ".av1", ".vc1"),
        *(".mjpeg", ".mjpg", ".y4m", ".gif", ".webp", ".apng", ".fli", ".flc", ".nsv", ".bik", ".smk", ".roq"),
    }
)
"""Extensions of files that are taken for videos, in lower case."""

PLAIN_SPLIT = "split1"
"""Name of the split column where a source has only one and does not name it: what runs train on by default."""

MISSING_REASON = "missing: no such file"
"""Reason of a video that is listed but is not there."""

_GROUP = re.compile(r"v_(?P<group>.+_g\d+)_c\d+")
_PARTS = {
    "train": ("train", "training"),
    "test": ("test", "testing"),
    "validation": ("validation", "val", "valid", "validate", "dev", "development"),
}
_PART_OF_WORD = {word: part for part, words in _PARTS.items() for word in words}


@dataclass(frozen=True)
class Listing:
    """The videos of a source.

    Attributes:
        entries: one a video, ids unique, in a fixed order; status "listed" or "missing".
        remarks: lines for the user, such as "3 of 400 listed videos are missing".
        labels_from: where the labels come from: lists or a table; names of folders, which may mean something else
            (`coview.datasets.folder_labels`); none: they were dropped.
    """

    entries: tuple[VideoEntry, ...]
    remarks: tuple[str, ...] = ()
    labels_from: Literal["lists", "folders", "none"] = "lists"


class LayoutReader(Protocol):
    """Reads one way of laying out videos. Rows of `coview.datasets.LAYOUTS`."""

    def __call__(self, source: Path, *, lists: Path | None = None) -> Listing:
        """List the videos of `source`.

        Args:
            source: the folder that holds the videos (layout "csv": or the table itself).
            lists: the data set's official lists, where the layout has any.

        Raises:
            UserError: the source or its lists cannot be used, or no video is there; says what to do.
        """


@dataclass(frozen=True)
class ExampleSource:
    """A tiny source of a layout, to show what it reads; its videos are empty files.

    Attributes:
        source: what a person would name, a path below the folder that holds everything.
        files: path below that folder -> text.
    """

    source: str
    files: Mapping[str, str]

    def write(self, folder: Path) -> Path:
        """Write the files below a folder; return the source."""
        for name, text in self.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
        return folder / self.source


Reader = TypeVar("Reader", bound=LayoutReader)
_examples: dict[LayoutReader, ExampleSource] = {}


def with_example(source: str, files: Mapping[str, str]) -> Callable[[Reader], Reader]:
    """Give a layout's reader a tiny source, which the contract tests read; a decorator.

    Example:
        @with_example("videos", {"videos/wave/a.mp4": "", "videos/jump/b.mp4": ""})
        def read_folder(source: Path, *, lists: Path | None = None) -> Listing: ...
    """

    def add(reader: Reader) -> Reader:
        _examples[reader] = ExampleSource(source, files)
        return reader

    return add


def example_of(reader: LayoutReader) -> ExampleSource | None:
    """Return the tiny source of a layout; None where its reader was given none."""
    return _examples.get(reader)


def split_part(word: str) -> str | None:
    """Return "train", "test" or "validation" for a word that people use for it ("val", "Dev"), None for others."""
    return _PART_OF_WORD.get(word.strip().lower())


def part_of_name(stem: str) -> str | None:
    """Return the part that the last word of a list's name says: "kinetics_train", "jester-v1-validation"."""
    return split_part(re.split(r"[\W_]+", stem)[-1])


def part_words() -> str:
    """Return the words that `split_part` knows, for messages."""
    return ", ".join(_PART_OF_WORD)


def is_video_name(name: str) -> bool:
    """Say whether a file's name ends like that of a video, in any case."""
    return os.path.splitext(name)[1].lower() in VIDEO_SUFFIXES  # noqa: PTH122  (names are text, hundreds of thousands)


def without_suffix(name: str) -> str:
    """Return a name or relative path without its video extension; other dots stay."""
    stem, suffix = os.path.splitext(name)  # noqa: PTH122
    return stem if suffix.lower() in VIDEO_SUFFIXES else name


def composed(name: str) -> str:
    """Return a name with its accents composed: Macs write "e" and an accent, lists from elsewhere "é"."""
    return unicodedata.normalize("NFC", name)


def unique_ids(relative_paths: Sequence[str]) -> list[str]:
    """Return an id for each of several different relative paths: without its extension where that is unique."""
    ids = [without_suffix(path) for path in relative_paths]
    while True:
        clashing = {name for name, count in Counter(ids).items() if count > 1}
        if not clashing:
            return ids
        # A whole path may clash with a shortened one ("a.mp4" and "a.mp4.avi"), so look again.
        ids = [path if name in clashing else name for path, name in zip(relative_paths, ids, strict=True)]


def group_in_name(stem: str) -> str | None:
    """Return the group of a clip that is named as UCF101 names its own: "v_Biking_g01_c02" is of group "Biking_g01"."""
    match = _GROUP.fullmatch(stem)
    return match["group"] if match else None


def missing_remarks(entries: Sequence[VideoEntry]) -> list[str]:
    """Return the remark that counts the videos with status "missing", if there are any."""
    missing = [entry.id for entry in entries if entry.status == "missing"]
    if not missing:
        return []
    return [f"{len(missing):,} of {counted(len(entries), 'listed video')} missing ({some(missing)})"]


def refuse_lists(lists: Path | None, *, layout: str) -> None:
    """Raise UserError if lists are given to a layout that has none."""
    if lists is not None:
        raise UserError(
            f"the layout {layout!r} has no lists, but --lists {lists} was given; leave it out, or choose the layout "
            "that the lists belong to (ucf101, hmdb51, kinetics, csv)"
        )
