"""INDEX/index.yaml: which run and checkpoint embed for an index, and its views."""

import datetime
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coview import __version__
from coview.collection.file_identity import shown_path, stored_path
from coview.collection.stores import STORES
from coview.config import read_yaml
from coview.errors import UserError
from coview.files import as_path, check_format

if TYPE_CHECKING:
    from coview.embedding.run import Run

FORMAT = 3
"""The "format" of index.yaml; raised when older versions of coview could no longer read the folder."""
ABOUT = "index.yaml"


def describe_index(folder: Path, run: "Run", *, store: str) -> dict[str, Any]:
    """Return what index.yaml says of a new index."""
    from coview.collection.embedding_videos import run_identity

    return {
        "format": FORMAT,
        "coview": __version__,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "id": secrets.token_hex(16),
        "run": {
            "path": stored_path(run.path, folder),
            "checkpoint": run.checkpoint.name,
            "identity": run_identity(run),
        },
        "store": store,
        "views": {view: int(run.encoders[view].feature_size) for view in run.views},
    }


def open_run(run: "Run | Path | str", checkpoint: str | None) -> "Run":
    """Open the run that is to embed; its weights must stay, so that videos can be embedded for a search later.

    Raises:
        UserError: its training has not ended, and no checkpoint that stays was named.
    """
    from coview.embedding.run import Run

    opened = run if isinstance(run, Run) else Run.load(as_path(run, name="run", what="the folder of a run"), checkpoint)
    at = opened.position
    is_named = checkpoint is not None or isinstance(run, Run)
    if not at.is_stage_finished or not (is_named or at.stage_index == len(opened.stages) - 1):
        raise UserError(
            f"the run {opened.path} is not finished: its newest checkpoint is {opened.checkpoint.name}. Finish it "
            "with: coview pretrain ... --resume; or name the last checkpoint of a finished stage: --checkpoint NAME"
        )
    return opened


def load_run(about: Mapping[str, Any], folder: Path) -> "Run":
    """Open the run that an index was made with.

    Raises:
        UserError: it is not where it was, or its weights are no longer those of the vectors.
    """
    from coview.embedding.run import Run

    known = about["run"]
    path = shown_path(str(known["path"]), folder)
    try:
        opened = Run.load(path, str(known["checkpoint"]))
    except UserError as error:
        raise UserError(
            f"the run of {folder} cannot be opened: {error}. If it was moved, say where it is: "
            f"open_index({str(folder)!r}, run=...), or --run RUN"
        ) from error
    check_run(about, opened, folder)
    return opened


def check_run(about: Mapping[str, Any], run: "Run", folder: Path) -> None:
    """Refuse another run, or other weights of the same: their vectors cannot be compared."""
    from coview.collection.embedding_videos import run_identity

    known = about["run"]
    if run_identity(run) != known["identity"]:
        raise UserError(
            f"{folder} holds vectors of {shown_path(str(known['path']), folder)}, checkpoint {known['checkpoint']}; "
            f"those of {run.path}, checkpoint {run.checkpoint.name}, cannot be compared with them (other weights, "
            "settings, or way of making vectors in another version of coview). Give that run, or a new folder for an "
            "index"
        )


def read_about(folder: Path) -> Mapping[str, Any]:
    """Read index.yaml.

    Raises:
        UserError: damaged, or made by another coview.
    """
    about = read_yaml(folder / ABOUT)
    run, views = about.get("run"), about.get("views") or {}
    is_whole = isinstance(run, Mapping) and all(
        isinstance(run.get(key), str) for key in ("path", "checkpoint", "identity")
    )
    is_whole = is_whole and isinstance(views, Mapping) and bool(views) and isinstance(about.get("id"), str)
    is_whole = is_whole and about.get("store", STORES[0]) in STORES
    if not is_whole or not all(isinstance(size, int) and size > 0 for size in views.values()):
        raise UserError(f"{folder / ABOUT} is damaged; bring it back from a copy, or make the index again")
    if not all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", str(view)) for view in views):
        raise UserError(f"{folder / ABOUT} is damaged: {', '.join(map(repr, views))} are no names of views")
    check_format(about.get("format"), known=FORMAT, what=str(folder), remedy="make the index again, in a new folder")
    return about


def explain_absence(folder: Path) -> str:
    """Say why a folder cannot be opened as an index, and what to do."""
    make = f"make one with: coview index RUN SOURCE {folder}"
    if not folder.exists():
        return f"there is no index at {folder}; {make}"
    if folder.is_dir() and (folder / "index.sqlite").exists():
        return f"{folder} has lost its {ABOUT}; bring it back from a copy, or make the index again in a new folder"
    return f"{folder} is no index: it has no {ABOUT}; {make.replace(str(folder), 'INDEX')}"
