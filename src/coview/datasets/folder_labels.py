"""Whether the names of folders are classes: a year or a camera's folder is none, and no label is guessed in silence."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from coview.datasets.listing import Listing
from coview.datatypes import VideoEntry
from coview.errors import UserError
from coview.wording import counted, some

LabelRule = Literal["auto", "folders", "none"]
"""auto: folders are classes where that is evident, lists always; folders: they are; none: no labels at all."""

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_PLACES_OF_FILES = re.compile(
    r"\d{3}[a-z_]{3,5}|dcim|camera( roll)?|videos?|clips?|movies?|films?|footage|recordings?|media|uploads?|downloads?|"
    r"exports?|backups?|misc|other|new folder|untitled( folder)?|raw|originals?|desktop|phone|iphone|gopro|whatsapp.*",
)
_NUMBERED = re.compile(
    r"(part|day|disc|disk|dvd|cd|tape|card|cam|camera|session|batch|chunk|shard|folder|dir|vol|volume|week|take|group|g)?"
    r"[\W_]*\d[\d\W_]*[a-z]?"
)


def decide_labels(
    listing: Listing, rule: LabelRule, *, layout: str, before: str | None = None, has_choice: bool = True
) -> Listing:
    """Keep or drop the labels of a listing; where that was for us to decide, say how in a remark.

    Folders are taken for classes where there are several, most hold several videos, hardly a video lies outside, and
    none is named like a date, a number or a place where files are kept (2023, 100GOPRO, Camera, part 2).

    Args:
        listing: as its layout read it.
        rule: what the user wants.
        layout: for messages.
        before: where "auto" took the labels of this data set from ("folders", "none") when it was last prepared; that
            stays so, whatever videos came since.
        has_choice: whether the user can say --labels to the command that asks; only then it is named.

    Returns:
        The listing; its `labels_from` is "none" where the labels were dropped.

    Raises:
        UserError: folders are to be classes, in a layout whose labels come from lists.
    """
    if rule == "folders" and listing.labels_from != "folders":
        raise UserError(
            f"--labels folders: the layout {layout!r} takes labels from lists; leave that out, or give --layout folder"
        )
    if rule == "none":
        return _without_labels(listing)
    if rule == "folders" or listing.labels_from != "folders":
        return listing
    names = sorted({entry.label for entry in listing.entries if entry.label is not None})
    if not names:
        return listing
    doubt = _doubt(listing.entries, names)
    if before == "none" or (doubt and before != "folders"):
        why = doubt or "there was doubt before"
        advice = "; if they are: --labels folders" if has_choice else ""
        dropped = f"no labels: {why}, so the folders ({some(names)}) are no classes{advice}"
        return _without_labels(replace(listing, remarks=(*listing.remarks, dropped)))
    count = counted(len(names), "folder")
    advice = "; if they are none: --labels none" if has_choice else ""
    kept = f"the names of the {count} ({some(names)}) are taken for labels{advice}"
    return replace(listing, remarks=(*listing.remarks, kept))


def _doubt(entries: Sequence[VideoEntry], names: Sequence[str]) -> str:
    """Return why folders may be no classes, empty where they evidently are."""
    sizes = Counter(entry.label for entry in entries if entry.label is not None)
    odd = [name for name in names if not _is_like_a_class(name)]
    if len(names) == 1:
        return "there is one folder only"
    if odd:
        return f"{some(odd)} {'is' if len(odd) == 1 else 'are'} named like a date, a number or a place to keep files"
    if 2 * sum(size > 1 for size in sizes.values()) < len(sizes):
        return "most folders hold a single video"
    if 10 * sum(sizes.values()) < 9 * len(entries):
        return "many videos lie in no folder"
    return ""


def _is_like_a_class(name: str) -> bool:
    plain = name.strip().lower()
    words = re.findall(r"[a-z]+", plain)
    is_date = bool(re.search(r"\d", plain)) and bool(words) and all(word[:3] in _MONTHS for word in words)
    return not (_NUMBERED.fullmatch(plain) or _PLACES_OF_FILES.fullmatch(plain) or is_date)


def _without_labels(listing: Listing) -> Listing:
    entries = tuple(replace(entry, label=None) for entry in listing.entries)
    return replace(listing, entries=entries, labels_from="none")
