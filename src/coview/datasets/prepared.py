"""A prepared data set, as every later stage opens it."""

import os
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from coview.config import read_yaml
from coview.datasets.listing import is_video_name
from coview.datasets.manifest import is_inside
from coview.datasets.mapped_manifest import open_manifest
from coview.datasets.shards import INDEX_NAME, Shards
from coview.datasets.video_rows import VideoRows, column_of, distinct_of, keys_of, select_equal
from coview.datatypes import VideoEntry
from coview.errors import UserError, VideoError
from coview.files import as_path, check_format, hash_file
from coview.registry import did_you_mean
from coview.wording import counted, some

FORMAT = 1
"""The "format" of dataset.yaml; raised when older versions of coview could no longer read the folder."""
INFO_NAME = "dataset.yaml"
MANIFEST_NAME = "videos.parquet"
VIEWS_FOLDER = "views"
WORK_FOLDER = ".prepare"
"""Folder of unfinished work; where it stands without dataset.yaml, preparing has not ended."""


def stored_path(root: Path, view: str, video_id: str, suffix: str) -> Path:
    """Return where a view of a video is stored: root/views/<view>/<id><suffix>."""
    return root / VIEWS_FOLDER / view / f"{video_id}{suffix}"


def stored_checksum(path: Path) -> str:
    """Return the checksum of a stored view as the manifest has it: its bytes and a quarter of their SHA-256.

    Taken once in a process, as long as the file's size and time stay. The size alone is compared when a run starts.
    """
    found = path.stat()
    return f"{found.st_size}-{_checksum(path, found.st_size, found.st_mtime_ns)}"


def has_stored_size(size: int, checksum: str) -> bool:
    """Say whether a stored file has as many bytes as its checksum says; "": it has none."""
    return not checksum or checksum.partition("-")[0] == str(size)


@lru_cache(maxsize=2**16)
def _checksum(path: Path, size: int, modified: int) -> str:
    return hash_file(path)[:16]


def require_as_stored(path: Path, checksum: str) -> None:
    """Compare a stored view with its checksum; "": it has none.

    Raises:
        VideoError: the file is gone or is not what was stored.
    """
    if not checksum:
        return
    try:
        found = stored_checksum(path)
    except OSError as error:
        raise VideoError("missing", path, error.strerror or str(error)) from None
    if found != checksum:
        raise VideoError("corrupt", path, "it is not what was stored: its checksum differs")


@contextmanager
def open_stored(
    root: Path, shards: Shards | None, *, view: str, video_id: str, suffix: str, checksum: str
) -> Iterator[Path]:
    """Give the file of a stored view, compared with its checksum; of one in a shard a copy until the block ends.

    Raises:
        VideoError: it is gone or is not what was stored.
    """
    if shards is None:
        path = stored_path(root, view, video_id, suffix)
        require_as_stored(path, checksum)
        yield path
        return
    with shards.file(view, video_id, suffix) as path:
        require_as_stored(path, checksum)
        yield path


def _stored_sizes(folder: Path) -> dict[str, int]:
    """Return path below a folder, without the extension -> bytes, of every file."""
    sizes = {}
    waiting = [(str(folder), "")]
    while waiting:
        place, prefix = waiting.pop()
        try:
            with os.scandir(place) as files:
                for file in files:
                    if file.is_dir():
                        waiting.append((file.path, f"{prefix}{file.name}/"))
                    else:
                        sizes[prefix + os.path.splitext(file.name)[0]] = file.stat().st_size  # noqa: PTH122
        except FileNotFoundError:  # the folder, or a file that went meanwhile
            continue
    return sizes


