"""What a user wants in an index -> its videos."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from coview.collection.file_identity import absolute, file_stamp, stored_path
from coview.collection.store import VideoFacts
from coview.datasets import LAYOUTS, PreparedDataset
from coview.datasets.folder_labels import decide_labels
from coview.datasets.listing import Listing, is_video_name, unique_ids
from coview.datasets.prepared import INFO_NAME
from coview.datatypes import VideoEntry
from coview.errors import UserError
from coview.remote import is_remote, list_remote
from coview.views import VIEWS

Source = Path | str | PreparedDataset | Sequence[Path | str]
"""A folder of videos, a video, a table (.csv, .tsv: see the layout "csv"), a list (.txt: a path a line), a prepared
data set or its folder, a list of video files, or an address (s3://, gs://, https://) of a folder or a video."""


@dataclass(frozen=True)
class SourceVideos:
    """The videos of one source.

    Attributes:
        entries: those that are there.
        root: the folder or table that lists them, "" for files named one by one: only what a root no longer lists is
            gone.
        data: the prepared data set, None where views are to be made.
        remarks: for the user.
    """

    entries: tuple[VideoEntry, ...]
    root: str
    data: PreparedDataset | None
    remarks: tuple[str, ...]


def list_videos(source: Source) -> SourceVideos:
    """List the videos of a source.

    Raises:
        TypeError: `source` is nothing of what is expected.
        UserError: nothing there, or no video in it.
    """
    if isinstance(source, PreparedDataset):
        return _prepared(source)
    if not isinstance(source, str | os.PathLike):
        if not isinstance(source, Sequence) or not all(isinstance(one, str | os.PathLike) for one in source):
            raise TypeError(
                f"source is of type {type(source).__name__}, expected a folder, a list of files or a prepared data set"
            )
        return _files([os.fspath(one) for one in source], named="the list of videos")
    if is_remote(os.fspath(source)):
        return _remote(str(source))
    path = Path(source)
    if (path / INFO_NAME).is_file():
        return _prepared(PreparedDataset.open(path))
    suffix = path.suffix.lower()
    if path.is_file() and suffix == ".txt":
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except UnicodeDecodeError:
            raise UserError(f"{path} is not a text in UTF-8; expected the path of a video on each line") from None
        names = [line.strip() for line in lines if line.strip()]
        named = [name if is_remote(name) else str(path.parent / name) for name in names]
        return _files(named, named=str(path))
    if path.is_file() and suffix not in (".csv", ".tsv"):
        return _files([str(path)], named=str(path))
    if not path.exists() and is_video_name(path.name):
        raise UserError(f"no such video file: {path}")
    layout = "csv" if path.is_file() else "folder"
    listing = decide_labels(LAYOUTS.load(layout)(path), "auto", layout=layout, has_choice=False)
    entries = tuple(entry for entry in listing.entries if entry.status == "listed")
    return SourceVideos(entries, absolute(path), None, listing.remarks)


def _remote(address: str) -> SourceVideos:
    """List the videos below an address; folders are classes where that is evident, as on a disk."""
    names = list_remote(address)
    if names == [""]:
        return SourceVideos((VideoEntry(id=PurePosixPath(address).stem, path=address),), "", None, ())
    names = [name for name in names if is_video_name(name)]
    if not names:
        raise UserError(f"no video below {address}")
    root = address.rstrip("/")
    entries = tuple(
        VideoEntry(id=video_id, path=f"{root}/{name}", label=name.split("/")[0] if "/" in name else None)
        for name, video_id in zip(names, unique_ids(names), strict=True)
    )
    listing = Listing(entries, (), labels_from="folders")
    listing = decide_labels(listing, "auto", layout="folder", has_choice=False)
    return SourceVideos(listing.entries, root, None, listing.remarks)


def _prepared(data: PreparedDataset) -> SourceVideos:
    unready = [
        f"not ready in {data.root}: {entry.id}: {entry.reason}" for entry in data.entries if not _is_ready(entry)
    ]
    if not data.ready:
        raise UserError(f"no video of {data.root} is ready: {'; '.join(unready[:3])}")
    return SourceVideos(tuple(data.ready), absolute(data.root), data, tuple(unready))


def _is_ready(entry: VideoEntry) -> bool:
    return entry.status == "ready"


def _files(paths: Sequence[str], *, named: str) -> SourceVideos:
    if not paths:
        raise UserError(f"{named} is empty; name at least one video file")
    missing = [path for path in paths if not is_remote(path) and not Path(path).is_file()]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise UserError(f"no such video file: {', '.join(missing[:3])}{more}")
    found = {absolute(path): path for path in paths}
    return SourceVideos(tuple(VideoEntry(id=Path(path).stem, path=at) for at, path in found.items()), "", None, ())


def file_facts(entry: VideoEntry, *, folder: Path, root: str) -> VideoFacts:
    """Return what an index knows of a video file before it is embedded.

    Raises:
        OSError: the file is gone or cannot be read.
    """
    size, mtime_ns, content = file_stamp(entry.path)
    return VideoFacts(
        id=entry.id,
        path=stored_path(entry.path, folder),
        source=stored_path(root, folder) if root else "",
        label=entry.label,
        group=entry.group,
        size=size,
        mtime_ns=mtime_ns,
        content=content,
    )


def prepared_facts(entry: VideoEntry, data: PreparedDataset, views: Sequence[str], *, folder: Path) -> VideoFacts:
    """Return the same of a video of a prepared data set, whose stored views stand for the file.

    Raises:
        OSError: a stored view is gone or cannot be read.
    """
    stamps = [_view_stamp(data, entry, view) for view in views]
    joined = hashlib.sha256("".join(content for _, _, content in stamps).encode()).hexdigest()[:32]
    facts = VideoFacts(
        id=entry.id,
        path=stored_path(entry.path or data.root / entry.id, folder),
        source=stored_path(data.root, folder),
        label=entry.label,
        group=entry.group,
        size=sum(size for size, _, _ in stamps),
        mtime_ns=max(mtime for _, mtime, _ in stamps),
        content=joined,
    )
    return replace(facts, fps=entry.fps, duration_seconds=entry.duration_seconds)


def _view_stamp(data: PreparedDataset, entry: VideoEntry, view: str) -> tuple[int, int, str]:
    """Return size, time of the last change (in a shard 0) and what tells the content of a stored view."""
    suffix = VIEWS.load(view).suffix
    if data.shards is None:
        return file_stamp(data.view_path(view, entry.id, suffix))
    return data.stored_stamp(view, entry, suffix)
