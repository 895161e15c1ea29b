"""A run's folder: new, or the same run going on.

What was asked stands in config.yaml, what was derived from it and the data in resolved.yaml.
"""

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

from coview.config import RunConfig, as_plain, parse, read_yaml
from coview.datasets.prepared import PreparedDataset
from coview.datasets.video_rows import column_of
from coview.datatypes import VideoEntry
from coview.errors import UserError
from coview.files import check_format, disk_errors, make_folder, remove_parts
from coview.locks import folder_lock
from coview.registry import record_plugins
from coview.training.checkpoint import remove_unfinished

logger = logging.getLogger(__name__)

CONFIG, RESOLVED, LOCK = "config.yaml", "resolved.yaml", ".lock"
FORMAT = 2
"""The "format" of resolved.yaml; raised when settings get other names or meanings. Runs of format 1 say none."""
MAY_CHANGE = (
    "config.training.worker",
    "config.training.frame_",
    "config.training.log_every",
    "config.training.checkpoint_every",
    "config.training.keep_checkpoints",
    "config.evaluation",
    "data.root",
    "plugins",
)
"""Beginnings of the settings that a resumed run may change: none of them touches the weights."""


def describe_run(
    config: RunConfig,
    dataset: PreparedDataset,
    *,
    train: Sequence[VideoEntry],
    validation: Sequence[VideoEntry],
    channels: Mapping[str, int],
) -> dict[str, Any]:
    """Return what a run is, as plain values: its settings and its data. The same run has the same description."""
    digest = hashlib.sha256()
    for number, video_id in enumerate(chain(column_of(train, "id"), ("",), column_of(validation, "id"))):
        digest.update(f"\n{video_id}".encode() if number else video_id.encode())
    counted = dict(dataset.info.get("shares", {}))  # "<view>.<what>", such as pose.frames_with_person
    shares = {name: dict(share) for name, share in counted.items() if name.partition(".")[0] in config.views}
    plugins = record_plugins(
        {
            "method": [config.method["name"]],
            "encoder": list(dict.fromkeys(config.encoder_of(view)["name"] for view in config.views)),
            "view": list(config.views),
            "augmentation": [one["name"] for one in config.augment.operations if "name" in one],
        }
    )
    return {
        "format": FORMAT,
        "config": as_plain(config),
        "data": {
            "root": str(dataset.root.resolve()),
            "num_train": len(train),
            "num_validation": len(validation),
            "videos_sha256": digest.hexdigest(),
            "views": {name: dict(dataset.view_options[name]) for name in config.views},
            "storage": dict(dataset.info["storage"]),
            "counts": dict(dataset.info["counts"]),
            **({"shares": shares} if shares else {}),
        },
        "channels": dict(channels),
        "view_order": list(config.views),
        **({"plugins": plugins} if plugins else {}),
    }


def read_resolved(run: Path) -> dict[str, Any]:
    """Read a run's resolved.yaml: the one reader of it, which imports nothing that the file names.

    Raises:
        UserError: it cannot be read, or another coview wrote it.
    """
    resolved = read_yaml(run / RESOLVED)
    made_by = resolved.get("versions", {}).get("coview", "an earlier one")
    remedy = f"train again into another folder, or use the version that made it ({made_by})"
    check_format(resolved.get("format"), known=FORMAT, what=str(run), remedy=remedy)
    return resolved


def open_run(out: Path, description: Mapping[str, Any], *, resume: bool) -> dict[str, Any] | None:
    """Make the folder of a new run, or check that the one there is this run.

    Returns:
        What resolved.yaml of an earlier call says; None for a new run.

    Raises:
        UserError: the folder is taken, or holds a run with other settings or data (each difference is named).
    """
    is_taken = out.exists() and (not out.is_dir() or any(path.name != LOCK for path in out.iterdir()))
    if is_taken and not resume:
        holds = "is not empty;"
        if (out / RESOLVED).is_file():
            holds = "already holds a run; continue it with --resume (in Python: resume=True) or"
        raise UserError(f"{out} {holds} choose another folder (--out)")
    with disk_errors(out):
        make_folder(out)
    if not (out / RESOLVED).is_file():
        if resume:
            logger.info("nothing to resume in %s yet: starting from the beginning", out)
        return None
    before = read_resolved(out)
    # A setting that is younger than the run was at its default.
    before["config"] = as_plain(parse(RunConfig, before.get("config", {}), source=str(out / RESOLVED)))
    differences = list(_differences({key: before.get(key) for key in description}, description))
    if differences:
        raise UserError(
            f"{out} was begun with other settings: {'; '.join(differences)}. "
            "Resume with the same ones, or start anew in another --out"
        )
    return before


@contextmanager
def claimed_run(out: Path) -> Iterator[None]:
    """Keep other processes from training the same run until the end of the block; sweep what killed ones left there.

    Raises:
        UserError: one is at it, or the folder cannot be written.
    """
    taken = f"{out} is being trained by another process; wait for its end, or stop it"
    with folder_lock(out / LOCK, otherwise=taken):
        remove_parts(out)
        remove_unfinished(out)
        yield


def _differences(before: Any, now: Any, place: str = "") -> Iterator[str]:
    """Yield "a.b was 1, now 2" for every leaf that differs and may not."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for key in [*before, *(key for key in now if key not in before)]:
            yield from _differences(before.get(key), now.get(key), f"{place}.{key}" if place else str(key))
    elif before != now and not place.startswith(MAY_CHANGE):
        yield f"{place.removeprefix('config.')} was {before}, now {now}"