@dataclass(frozen=True, repr=False)
class PreparedDataset:
    """A folder made by `coview prepare`: videos, what is known of them, and their stored views.

    Attributes:
        root: the folder.
        entries: every video, whatever its status; of a large data set rows that are made when they are asked for.
        view_options: view name -> the options it was extracted with; its keys are the stored views.
        info: all of dataset.yaml.
    """

    root: Path
    entries: Sequence[VideoEntry]
    view_options: Mapping[str, Mapping[str, Any]]
    info: Mapping[str, Any]

    @classmethod
    def open(cls, root: "PreparedDataset | Path | str") -> "PreparedDataset":
        """Open a prepared data set; one that is open is returned as it is.

        Raises:
            TypeError: `root` is no path.
            UserError: no such folder, not prepared or not to the end, damaged, or made by another coview.
        """
        if isinstance(root, PreparedDataset):
            return root
        root = as_path(root, name="data", what="a PreparedDataset or its folder")
        if not (root / INFO_NAME).is_file():
            raise UserError(_why_not_prepared(root))
        info = read_yaml(root / INFO_NAME)
        _check_info(root / INFO_NAME, info)
        options = {str(name): dict(options or {}) for name, options in info["views"].items()}
        return cls(root=root, entries=open_manifest(root / MANIFEST_NAME), view_options=options, info=info)

    def __repr__(self) -> str:
        unready = (
            f" ({len(self.entries) - len(self.ready)} more not ready)" if len(self.ready) < len(self.entries) else ""
        )
        views = ", ".join(self.view_options)
        return f"PreparedDataset({str(self.root)!r}, {counted(len(self.ready), 'video')}{unready}, views: {views})"

    def __len__(self) -> int:
        return len(self.ready)

    @cached_property
    def ready(self) -> Sequence[VideoEntry]:
        """The videos whose views are stored."""
        return select_equal(self.entries, "ready", "status")

    @cached_property
    def splits(self) -> tuple[str, ...]:
        """Names of the split columns, such as "split1"."""
        return tuple(sorted(keys_of(self.entries, "splits")))

    @cached_property
    def given_splits(self) -> tuple[str, ...]:
        """The split columns that the videos came with: `splits` without the folds of `coview prepare --folds`."""
        dealt = {f"fold{number}" for number in range(1, (self.info.get("folds") or 0) + 1)}
        return tuple(name for name in self.splits if name not in dealt)

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.root.resolve().name

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes of the ready videos, sorted; empty where nothing is labelled."""
        return tuple(sorted(distinct_of(self.ready, "label") - {None}))

    @cached_property
    def _by_id(self) -> Mapping[str, VideoEntry]:
        return {entry.id: entry for entry in self.entries}

    def entry(self, video_id: str) -> VideoEntry:
        """Return the video with this id.

        Raises:
            UserError: no such video.
        """
        if isinstance(self.entries, VideoRows):
            place = self.entries.find(video_id)
            if place is None:
                raise UserError(f"{self.root} has no video {video_id!r}")
            return self.entries[place]
        if video_id not in self._by_id:
            raise UserError(f"{self.root} has no video {video_id!r}{did_you_mean(video_id, self._by_id) or '.'}")
        return self._by_id[video_id]

    @cached_property
    def shards(self) -> Shards | None:
        """The tar files that hold the stored views; None where these lie in the folder itself."""
        return Shards(self.root) if (self.root / INDEX_NAME).is_file() else None

    def stored_file(self, view: str, entry: VideoEntry, suffix: str) -> AbstractContextManager[Path]:
        """Give the file of a stored view as `open_stored` does."""
        checksum = entry.checksums.get(view, "")
        return open_stored(self.root, self.shards, view=view, video_id=entry.id, suffix=suffix, checksum=checksum)

    def stored_stamp(self, view: str, entry: VideoEntry, suffix: str) -> tuple[int, int, str]:
        """Return what changes with the file of a stored view: size, time, and in a shard, which has no times, checksum.

        Raises:
            OSError: it is gone.
        """
        if self.shards is None:
            found = self.view_path(view, entry.id, suffix).stat()
            return found.st_size, found.st_mtime_ns, ""
        member = self.shards.find(view, entry.id)
        if member is None:
            raise FileNotFoundError(f"no shard of {self.root} holds the view {view} of {entry.id}")
        return member.size, 0, entry.checksums.get(view, "")

    def view_path(self, view: str, video_id: str, suffix: str) -> Path:
        """Return where a view of a video is stored: root/views/<view>/<id><suffix>."""
        return stored_path(self.root, view, video_id, suffix)

    def sound_path(self, view: str, entry: VideoEntry, suffix: str) -> Path:
        """Return where a view of a video is stored, once the file has been compared with its checksum.

        Raises:
            VideoError: the file is gone or is not what was stored.
        """
        path = self.view_path(view, entry.id, suffix)
        require_as_stored(path, entry.checksums.get(view, ""))
        return path

    def require_views(self, views: Iterable[str]) -> None:
        """Check that views are stored.

        Raises:
            UserError: some are not; the message holds the command that adds them.
        """
        missing = [view for view in dict.fromkeys(views) if view not in self.view_options]
        if missing:
            stored = [*self.view_options, *missing]
            raise UserError(
                f"{self.root} does not hold the view {' and '.join(repr(view) for view in missing)}; it holds "
                f"{', '.join(self.view_options) or 'none'}. Add it with: {self.prepare_command(stored)}"
            )

    def require_files(self, views: Iterable[str]) -> None:
        """Check that views are stored, and that every file of theirs is there in its full size; quick.

        Raises:
            UserError: some are not; the message names them and the command that makes them anew.
        """
        views = tuple(dict.fromkeys(views))
        self.require_views(views)
        if self.shards is not None and (gone := self.shards.lost_tars()):
            raise UserError(
                f"of the shards of {self.root} in {self.shards.place}, {counted(len(gone), 'tar')} missing or cut off: "
                f"{some(gone)}. Bring back what is lacking, or write the shards again: coview shards DATA OUT"
            )
        lost = [name for view in views for name in self._lost_files(view)]
        if lost:
            shown = ", ".join(lost[:3]) + (f" and {len(lost) - 3:,} more" if len(lost) > 3 else "")
            raise UserError(
                f"of the stored views of {self.root}, {shown} {'is' if len(lost) == 1 else 'are'} missing or damaged. "
                f"Make anew what is lacking with: {self.prepare_command()}"
            )

    def _lost_files(self, view: str) -> Iterator[str]:
        sizes = _stored_sizes(self.root / VIEWS_FOLDER / view) if self.shards is None else self.shards.sizes(view)
        stored = zip(column_of(self.ready, "id"), column_of(self.ready, "checksums", view), strict=True)
        for video_id, checksum in stored:
            size = sizes.get(video_id)
            if size is None or not has_stored_size(size, checksum or ""):
                yield f"{view} of {video_id}"

    def prepare_command(self, views: Iterable[str] | None = None) -> str:
        """Return the command that prepares this data set again, for a shell; it makes what is missing.

        Args:
            views: in place of those it holds.
        """
        words = list(map(str, self.info.get("command", ())))
        if not words:
            words = ["coview", "prepare", str(self.info.get("source", "SOURCE")), "OUT"]
            words += ["--layout", str(self.info.get("layout", "folder"))]
            words += ["--lists", str(self.info["lists"])] if self.info.get("lists") else []
        words[3] = str(self.root)  # it may have been moved
        return shlex.join([*words, "--views", *(self.view_options if views is None else views)])

    def part_counts(self, split: str) -> Mapping[str, int]:
        """Return how many ready videos each part ("train", "test", "validation") of a split has."""
        return Counter(part for part in column_of(self.ready, "splits", split) if part is not None)

    def require_split(self, split: str) -> None:
        """Check that there is a split column of this name.

        Raises:
            UserError: there is none; says which there are, and how to get one.
        """
        if split not in self.splits:
            hint = did_you_mean(split, self.splits) or "."
            has = f"It has: {', '.join(self.splits)}" if self.splits else "It has none"
            raise UserError(f"{self.root} has no split {split!r}{hint} {has}. {self._how_to_split()}")

    def split_of_run(self, split: str | None) -> str | None:
        """Return the split that a run's settings mean on these videos.

        That is their own, where the videos came with splits or have one of this name; else None, which is all videos:
        a config that names split1 works on videos without splits, before and after `coview prepare --folds`.
        """
        return split if split in self.splits or self.given_splits else None

    def part(self, split: str | None, part: str) -> Sequence[VideoEntry]:
        """Return the ready videos of one part of a split, never none.

        Args:
            split: a split column; None, or a data set that came without any: "train" is every ready video.
            part: "train", "test" or "validation".

        Raises:
            UserError: no such split or part, or none of its videos is ready; says what there is.
        """
        if not self.ready:
            videos = counted(len(self.entries), "video")
            raise UserError(f"none of the {videos} of {self.root} is ready; see {MANIFEST_NAME}")
        if split is None or self.split_of_run(split) is None and not is_fold(split):
            if part == "train":
                return self.ready
            raise UserError(f"the part {part!r} needs a split, and {self._no_split(split)}")
        self.require_split(split)
        chosen = select_equal(self.ready, part, "splits", split)
        if not chosen:
            counts = ", ".join(f"{name} ({count})" for name, count in sorted(self.part_counts(split).items()))
            raise UserError(f"{split!r} of {self.root} has no ready video in {part!r}; it has: {counts or 'none'}")
        return chosen

    def _no_split(self, split: str | None) -> str:
        if self.splits:
            named = f"has no split {split!r}" if split is not None else "none was named"
            return f"{named}; {self.root} has: {', '.join(self.splits)}"
        named = f" {split!r}" if split is not None else ""
        return f"{self.root} has no split column{named}. {self._how_to_split()}"

    def _how_to_split(self) -> str:
        source = shlex.join([str(self.info.get("source", "SOURCE")), str(self.root)])
        return (
            f"To divide the videos into folds: coview prepare {source} --folds 5; a layout can bring a split too (csv: "
            "a column 'split'; folder: folders 'train' and 'test'). Training with split: null takes all videos"
        )


def is_fold(split: str) -> bool:
    """Whether a name is one that `coview prepare --folds` gives: asking for a fold that is not there is a mistake."""
    return split.removeprefix("fold").isdigit() and split.startswith("fold")


def _check_info(path: Path, info: Mapping[str, Any]) -> None:
    version = info.get("format")
    views = info.get("views")
    if not isinstance(version, int) or not isinstance(views, dict) or not all(is_inside(str(name)) for name in views):
        raise UserError(
            f"{path} is damaged: 'format' or 'views' is missing or not as coview writes it; run the same coview "
            "prepare command again"
        )
    check_format(version, known=FORMAT, what=str(path.parent), remedy="prepare the videos again, into a new folder")


def _why_not_prepared(root: Path) -> str:
    if not root.exists():
        return f"{root} does not exist; make a prepared data set with: coview prepare SOURCE {shlex.quote(str(root))}"
    if not root.is_dir():
        if root.name in (INFO_NAME, MANIFEST_NAME):
            return f"{root} is a file in a prepared data set; give its folder: {root.parent}"
        return f"{root} is a file, expected a prepared data set: a folder made by coview prepare SOURCE OUT"
    if (root / WORK_FOLDER).is_dir():
        return f"{root} is not prepared to the end; give the same coview prepare command again, it goes on there"
    inside = sorted(child.name for child in root.iterdir())
    if any((root / name / INFO_NAME).is_file() for name in inside):
        found = next(name for name in inside if (root / name / INFO_NAME).is_file())
        return f"{root} is not a prepared data set, but a folder in it is; give {root / found}"
    if any(is_video_name(name) or (root / name).is_dir() for name in inside):
        return f"{root} is not a prepared data set; make one from it with: coview prepare {shlex.quote(str(root))} OUT"
    return f"{root} is not a prepared data set (no {INFO_NAME}); make one with: coview prepare SOURCE OUT"
