"""Whatever a user points at -> a prepared data set: opened, or made for the moment with a run's own settings."""

import csv
import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from coview.config import parse
from coview.datasets.prepared import PreparedDataset
from coview.datatypes import ProgressSink
from coview.errors import UserError
from coview.preparation.prepare import prepare
from coview.preparation.settings import PrepareSettings
from coview.views.base import StorageSettings

logger = logging.getLogger(__name__)

MARK = "dataset.yaml"
FEW_FILES = 4
"""Up to this many files are prepared in this process: starting workers would take longer than the work."""


@contextmanager
def prepared_from(
    what: "Path | str | Sequence[Path | str] | PreparedDataset",
    made_like: Mapping[str, Any],
    *,
    progress: ProgressSink | None = None,
) -> Iterator[PreparedDataset]:
    """Give a prepared data set of what the user named; one made for this is removed on leaving.

    Args:
        what: a video file, a folder of videos, a list of files, or a prepared data set (or its folder).
        made_like: "views" (name -> options) and "storage" of the data set whose way of making is to be repeated.
        progress: told of preparing.

    Raises:
        UserError: no such file or folder, no video in it, or not one that can be read.
    """
    if isinstance(what, PreparedDataset):
        yield what
        return
    if isinstance(what, (str, Path)) and (Path(what) / MARK).is_file():
        yield PreparedDataset.open(Path(what))
        return
    with tempfile.TemporaryDirectory(prefix="coview-") as folder:
        source, layout, workers = _source(what, Path(folder))
        settings = PrepareSettings(
            layout=layout,
            workers=workers,
            views=tuple(made_like["views"]),
            options=made_like["views"],
            storage=parse(StorageSettings, made_like["storage"], source="resolved.yaml", prefix="data.storage."),
        )
        data = prepare(source, Path(folder) / "prepared", settings, progress=progress)
        unread = [entry for entry in data.entries if entry.status != "ready"]
        for entry in unread:
            logger.warning("not embedded: %s: %s", entry.path, entry.reason or entry.status)
        if not data.ready:
            reasons = "; ".join(f"{entry.path}: {entry.reason or entry.status}" for entry in unread[:5])
            raise UserError(f"not one video could be read: {reasons}")
        yield data


def _source(what: "Path | str | Sequence[Path | str]", folder: Path) -> tuple[Path, str, int | None]:
    """Return what to prepare, its layout and worker processes; files become a table, so that they may lie anywhere."""
    if isinstance(what, (str, Path)) and Path(what).is_dir():
        return Path(what), "folder", None
    files = [Path(what)] if isinstance(what, (str, Path)) else [Path(file) for file in what]
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
    return table, "csv", 0 if len(files) <= FEW_FILES else None
