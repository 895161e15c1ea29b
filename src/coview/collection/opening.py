"""The folder of an index: opened, or begun for a run."""

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from coview.collection.about import ABOUT, check_run, describe_index, explain_absence, open_run, read_about
from coview.collection.catalogue_store import LOCK
from coview.collection.index import Index
from coview.collection.merging import PARTS
from coview.collection.stores import STORES
from coview.config import write_yaml
from coview.errors import UserError
from coview.files import as_path, disk_errors, make_folder
from coview.locks import folder_lock
from coview.registry import did_you_mean

if TYPE_CHECKING:
    from coview.embedding.run import Run

_DATABASE = {f"index.sqlite{end}" for end in ("", "-wal", "-shm", "-journal", ".sha256")}
_OWN_FILES = {ABOUT, *_DATABASE, "vectors", "ann", "milvus.db", PARTS, LOCK}

_BEGIN_SECONDS = 60.0
"""How long another process may take to begin an index."""


def open_index(
    path: Path | str,
    *,
    run: "Run | Path | str | None" = None,
    checkpoint: str | None = None,
    store: str | None = None,
) -> Index:
    """Open an index, or begin a new one for a run.

    Example:
        index = open_index("idx", run="runs/mine")
        index.add("my_videos/")
        hits = open_index("idx").search("query.mp4", start=3.2, end=5.0)

    Args:
        path: the folder of the index; where there is none yet, one is begun if `run` is given.
        run: the run that embeds, or its folder. Not given: the one that the index was begun with, where it was.
        checkpoint: folder name of a checkpoint of the run; not given: the newest, of a run that is finished.
        store: where a new index keeps its vectors: "local" (the default), or "milvus": on the server that the
            environment names (COVIEW_MILVUS, COVIEW_MILVUS_TOKEN), or in files of milvus-lite in its folder.

    Raises:
        TypeError: an argument is of the wrong kind.
        UserError: no index there, a damaged one, one of another run, or a run that is not finished.
    """
    folder = as_path(path, name="path", what="the folder of an index")
    opened = None if run is None else open_run(run, checkpoint)
    if (folder / ABOUT).is_file():
        about = read_about(folder)
        if opened is not None:
            check_run(about, opened, folder)
        kind = about.get("store", STORES[0])
        if store not in (None, kind):
            raise UserError(f"{folder} keeps its vectors in the store {kind!r}, not {store!r}; choose a new folder")
        return Index(folder, about=about, run=opened)
    if opened is None:
        raise UserError(explain_absence(folder))
    if store is not None and store not in STORES:
        raise UserError(f"there is no store {store!r}{did_you_mean(store, STORES) or '.'} Known: {', '.join(STORES)}")
    return _create(folder, opened, store or STORES[0])


def _create(folder: Path, run: "Run", store: str) -> Index:
    """Begin an index; what a process that died while it began one has left is removed."""
    if not (folder / LOCK).exists():  # else another process may be writing what is none of an index's files yet
        _refuse_other_files(folder)
    about = describe_index(folder, run, store=store)
    with disk_errors(folder):
        make_folder(folder)
        busy = f"another process is beginning the index {folder}; try again"
        with folder_lock(folder / LOCK, otherwise=busy, wait_seconds=_BEGIN_SECONDS):  # jobs of one array start at once
            if (folder / ABOUT).is_file():  # another process was quicker
                return open_index(folder, run=run)
            _refuse_other_files(folder)
            for child in folder.iterdir():
                if child.name not in {LOCK, PARTS}:
                    (shutil.rmtree if child.is_dir() else os.unlink)(child)
            index = Index(folder, about=about, run=run, create=True)
            write_yaml(folder / ABOUT, about, is_sealed=True)
            return index


def _refuse_other_files(folder: Path) -> None:
    """Raise UserError where something lies that is no index, nor what is left of one that was begun."""
    is_folder = folder.is_dir()
    if folder.exists() and not (is_folder and {child.name for child in folder.iterdir()} <= _OWN_FILES):
        raise UserError(f"{folder} is there already and is no index; choose a new folder")
