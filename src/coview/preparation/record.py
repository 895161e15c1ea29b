"""Listing and outcomes -> manifest and dataset.yaml, written only where something changed."""

import contextlib
import datetime
import logging
import platform
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import yaml

import coview
from coview.config import read_yaml
from coview.datasets.manifest import read_manifest, write_manifest
from coview.datasets.prepared import FORMAT, INFO_NAME, MANIFEST_NAME
from coview.datatypes import VideoEntry
from coview.errors import UserError
from coview.files import atomic_path
from coview.preparation.outcomes import VideoOutcome

log = logging.getLogger(__name__)

_TOOLS = ("av", "numpy", "opencv-contrib-python-headless", "numba", "torch", "mediapipe", "torchvision")


def fold_outcome(entry: VideoEntry, outcome: VideoOutcome | None, *, views: Sequence[str]) -> VideoEntry:
    """Return the manifest row of a listed video; one that lacks a view has failed, one without outcome stays listed."""
    if outcome is None:
        return entry
    is_ready = set(views) <= set(outcome.views)
    if entry.status == "missing" and not is_ready:  # a source deleted after its views were stored is no loss
        return entry
    is_remark = is_ready == (outcome.status == "ready")  # a view that failed earlier may not be asked for now
    return replace(
        entry,
        status="ready" if is_ready else "failed",
        reason=outcome.reason if is_remark else "",
        num_frames=outcome.num_frames,
        fps=outcome.fps,
        width=outcome.width,
        height=outcome.height,
        duration_seconds=outcome.duration_seconds,
        counts=outcome.counts,
    )


def describe(entries: Sequence[VideoEntry], *, record: Mapping[str, Any], remarks: Sequence[str]) -> dict[str, Any]:
    """Return what dataset.yaml says about the data set as it is now, apart from times and tool versions.

    Args:
        entries: the manifest.
        record: source, layout, storage and the views that every ready video has.
        remarks: what the layout reader had to say.
    """
    by_status = Counter(entry.status for entry in entries)
    reasons = Counter(entry.reason.partition(":")[0] for entry in entries if entry.status == "failed")
    ready = [entry for entry in entries if entry.status == "ready"]
    shares = _shares(ready)
    parts = sorted({(split, part) for entry in entries for split, part in entry.splits.items()})
    splits: dict[str, dict[str, int]] = {}
    for split, part in parts:
        splits.setdefault(split, {})[part] = sum(entry.splits.get(split) == part for entry in ready)
    return {
        "source": record["source"],
        "layout": record["layout"],
        "lists": record["lists"],
        "folds": record["folds"],
        "storage": dict(record["storage"]),
        "views": {name: dict(options) for name, options in record["views"].items()},
        "counts": {
            "listed": len(entries),
            **{status: by_status[status] for status in ("ready", "failed", "missing")},
            "frames": sum(entry.num_frames or 0 for entry in ready),
            "by_reason": dict(sorted(reasons.items())),
        },
        **({"shares": shares} if shares else {}),
        "labels": sorted({entry.label for entry in entries if entry.label is not None}),
        "splits": splits,
        "remarks": list(remarks),
    }


def _shares(ready: Sequence[VideoEntry]) -> dict[str, dict[str, float | int]]:
    """Return, for each thing counted in frames, its share of all frames and how unevenly it is spread over videos."""
    shares: dict[str, dict[str, float | int]] = {}
    for name in sorted({name for entry in ready for name in entry.counts}):
        counted = [(entry.counts[name], entry.num_frames) for entry in ready if name in entry.counts]
        pairs = [(count, frames) for count, frames in counted if frames]
        shares[name] = {
            "of_all_frames": round(sum(count for count, _ in pairs) / sum(frames for _, frames in pairs), 4),
            "least_in_a_video": round(min(count / frames for count, frames in pairs), 4),
            "videos_without": sum(count == 0 for count, _ in pairs),
        }
    return shares


def read_about(out: Path) -> dict[str, Any]:
    """Return what dataset.yaml says; empty where there is none yet.

    Raises:
        UserError: made by a newer coview.
    """
    path = out / INFO_NAME
    about = read_yaml(path) if path.is_file() else {}
    if isinstance(about.get("format"), int) and about["format"] > FORMAT:
        raise UserError(f"{out} was made by a newer coview (format {about['format']}); update coview")
    return about


def manifest_rows(out: Path) -> tuple[VideoEntry, ...]:
    """Return the rows of the manifest; none where it is not there yet or is damaged: it is made anew from outcomes."""
    path = out / MANIFEST_NAME
    try:
        return read_manifest(path) if path.is_file() else ()
    except UserError as error:
        log.warning("%s; it is made anew", error)
        return ()


def remove_unfinished_manifests(out: Path) -> None:
    """Remove what a process that was killed while it wrote the manifest has left; writing one takes no minute."""
    for part in out.glob(f".{MANIFEST_NAME}.*.tmp"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - part.stat().st_mtime > 60:
                part.unlink()


def write_data_set(out: Path, entries: Sequence[VideoEntry], description: Mapping[str, Any]) -> None:
    """Write manifest and dataset.yaml, unless they say the same already."""
    before = read_about(out)
    is_same_manifest = manifest_rows(out) == tuple(entries)
    is_same_about = {key: before.get(key) for key in description} == dict(description)
    if not is_same_manifest:
        write_manifest(entries, out / MANIFEST_NAME)
    if not (is_same_about and is_same_manifest):
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        head = {
            "format": FORMAT,
            "coview": coview.__version__,
            "created": before.get("created", now),
            "changed": now,
            "tools": {"python": platform.python_version(), **_tool_versions()},
        }
        with atomic_path(out / INFO_NAME) as aside:
            aside.write_text(yaml.safe_dump({**head, **description}, sort_keys=False), encoding="utf-8")


def _tool_versions() -> dict[str, str]:
    found = {}
    for package in _TOOLS:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # such as another of the OpenCV distributions
            continue
    return found
