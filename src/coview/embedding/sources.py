"""Whatever a user points at -> a prepared data set: opened, or made for the moment with a run's own settings."""

import csv
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coview.datasets import LAYOUTS
from coview.datasets.prepared import PreparedDataset
from coview.datasets.video_files import find_videos
from coview.datatypes import ProgressSink
from coview.errors import UserError
from coview.locks import temporary_folder
from coview.preparation.prepare import prepare
from coview.preparation.settings import PrepareSettings
from coview.preparation.used_frames import UsedFrames
from coview.stopping import Interrupted
from coview.video.stored import write_rgb
from coview.views.base import read_storage

logger = logging.getLogger(__name__)

Frames = NDArray[np.uint8]
"""A video as an array: (T, H, W, 3) uint8, RGB."""
VideoSource = Path | str | PreparedDataset | Frames | Sequence[Path | str] | Sequence[Frames]
"""A video file, a folder of videos, a list of files, a prepared data set (or its folder), or frames: one video or a
list of them."""

_MARK = "dataset.yaml"
_FEW_FILES = 4
"""Up to this many files are prepared in this process: starting workers would take longer than the work."""
_STARTS_AGAIN = (
    "interrupted while the views of these videos were made; they were for this command alone and are not kept: it "
    "starts again. To keep them, run coview prepare first and give the folder that it makes"
)
_GOP, _CRF = 8, 4.0
"""Of the files that arrays pass through: closer to the array than any stored view is."""


@contextmanager
def prepare_source(
    source: VideoSource,
    made_like: Mapping[str, Any],
    *,
    used: UsedFrames,
    fps: float = 25.0,
    shard: str | None = None,
    progress: ProgressSink | None = None,
) -> Iterator[PreparedDataset]:
    """Give a prepared data set of what the user named; one made for this is removed on leaving.

    Args:
        source: what to prepare; arrays get the paths "" in place of those of the files that they pass through.
        made_like: "views" (name -> options) and "storage" of the data set whose way of making is to be repeated.
        used: which frames of a video will be read; of others no view is made.
        fps: frames a second of arrays.
        shard: "i/n": prepare that share of files alone; a data set that is there is given whole.
        progress: told of preparing.

    Raises:
        TypeError: `source` is nothing of what is expected.
        UserError: no such file or folder, no video in it, or not one that can be read.
    """
    if is_prepared(source):
        yield PreparedDataset.open(source)  # type: ignore[arg-type]
        return
    with temporary_folder() as folder:
        arrays = _arrays(source)
        files = _write_arrays(arrays, folder, fps=fps) if arrays else source
        path, layout, workers = _listed(files, folder)  # type: ignore[arg-type]  # arrays are files by now
        settings = PrepareSettings(
            layout=layout,
            labels="none",  # nobody is asked here what the folders mean
            workers=workers,
            views=tuple(made_like["views"]),
            options=made_like["views"],
            storage=read_storage(made_like["storage"]),
            shard=shard,
        )
        try:
            data = prepare(path, folder / "prepared", settings, progress=progress, used=used)
        except KeyboardInterrupt as stop:
            raise Interrupted(_STARTS_AGAIN, by=stop) from None
        unread = [entry for entry in data.entries if entry.status in ("failed", "missing")]
        for entry in unread:
            logger.warning("not embedded: %s: %s", entry.path, entry.reason or entry.status)
        if not data.ready and shard is None:  # a share may be without
            reasons = "; ".join(f"{entry.path}: {entry.reason or entry.status}" for entry in unread[:5])
            raise UserError(f"not one video could be read: {reasons}")
        if arrays:  # their files are gone when the caller looks
            data = replace(data, entries=tuple(replace(entry, path="") for entry in data.entries))
        yield data


def list_source(source: VideoSource) -> tuple[str, ...]:
    """Return the ids of all videos that a source names, arrays excepted.

    Raises:
        UserError: no such file or folder, or no video in it.
    """
    if is_prepared(source):
        return tuple(entry.id for entry in PreparedDataset.open(source).ready)  # type: ignore[arg-type]
    with temporary_folder() as folder:
        path, layout, _ = _listed(source, folder)  # type: ignore[arg-type]
        return tuple(entry.id for entry in LAYOUTS.load(layout)(path, lists=None).entries)


def is_prepared(source: object) -> bool:
    """Say whether a source is a prepared data set, or the folder of one."""
    is_folder = isinstance(source, (str, Path)) and (Path(source) / _MARK).is_file()
    return is_folder or isinstance(source, PreparedDataset)


def _arrays(source: object) -> list[Any]:
    """Return the arrays of a source, none where it is paths."""
    if isinstance(source, (str, Path)):
        return []
    found = [source] if hasattr(source, "shape") else source
    if not isinstance(found, Sequence):
        raise TypeError(
            "expected a path, a list of paths, a prepared data set or frames (T, H, W, 3) uint8, "
            f"got {type(source).__name__}"
        )
    return list(found) if any(hasattr(one, "shape") for one in found) else []


def _write_arrays(videos: Sequence[Any], folder: Path, *, fps: float) -> list[Path]:
    """Store each array as a small file, so that its views are made as those of any video.

    Raises:
        UserError: an array of another shape or kind.
    """
    files = []
    for number, video in enumerate(videos):
        frames = np.asarray(video)
        if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8 or 0 in frames.shape:
            raise UserError(
                f"frames must be (T, H, W, 3) uint8, RGB; video {number} is {frames.shape} {frames.dtype}. A batch of "
                "videos is a list of such arrays"
            )
        height, width = frames.shape[1] % 2, frames.shape[2] % 2
        if height or width:  # files hold even sizes: the last row or column twice
            frames = np.pad(frames, ((0, 0), (0, height), (0, width), (0, 0)), mode="edge")
        files.append(folder / f"array{number:05d}.mp4")
        write_rgb(iter(frames), files[-1], fps=fps, gop=_GOP, crf=_CRF, preset="veryfast")
    return files


def _listed(source: Path | str | Sequence[Path | str], folder: Path) -> tuple[Path, str, int | None]:
    """Return what to prepare, its layout and worker processes; files become a table, so that they may lie anywhere."""
    if isinstance(source, (str, Path)) and Path(source).is_dir():
        return Path(source), "folder", _workers_for(len(find_videos(Path(source)).names))
    files = [Path(source)] if isinstance(source, (str, Path)) else [Path(file) for file in source]
    if not files:
        raise UserError("the list of videos is empty; name at least one video file")
    missing = [str(file) for file in files if not file.is_file()]
    if missing:
        shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
        raise UserError(f"no such video file: {shown}; give a video file, a folder of videos or a prepared data set")
    table = folder / "videos.csv"
    with table.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(["path"])
        writer.writerows([str(file.resolve())] for file in files)
    return table, "csv", _workers_for(len(files))


def _workers_for(num_files: int) -> int | None:
    return 0 if num_files <= _FEW_FILES else None
