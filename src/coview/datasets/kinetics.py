"""Layout "kinetics": Kinetics-400/600/700 with its csv lists (Kay et al., 2017), as much of it as can still be had."""

import csv
import dataclasses
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from coview.datasets.listing import PLAIN_SPLIT, Listing, part_of_name, part_words, split_part, with_example
from coview.datasets.official_lists import Listed, bring_together, find_lists, read_lines
from coview.datasets.table import read_table
from coview.errors import UserError
from coview.wording import counted

_COLUMNS = ("youtube_id", "time_start", "time_end")
_PATTERNS = ("*.csv", *(f"*{part}*.{kind}" for part in ("train", "val", "test") for kind in ("json", "txt")))
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
        lists: a csv file (.csv or .txt), or a folder of them, with the columns youtube_id, time_start, time_end and,
            where known, label and split, in the order of the published lists where no header names them; or the
            .json files that hold the same. Not given: looked for in `source` and beside it. Where a row names no
            split, the file's name does (train.csv, val.csv, test.csv).

    Raises:
        UserError: lists or videos are not found, or a list cannot be read.
    """
    is_one_file = lists is not None and not lists.is_dir()
    paths = find_lists(
        source,
        lists,
        patterns=(lists.name,) if lists is not None and is_one_file else _PATTERNS,
        folders=("annotations", "lists"),
        what="the lists of Kinetics (train.csv, val.csv, ..., or .json, .txt)",
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
            f"no video is listed in {', '.join(str(path) for path in paths)}; expected lists with the columns "
            f"label, {', '.join(_COLUMNS)}, split. Say where they are with --lists DIR or --lists FILE; lists of file "
            "names and labels are read by --layout csv"
        )
    listing = bring_together(source, _with_plain_names(listed), lists=lists or paths[0].parent, fold=_padded)
    remarks = [f"{counted(repeated, 'row')} of the lists repeated; the first of a video counts"] if repeated else []
    if contradicting:
        remarks.append(f"{counted(contradicting, 'repeated row')} with another label or split than the first")
    return Listing(listing.entries, (*listing.remarks, *remarks))


def _read_list(path: Path) -> Iterator[Listed]:
    """Read one list; files without the columns of Kinetics, such as a table of classes, hold no rows for us."""
    part_of_file = part_of_name(path.stem)
    if path.suffix.lower() == ".json":
        for youtube_id, about in _json_rows(path):
            yield _listed(about, part_of_file, place=f"{path}, {youtube_id}")
        return
    lines = read_lines(path)
    if lines and not all(name in lines[0][1].lower() for name in _COLUMNS):
        columns = _columns_without_header(_cells(lines[0][1]))
        for number, line in lines if columns else ():
            named = dict(zip(columns, _cells(line), strict=False))
            if not all(name in named for name in _COLUMNS):
                raise UserError(f"{path}, line {number}: expected {', '.join(columns)}, as on the first line")
            yield _listed(named, part_of_file, place=f"{path}, line {number}")
        return
    for number, row in read_table(path).rows:
        yield _listed(row, part_of_file, place=f"{path}, line {number}")


def _columns_without_header(cells: Sequence[str]) -> tuple[str, ...]:
    """Return the columns of a list whose first line is a video: an id before two numbers of seconds; else none."""
    for place in (0, 1):
        times = cells[place + 1 : place + 3]
        if len(times) == 2 and cells[place] and all(re.fullmatch(r"\d+(\.\d+)?", time) for time in times):
            is_part = len(cells) > place + 3 and split_part(cells[place + 3]) is not None
            return ("label",)[:place] + _COLUMNS + (("split",) if is_part else ())
    return ()


def _cells(line: str) -> list[str]:
    separator = max(",;\t", key=line.count)
    return [cell.strip() for cell in next(csv.reader([line], delimiter=separator))]


def _json_rows(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield (YouTube id, row as in the csv) of {id: {"annotations": {"label", "segment": [start, end]}, "subset"}}."""
    try:
        videos = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"cannot read the list {path}: {error}") from None
    for youtube_id, video in videos.items() if isinstance(videos, dict) else ():
        if not isinstance(video, dict) or "subset" not in video:
            continue
        about = video.get("annotations") or {}
        segment = about.get("segment") if isinstance(about, dict) else None
        if not isinstance(segment, list) or len(segment) != 2:
            raise UserError(f"{path}, {youtube_id}: no annotations with a segment of two numbers of seconds")
        start, end = (str(seconds) for seconds in segment)
        label = str(about.get("label") or "")
        split = str(video["subset"])
        yield (
            youtube_id,
            {"youtube_id": youtube_id, "time_start": start, "time_end": end, "label": label, "split": split},
        )


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
