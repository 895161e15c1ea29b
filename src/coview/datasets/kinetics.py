"""Layout "kinetics": Kinetics-400/600/700 with its csv lists (Kay et al., 2017), as much of it as can still be had."""

import dataclasses
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from coview.datasets.listing import PLAIN_SPLIT, Listing, counted, part_words, split_part, with_example
from coview.datasets.official_lists import Listed, bring_together, find_lists
from coview.datasets.table import read_table
from coview.errors import UserError

_COLUMNS = ("youtube_id", "time_start", "time_end")
_STEM = re.compile(r"(?P<youtube_id>.+)_(?P<start>\d+)_(?P<end>\d+)")


@with_example(
    "videos",
    {
        "videos/x_000001_000011.mp4": "",
        "train.csv": "label,youtube_id,time_start,time_end,split\nyoga,x,1,11,train\nyoga,y,2,12,train\n",
    },
)
def read_kinetics(source: Path, *, lists: Path | None = None) -> Listing:
    """List the videos of the csv files; a video that is not there has the status "missing".

    Args:
        source: folder of videos called `<youtube_id>_<start>_<end>` or `<youtube_id>`, in class folders or flat.
        lists: a csv file, or a folder of them, with the columns youtube_id, time_start, time_end and, where known,
            label and split; not given: looked for in `source` and beside it. Where a row names no split, the file's
            name does (train.csv, val.csv, test.csv).

    Raises:
        UserError: lists or videos are not found, or a list cannot be read.
    """
    is_one_file = lists is not None and not lists.is_dir()
    paths = find_lists(
        source,
        lists,
        patterns=(lists.name if lists is not None and is_one_file else "*.csv",),
        folders=("annotations", "lists"),
        what="the csv files of Kinetics (train.csv, val.csv, ...)",
    )
    listed: dict[str, Listed] = {}
    repeated, contradicting = 0, 0
    for path in paths:
        for video in _read_list(path):
            known = listed.setdefault(video.stem, video)
            repeated += known is not video
            contradicting += (known.label, known.splits) != (video.label, video.splits)
    if not listed:
        raise UserError(
            f"no video is listed in {', '.join(str(path) for path in paths)}; expected csv files with the columns "
            f"label, {', '.join(_COLUMNS)}, split. Say where they are with --lists DIR or --lists FILE"
        )
    listing = bring_together(source, _with_plain_names(listed), lists=lists or paths[0].parent, fold=_padded)
    remarks = [f"{counted(repeated, 'row')} of the lists repeated; the first of a video counts"] if repeated else []
    if contradicting:
        remarks.append(f"{counted(contradicting, 'repeated row')} with another label or split than the first")
    return Listing(listing.entries, (*listing.remarks, *remarks))


def _read_list(path: Path) -> Iterator[Listed]:
    """Read one csv; files without the columns of Kinetics, such as a table of classes, hold no rows for us."""
    table = read_table(path)
    part_of_file = split_part(path.stem.rpartition("_")[2])
    if all(name in table.columns for name in _COLUMNS):
        for number, row in table.rows:
            yield _listed(row, part_of_file, place=f"{path}, line {number}")


def _listed(row: Mapping[str, str], part_of_file: str | None, *, place: str) -> Listed:
    youtube_id = row["youtube_id"]
    if not youtube_id or "/" in youtube_id:
        raise UserError(f"{place}: youtube_id is {youtube_id!r}, expected the id of a video")
    try:
        start, end = (int(float(row[name])) for name in ("time_start", "time_end"))
    except (ValueError, OverflowError):
        raise UserError(f"{place}: time_start and time_end are not both numbers of seconds") from None
    given = row.get("split", "")
    part = split_part(given) if given else part_of_file
    if given and part is None:
        raise UserError(f"{place}: split is {given!r}; allowed: {part_words()}")
    stem = f"{youtube_id}_{start:06d}_{end:06d}"
    label = row.get("label") or None
    return Listed(
        stem=stem,
        label=label,
        splits={PLAIN_SPLIT: part} if part else {},
        group=youtube_id,
        place=f"{label}/{stem}.mp4" if label else f"{stem}.mp4",
    )


def _with_plain_names(listed: Mapping[str, Listed]) -> list[Listed]:
    """Let a file called by the YouTube id alone stand for its clip, unless the lists hold several clips of it."""
    clips = Counter(video.group for video in listed.values())
    return [
        dataclasses.replace(video, other_stem=video.group) if clips[video.group] == 1 else video
        for video in listed.values()
    ]


def _padded(stem: str) -> str:
    """Return `<youtube_id>_<start>_<end>` with six digits a time; other stems, and their case, stay."""
    match = _STEM.fullmatch(stem)
    return f"{match['youtube_id']}_{int(match['start']):06d}_{int(match['end']):06d}" if match else stem
