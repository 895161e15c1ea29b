"""Layout "frames": a folder of numbered pictures is a video (img_00001.jpg), as in Something-Something and Jester."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from coview.datasets.listing import (
    MISSING_REASON,
    PLAIN_SPLIT,
    Listing,
    composed,
    missing_remarks,
    part_of_name,
    with_example,
)
from coview.datasets.official_lists import add_part, find_lists, read_lines
from coview.datasets.video_files import check_folder, find_folders
from coview.datatypes import VideoEntry
from coview.errors import UserError
from coview.wording import counted, some

_NUMBERED = re.compile(
    r"(?P<prefix>.*?)(?P<number>\d{1,10})(?P<suffix>\.(?:jpe?g|png|bmp|webp|tiff?|ppm))", re.IGNORECASE
)


@dataclass(frozen=True)
class FrameRun:
    """The numbered pictures of a folder: prefix + number + suffix, from `start` on, without a gap.

    Attributes:
        pattern: name with the number as printf writes it, such as "img_%05d.jpg"; "%" elsewhere is doubled.
        start: number of the first one.
        count: how many.
    """

    pattern: str
    start: int
    count: int


def find_frames(names: Iterable[str]) -> FrameRun | None:
    """Return the frames among the names of one folder: the most pictures that differ in their number alone.

    Their numbers begin at 0 or 1 and have no gap, else they are a collection of photographs, or damaged.
    """
    runs: dict[tuple[str, str, int], set[int]] = {}
    for name in names:
        match = _NUMBERED.fullmatch(name)
        if match is not None:
            digits = match["number"]
            width = len(digits) if digits.startswith("0") and len(digits) > 1 else 0
            runs.setdefault((match["prefix"], match["suffix"], width), set()).add(int(digits))
    for (prefix, suffix, width), numbers in list(runs.items()):
        if width:  # 001 ... 999 and 1000 ... are one run; the numbers that fill their width are in the other one
            wider = runs.get((prefix, suffix, 0), set())
            numbers |= {number for number in wider if len(str(number)) >= width}
    if not runs:
        return None
    (prefix, suffix, width), numbers = max(runs.items(), key=lambda item: (len(item[1]), item[0]))
    start = min(numbers)
    if len(numbers) < 2 or start > 1 or max(numbers) - start + 1 != len(numbers):
        return None
    number = f"%0{width}d" if width else "%d"
    return FrameRun(f"{prefix.replace('%', '%%')}{number}{suffix.replace('%', '%%')}", start, len(numbers))


@with_example("videos", {"videos/wave/v1/img_00001.jpg": "", "videos/wave/v1/img_00002.jpg": ""})
def read_frames(source: Path, *, lists: Path | None = None) -> Listing:
    """List the folders of frames below `source`; pictures have no rate, 25 a second is taken.

    Args:
        source: the folder. Without lists the folders above those of frames are read as by the layout "folder".
        lists: csv or text files of lines `folder;label` (Something-Something, Jester), the label optional; the name of
            a file says the part of the split: jester-v1-train.csv.

    Raises:
        UserError: no such folder, no frames in it, or a list cannot be read.
    """
    check_folder(source)
    root = Path(os.path.abspath(source))  # noqa: PTH100  (links stay as the user wrote them)
    folders = {name: files for name, files in find_folders(root) if find_frames(files)}
    if not folders:
        raise UserError(
            f"no folder of frames below {source}: expected folders that hold pictures numbered from 0 or 1 without a "
            "gap, such as img_00001.jpg, img_00002.jpg, ..."
        )
    names = sorted(folders)
    if lists is not None:
        return _listed(root, names, lists)
    entries = [VideoEntry(id=name, path=str(root / name), status="listed", label=_label(name)) for name in names]
    return Listing(tuple(entries), labels_from="folders")


def _label(name: str) -> str | None:
    above, _, _ = name.rpartition("/")
    return above.partition("/")[0] or None


def _listed(root: Path, names: Sequence[str], lists: Path) -> Listing:
    is_one = not lists.is_dir()
    patterns = (lists.name,) if is_one else ("*.csv", "*.txt")
    paths = find_lists(root, lists, patterns=patterns, folders=(), what="the lists, of lines folder;label")
    by_name = {composed(name.rpartition("/")[2]): name for name in names} | {composed(name): name for name in names}
    rows: dict[str, tuple[str | None, dict[str, str]]] = {}
    for place, folder, label, part in (row for path in paths for row in _rows(path)):
        known, parts = rows.setdefault(folder, (label, {}))
        if label and known and label != known:
            raise UserError(f"{place}: {folder} has the label {label!r} here and {known!r} before; mend the lists")
        rows[folder] = (known or label, parts)
        if part:
            add_part(parts, PLAIN_SPLIT, part, place=place)
    entries = []
    for folder, (label, parts) in rows.items():
        found = by_name.get(composed(folder))
        entries.append(
            VideoEntry(
                id=found or folder,
                path=str(root / (found or folder)),
                label=label,
                splits=parts,
                status="listed" if found else "missing",
                reason="" if found else MISSING_REASON,
            )
        )
    if all(entry.status == "missing" for entry in entries):
        listed = counted(len(entries), "folder")
        raise UserError(f"none of the {listed} that {lists} lists is below {root}; found {some(names)}")
    unlisted = sorted(set(names) - {entry.id for entry in entries})
    remarks = [f"{counted(len(unlisted), 'folder')} without a row in the lists, left out ({some(unlisted)})"]
    return Listing(tuple(entries), (*missing_remarks(entries), *(remarks if unlisted else [])))


def _rows(path: Path) -> Iterator[tuple[str, str, str | None, str | None]]:
    """Yield (place for messages, folder, label, part of the split)."""
    part = part_of_name(path.stem)
    for number, line in read_lines(path):
        folder, _, label = line.partition(";" if ";" in line else ",")
        yield f"{path}, line {number}", folder.strip().strip("/").replace("\\", "/"), label.strip() or None, part
