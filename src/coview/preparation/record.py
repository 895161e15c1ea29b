"""What a data set's folder says of itself: how it is made, and of each video what became of it.

The settings are remembered when work begins, for one folder is made in one way; manifest and dataset.yaml are written
when it ends, and only where something changed.
"""

import contextlib
import datetime
import json
import logging
import platform
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import coview
from coview.config import as_plain, read_yaml, write_yaml
from coview.datasets.manifest import read_manifest, write_manifest
from coview.datasets.prepared import FORMAT, INFO_NAME, MANIFEST_NAME, WORK_FOLDER
from coview.datatypes import VideoEntry
from coview.errors import UserError
from coview.files import remove_parts
from coview.locks import folder_lock
from coview.preparation.outcomes import VideoOutcome
from coview.preparation.settings import PrepareSettings
from coview.views import VIEWS
from coview.views.base import StorageSettings, View

log = logging.getLogger(__name__)

_RECORD = "settings.yaml"
_SETTINGS_LOCK = "lock-settings"
_AT_WORK = "another coview prepare is at work on {}; wait for it, or share the work with --shard 1/2 and --shard 2/2"
_DOTTED = ("gop", "preset")
"""Storage settings that have no option of their own on the command line."""
_TOOLS = ("av", "numpy", "opencv-contrib-python-headless", "numba", "torch", "mediapipe", "torchvision")


@contextlib.contextmanager
def hold_folder(out: Path, share: str) -> Iterator[None]:
    """Be the only process at this share of the work on `out`; nothing is written there before.

    A new folder in which no work was begun is removed again.

    Args:
        out: the data set; made if it does not exist.
        share: "" or the share of a job array, such as "-2of8".

    Raises:
        UserError: another process is at it.
    """
    was_there = out.exists()
    work = out / WORK_FOLDER
    lock = work / f"lock{share}"
    with folder_lock(lock, otherwise=_AT_WORK.format(out)):
        remove_parts(out)
        remove_parts(work)
        try:
            yield
        finally:
            if read_record(out) is None:
                with contextlib.suppress(OSError):  # such as another share's lock, or a file that is not ours
                    for path in (lock, work / _SETTINGS_LOCK):
                        path.unlink(missing_ok=True)
                    work.rmdir()
                    if not was_there:
                        out.rmdir()


def remember_settings(out: Path, wanted: Mapping[str, Any], share: str) -> None:
    """Write the settings into `out`, unless they are there already; the folder is held (`hold_folder`).

    Raises:
        UserError: meanwhile another process has begun, or is beginning, with other settings.
    """
    work = out / WORK_FOLDER
    with folder_lock(work / _SETTINGS_LOCK, otherwise=_AT_WORK.format(out), wait_seconds=60):
        others = [path for path in work.glob("lock*") if path.name not in (f"lock{share}", _SETTINGS_LOCK)]
        check_record(out, wanted, is_begun=any(_is_held(path) for path in others))
        recorded = read_record(out)
        earlier_views = recorded["views"] if recorded is not None else {}
        record = {**wanted, "views": {**earlier_views, **wanted["views"]}}
        if record != recorded or not (work / _RECORD).exists():
            write_yaml(work / _RECORD, record, is_sealed=True)


def _is_held(lock: Path) -> bool:
    try:
        with folder_lock(lock, otherwise=""):
            return False
    except UserError:
        return True


def make_record(source: Path, settings: PrepareSettings, views: Mapping[str, View]) -> dict[str, Any]:
    """Return what must stay the same for all work on one data set, as plain values."""
    return {
        "source": str(source),
        "layout": settings.layout,
        "lists": str(settings.lists.resolve()) if settings.lists is not None else None,
        "folds": settings.folds,
        "label_rule": settings.labels,
        "storage": as_plain(settings.storage),
        "views": {name: view.recorded_options() for name, view in views.items()},
    }


def check_record(out: Path, wanted: Mapping[str, Any], *, is_begun: bool = False) -> None:
    """Check that `out` is new or empty, or was begun with the same settings.

    Args:
        out: the data set.
        wanted: what `make_record` gave.
        is_begun: whether others are at work there; settings with which nothing was begun may be replaced.

    Raises:
        UserError: `out` holds something else, or was made differently; the message names each difference.
    """
    recorded = read_record(out)
    if recorded is None:
        if out.exists() and not out.is_dir():
            raise UserError(f"{out} is a file; name a folder for the data set")
        if out.is_dir() and any(child.name != WORK_FOLDER for child in out.iterdir()):
            raise UserError(f"{out} is not empty and is not a data set made by coview prepare; choose a new folder")
    elif is_begun or (out / INFO_NAME).exists() or any((out / WORK_FOLDER).glob("outcomes*.jsonl")):
        _check_same(out, recorded, wanted)


