"""Layout "ucf101": UCF101 with its official lists trainlist01-03.txt and testlist01-03.txt (Soomro et al., 2012)."""

import re
from pathlib import Path

from coview.datasets.listing import Listing, group_in_name, with_example, without_suffix
from coview.datasets.official_lists import Listed, add_part, bring_together, find_lists, read_lines
from coview.errors import UserError

_LIST_NAME = re.compile(r"(?P<part>train|test)list0*(?P<number>\d+)\.txt")
_LINE = re.compile(r"(?P<name>.+?)(?:\s+\d+)?$")
_STEM = re.compile(r"v_(?P<label>.+)_g\d+_c\d+$")


@with_example(
    "videos",
    {
        "videos/v_Biking_g01_c01.mp4": "",
        "trainlist01.txt": "Biking/v_Biking_g01_c01.avi 1\nBiking/v_Biking_g02_c01.avi 1\n",
    },
)
def read_ucf101(source: Path, *, lists: Path | None = None) -> Listing:
    """List the videos that the official lists name; split k of the lists is the column "split<k>".

    Clips of one group (`v_Biking_g01_c01`: group "Biking_g01") are cut from one video.

    Args:
        source: folder of videos, in class folders or flat, in any format.
        lists: folder of the lists; not given: looked for in `source` and beside it.

    Raises:
        UserError: lists or videos are not found, or a list cannot be read.
    """
    paths = find_lists(
        source,
        lists,
        patterns=("trainlist*.txt", "testlist*.txt"),
        folders=("ucfTrainTestlist", "splits", "annotations"),
        what="the text files trainlist01.txt, testlist01.txt and so on of UCF101",
    )
    splits: dict[str, dict[str, str]] = {}
    for path in paths:
        match = _LIST_NAME.fullmatch(path.name)
        if match is not None:
            for number, line in read_lines(path):
                place = f"{path}, line {number}"
                name = _name(line, place=place)
                add_part(splits.setdefault(name, {}), f"split{match['number']}", match["part"], place=place)
    listing = bring_together(source, [_listed(name, parts) for name, parts in splits.items()], lists=paths[0].parent)
    return Listing(listing.entries, (*listing.remarks, *_incomplete(splits)))


def _name(line: str, *, place: str) -> str:
    """Return "Class/stem" of a line such as "Biking/v_Biking_g08_c02.avi 1"."""
    match = _LINE.match(line.replace("\\", "/"))
    name = without_suffix(match["name"]) if match else ""
    folder, _, stem = name.rpartition("/")
    known = _STEM.match(stem)
    if not stem or (not folder and known is None):
        raise UserError(f"{place}: {line!r} is not of the form Class/v_Class_g01_c01.avi")
    return f"{folder.rpartition('/')[2]}/{stem}" if folder else f"{known['label']}/{stem}" if known else ""


def _listed(name: str, splits: dict[str, str]) -> Listed:
    label, _, stem = name.partition("/")
    return Listed(stem=stem, label=label, splits=splits, group=group_in_name(stem), place=f"{name}.avi")


def _incomplete(splits: dict[str, dict[str, str]]) -> list[str]:
    found: dict[str, set[str]] = {}
    for parts in splits.values():
        for split, part in parts.items():
            found.setdefault(split, set()).add(part)
    return [
        f"{split} has no {part} videos: its {part} list is not there"
        for split, parts in sorted(found.items())
        for part in ("train", "test")
        if part not in parts
    ]
