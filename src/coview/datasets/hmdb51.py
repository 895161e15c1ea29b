"""Layout "hmdb51": HMDB51 with its official lists `<class>_test_split<k>.txt` (Kuehne et al., 2011)."""

import re
from pathlib import Path

from coview.datasets.listing import Listing, with_example, without_suffix
from coview.datasets.official_lists import Listed, add_part, bring_together, find_lists, read_lines
from coview.errors import UserError

_LIST_NAME = re.compile(r"(?P<label>.+)_test_split(?P<number>\d+)\.txt")
_LINE = re.compile(r"(?P<name>.+?)\s+(?P<part>[012])$")
_PARTS = {"1": "train", "2": "test"}
# Visible part of the body, camera motion, number of people, viewpoint, quality, number of the clip.
_STEM = re.compile(r"(?P<group>.+)_[a-z]+_(?:cm|nm)_np\d+_[a-z]+_[a-z]+_\d+")


@with_example(
    "videos",
    {
        "videos/clap/x_clap_u_nm_np1_fr_goo_0.avi": "",
        "clap_test_split1.txt": "x_clap_u_nm_np1_fr_goo_0.avi 1\n",
    },
)
def read_hmdb51(source: Path, *, lists: Path | None = None) -> Listing:
    """List the videos that the official lists name; split k of the lists is the column "split<k>".

    A video with the number 0 in a list is not part of that split, and is listed all the same. Clips of one class cut
    from one film share a group.

    Args:
        source: folder of videos, in class folders or flat, in any format.
        lists: folder of the lists; not given: looked for in `source` and beside it.

    Raises:
        UserError: lists or videos are not found, or a list cannot be read.
    """
    paths = find_lists(
        source,
        lists,
        patterns=("*_test_split*.txt",),
        folders=("testTrainMulti_7030_splits", "test_train_splits", "splits", "annotations"),
        what="the text files <class>_test_split1.txt and so on of HMDB51",
    )
    splits: dict[tuple[str, str], dict[str, str]] = {}
    for path in paths:
        match = _LIST_NAME.fullmatch(path.name)
        if match is not None:
            _read_list(path, label=match["label"], split=f"split{match['number']}", splits=splits)
    listed = [
        Listed(
            stem=stem,
            label=label,
            splits=parts,
            group=_group(stem),
            place=f"{label}/{stem}.avi",
        )
        for (label, stem), parts in splits.items()
    ]
    return bring_together(source, listed, lists=paths[0].parent)


def _read_list(path: Path, *, label: str, split: str, splits: dict[tuple[str, str], dict[str, str]]) -> None:
    for number, line in read_lines(path):
        match = _LINE.match(line)
        if match is None:
            raise UserError(f"{path}, line {number}: {line!r} is not of the form name.avi 0, 1 or 2")
        parts = splits.setdefault((label, without_suffix(match["name"].rpartition("/")[2])), {})
        if match["part"] in _PARTS:
            add_part(parts, split, _PARTS[match["part"]], place=f"{path}, line {number}")


def _group(stem: str) -> str | None:
    """Return film and class of a name such as "April_09_brush_hair_u_nm_np1_ba_goo_0": "April_09_brush_hair"."""
    match = _STEM.fullmatch(stem)
    return match["group"] if match else None