def read_record(out: Path) -> dict[str, Any] | None:
    """Return source, layout, folds, labels, storage and views that `out` was begun with; None for a new folder.

    Raises:
        UserError: all that is there is damaged.
    """
    keys = ("source", "layout", "lists", "storage", "views")
    problems = []
    for path in (out / WORK_FOLDER / _RECORD, out / INFO_NAME):
        if path.is_file():
            try:
                values = read_yaml(path)
            except UserError as error:
                problems.append(str(error))
                continue
            if all(key in values for key in keys):
                later = ("folds", "label_rule", "labels_from")
                return {**{key: values[key] for key in keys}, **{key: values.get(key) for key in later}}
            problems.append(f"{path} is damaged: it lacks some of: {', '.join(keys)}")
    if problems:
        raise UserError(f"{'; '.join(problems)}. Prepare the videos again, into a new folder")
    return None


def _check_same(out: Path, recorded: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Compare what both name; a view that is new to `out` may have any options."""
    differences = _differences(_comparable(recorded["storage"]), _comparable(wanted["storage"]), prefix="")
    for name in recorded["views"].keys() & wanted["views"].keys():
        differences += _differences(recorded["views"][name], wanted["views"][name], prefix=f"{name}.")
    if recorded["folds"] is not None and recorded["folds"] != wanted["folds"]:
        differences.append(f"folds was {recorded['folds']}, now {wanted['folds']}")
    if recorded["layout"] != wanted["layout"]:
        differences.append(f"layout was {recorded['layout']}, now {wanted['layout']}")
    if recorded["source"] != wanted["source"]:
        if Path(recorded["source"]).exists():
            differences.append(f"the source was {recorded['source']}, now {wanted['source']}")
        else:
            log.info("%s is gone; its videos are now taken from %s", recorded["source"], wanted["source"])
    if differences:
        raise UserError(
            f"{out} was made with other settings: {'; '.join(differences)}. "
            "Give the same settings to go on there, or choose a new folder"
        )


def _comparable(storage: Mapping[str, Any]) -> dict[str, Any]:
    """Return the storage settings that make a difference to videos that are stored already, in one level."""
    source = {name: value for name, value in storage.get("source", {}).items() if name != "damaged"}
    return {name: value for name, value in storage.items() if name != "source"} | source


def _differences(before: Mapping[str, Any], now: Mapping[str, Any], *, prefix: str) -> list[str]:
    return [
        f"{prefix}{key} was {before[key]}, now {value}" for key, value in now.items() if before.get(key, value) != value
    ]


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
        checksums=outcome.checksums,
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
        "label_rule": record["label_rule"],
        "command": _command(record),
        "labels_from": record["labels_from"],
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


def _command(record: Mapping[str, Any]) -> list[str]:
    """Return the words of the command that goes on with a data set, but for its views: what differs from defaults."""
    words = ["coview", "prepare", record["source"], "OUT", "--layout", record["layout"]]
    flat, usual = ({**each, **each["source"]} for each in (record["storage"], as_plain(StorageSettings())))
    chosen = {name: value for name, value in flat.items() if name not in ("source", *_DOTTED) and value != usual[name]}
    chosen |= {name: record[name] for name in ("lists", "folds") if record[name] is not None}
    chosen |= {"labels": record["label_rule"]} if record["label_rule"] not in (None, "auto") else {}
    chosen |= {f"storage.{name}": flat[name] for name in _DOTTED if flat.get(name, usual[name]) != usual[name]}
    for view, options in record["views"].items():
        kind = VIEWS.load(view)
        usual = kind(kind.Options()).resolve_for(record["layout"]).recorded_options()
        chosen |= {f"{view}.{name}": value for name, value in options.items() if value != usual.get(name)}
    for name, value in chosen.items():
        words += [f"--{name.replace('_', '-')}", value if isinstance(value, str) else json.dumps(value)]
    return words


def rate_remarks(entries: Sequence[VideoEntry]) -> list[str]:
    """Return the remark on frame rates so unlike that clips of as many frames show very different lengths of time."""
    rates = sorted(entry.fps for entry in entries if entry.status == "ready" and entry.fps)
    if not rates or rates[-1] < 1.9 * rates[0]:
        return []
    usual = rates[len(rates) // 2]
    return [
        f"frame rates differ: {rates[0]:.3g} to {rates[-1]:.3g} frames a second, half of the videos have at most "
        f"{usual:.3g}; clips of as many frames last unequally long. --fps {usual:.3g} stores all at one rate"
    ]


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
    """Return what dataset.yaml says; empty where there is none yet. A damaged one is made anew from what is known else.

    Raises:
        UserError: made by a newer coview, or the settings are damaged too.
    """
    path = out / INFO_NAME
    try:
        about = read_yaml(path) if path.is_file() else {}
    except UserError as error:
        log.warning("%s; it is made anew", error)
        about = {"views": (read_record(out) or {}).get("views", {})}
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
        write_yaml(out / INFO_NAME, {**head, **description}, is_sealed=True)


def _tool_versions() -> dict[str, str]:
    found = {}
    for package in _TOOLS:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # such as another of the OpenCV distributions
            continue
    return found
