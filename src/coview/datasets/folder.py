"""Layout "folder": every video below a folder; folders are the classes, if there are folders."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from coview.datasets.listing import (
    MISSING_REASON,
    PLAIN_SPLIT,
    Listing,
    group_in_name,
    refuse_lists,
    split_part,
    unique_ids,
    with_example,
)
from coview.datasets.video_files import VideoFiles, find_videos
from coview.datatypes import VideoEntry
from coview.wording import counted

Folders = tuple[str, ...]


@with_example("videos", {f"videos/{name}": "" for name in ("wave/a.mp4", "wave/a.avi", "jump 1/ü#.MOV")})
def read_folder(source: Path, *, lists: Path | None = None) -> Listing:
    """List the videos below `source`.

    `wave/a.mp4` has the label "wave", `a.mp4` none, `v_wave_g01_c02.mp4` the group "wave_g01"; whether folders are
    classes at all, `decide_labels` judges. Folders above that hold everything are passed over. Where the top folders
    are called train and test (or val), they are the split "split1" and the next ones the classes.

    Raises:
        UserError: no such folder, no video in it, or lists were given.
    """
    refuse_lists(lists, layout="folder")
    files = find_videos(source)
    folders = [tuple(name.split("/")[:-1]) for name in files.names]
    folders, passed = _pass_over(folders)
    parts = _parts(folders)
    folders = [here[1:] for here in folders] if parts else folders
    entries = tuple(
        VideoEntry(
            id=video_id,
            path=files.path(name),
            label=here[0] if here else None,
            group=group_in_name(Path(name).stem),
            splits={PLAIN_SPLIT: parts[place]} if parts else {},
            status="missing" if name in files.broken else "listed",
            reason=MISSING_REASON if name in files.broken else "",
        )
        for place, (name, video_id, here) in enumerate(zip(files.names, unique_ids(files.names), folders, strict=True))
    )
    return Listing(entries, (*files.remarks, *_remarks(files, entries, passed)), labels_from="folders")


def _pass_over(folders: Sequence[Folders]) -> tuple[list[Folders], str]:
    """Drop the top folders that hold all others, so that SOURCE/videos/wave/a.mp4 is of class "wave"."""
    shared = os.path.commonprefix([here[:-1] for here in folders])
    return [here[len(shared) :] for here in folders], "/".join(shared)


def _parts(folders: Sequence[Folders]) -> list[str] | None:
    """Return the part of each video if all top folders are named for parts of a split and one of them is train."""
    found = [split_part(here[0]) if here else None for here in folders]
    parts = [part for part in found if part is not None]
    return parts if len(parts) == len(found) and "train" in parts and len(set(parts)) > 1 else None


def _remarks(files: VideoFiles, entries: Sequence[VideoEntry], passed: str) -> list[str]:
    remarks = []
    if passed:
        remarks.append(f"everything is in {files.root / passed}; the folders below it are read as classes")
    if any(entry.splits for entry in entries):
        counts = Counter(entry.splits[PLAIN_SPLIT] for entry in entries)
        parts = ", ".join(f"{count:,} {part}" for part, count in counts.items())
        remarks.append(f"the top folders are read as the split {PLAIN_SPLIT!r}: {parts}")
    groups = {entry.group for entry in entries if entry.group is not None}
    if groups:
        found = counted(len(groups), "group")
        remarks.append(f"{found} of clips of one recording, read from names such as v_Biking_g01_c02")
    labels = {entry.label for entry in entries if entry.label is not None}
    unlabelled = sum(entry.label is None for entry in entries)
    if labels and unlabelled:
        remarks.append(f"{unlabelled:,} of {counted(len(entries), 'video')} in no class folder and so without label")
    return remarks
