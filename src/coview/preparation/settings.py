"""What `coview prepare` is told, and the memory of it in the data set: one folder, one way of making."""

import dataclasses
import logging
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from coview.config import as_plain, override, parse, read_yaml
from coview.datasets.folds import Folds
from coview.datasets.prepared import INFO_NAME, WORK_FOLDER
from coview.datasets.synthetic import SyntheticSettings
from coview.errors import UserError
from coview.files import atomic_path, short
from coview.registry import did_you_mean
from coview.views import VIEWS
from coview.views.base import StorageSettings, View

log = logging.getLogger(__name__)

_RECORD = "settings.yaml"


@dataclass(frozen=True)
class PrepareSettings:
    """How a data set is prepared."""

    layout: str = "folder"
    """How the source is laid out: one of `coview list layouts`."""
    lists: Path | None = None
    """Folder or file of the data set's official lists, where the layout has any."""
    views: tuple[str, ...] = ("rgb", "flow")
    """Views to store."""
    storage: StorageSettings = field(default_factory=StorageSettings)
    """Size, rate and key frames of the stored views."""
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """View name -> its settings that differ from the defaults, such as {"flow": {"algorithm": "farneback"}}."""
    workers: int | None = None
    """Processes; not set: one a core; 0: work in this process, unsupervised."""
    cluster: str | None = None
    """Address of a dask scheduler whose workers do the work instead; they must see the same folders."""
    shard: str | None = None
    """"i/n": do the i-th of n shares, for job arrays; the run that finishes the last share writes the manifest."""
    timeout_seconds: float = 120.0
    """A video is given up when no frame came out of it for this long."""
    retry_failed: bool = False
    """Try videos again that failed before. Those whose file has changed are tried in any case."""
    folds: Folds | None = None
    """Add this many splits, fold1 to fold<n>: whole groups, each tested in one of them. Not set: as before."""
    synthetic: SyntheticSettings | None = None
    """For the layout "synthetic": what to render where SOURCE does not exist yet."""

    def __post_init__(self) -> None:
        if not self.views:
            raise UserError(f"no view asked for; name at least one of: {', '.join(VIEWS)}")
        if self.workers is not None and self.workers < 0:
            raise UserError(f"workers is {self.workers}, expected 0 or more")
        if self.timeout_seconds <= 0:
            raise UserError(f"timeout_seconds is {self.timeout_seconds}, expected more than 0")
        side, fps, gop = self.storage.short_side, self.storage.fps, self.storage.gop
        if side < 2 or gop < 1 or (fps is not None and fps <= 0):
            raise UserError(
                f"short_side {side}, fps {fps}, gop {gop}: expected at least 2 pixels, 1 frame, fps above 0"
            )
        if self.folds is not None and self.folds < 2:
            raise UserError(f"folds is {self.folds}, expected 2 or more")
        share_of(self.shard)

    @property
    def num_workers(self) -> int:
        """Worker processes: as given, or one for each core this process may use."""
        return usable_cores() if self.workers is None else self.workers


def resolve_settings(settings: PrepareSettings | Mapping[str, Any] | None, **given: Any) -> PrepareSettings:
    """Return what to prepare, from whatever a caller gave.

    Args:
        settings: ready settings, or names and values: fields of `PrepareSettings`, and options of views and of the
            synthetic videos with a dot, such as {"workers": 2, "storage.short_side": 96, "flow.algorithm": "dis"}.
        given: fields that stand above those; None: not given.

    Raises:
        TypeError: `settings` is neither.
        UserError: an unknown setting, or a value out of range.
    """
    chosen = {name: value for name, value in given.items() if value is not None}
    if isinstance(chosen.get("views"), str):
        raise TypeError(f"views is {short(chosen['views'])}, expected a list of names, such as ['rgb', 'flow']")
    if isinstance(settings, PrepareSettings):
        return parse(PrepareSettings, {**_fields(settings), **chosen}, source="prepare")
    nested = override({}, settings or {})
    fields = {field.name for field in dataclasses.fields(PrepareSettings)}
    options = {name: value for name, value in nested.items() if name not in fields}
    for name, value in options.items():
        if not isinstance(value, Mapping):
            hint = did_you_mean(name, fields) or "."
            raise UserError(
                f"prepare: unknown setting {name!r}{hint} Known: {', '.join(sorted(fields))}, <view>.<option>"
            )
    values = {name: value for name, value in nested.items() if name in fields} | chosen
    dashed = {view.replace("-", "_"): view for view in values.get("views", ())}  # as `override` spells them
    options = {dashed.get(name, name): value for name, value in options.items()}
    return parse(PrepareSettings, {**values, "options": {**values.get("options", {}), **options}}, source="prepare")


def _fields(settings: PrepareSettings) -> dict[str, Any]:
    return {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}


def usable_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def share_of(shard: str | None) -> tuple[int, int]:
    """Return (share, shares), counted from 1, of a text "share/shares"; (1, 1) for None.

    Raises:
        UserError: not of that form.
    """
    if shard is None:
        return 1, 1
    share, slash, shares = shard.partition("/")
    if not (slash and share.isdecimal() and shares.isdecimal() and 1 <= int(share) <= int(shares)):
        raise UserError(f"shard {shard!r} is not of the form i/n with 1 <= i <= n, such as 3/16")
    return int(share), int(shares)


def build_views(settings: PrepareSettings, *, stored: Mapping[str, Mapping[str, Any]]) -> dict[str, View]:
    """Make the views that are asked for and those that the data set has already, rgb first, options filled in.

    Args:
        settings: names and options asked for.
        stored: view name -> options, as dataset.yaml has them; empty for a new data set.

    Raises:
        UserError: an unknown view or option, or options of a view that is not asked for.
    """
    for name in settings.options:
        if name not in settings.views:
            asked = ", ".join(settings.views)
            raise UserError(f"settings for view {name!r} were given, but the views asked for are: {asked}")
    views: dict[str, View] = {}
    for name in sorted({**stored, **dict.fromkeys(settings.views)}, key=lambda name: name != "rgb"):
        given = settings.options.get(name, {}) if name in settings.views else stored[name]
        kind = VIEWS.load(name)
        view = kind(parse(kind.Options, given, source="coview prepare", prefix=f"{name}."))
        views[name] = view.settled(settings.layout)
    return views


def make_record(source: Path, settings: PrepareSettings, views: Mapping[str, View]) -> dict[str, Any]:
    """Return what must stay the same for all work on one data set, as plain values."""
    return {
        "source": str(source),
        "layout": settings.layout,
        "lists": str(settings.lists.resolve()) if settings.lists is not None else None,
        "folds": settings.folds,
        "storage": as_plain(settings.storage),
        "views": {name: view.recorded_options() for name, view in views.items()},
    }


def check_record(out: Path, wanted: Mapping[str, Any]) -> None:
    """Check that `out` is new or empty, or was begun with the same settings.

    Raises:
        UserError: `out` holds something else, or was made differently; the message names each difference.
    """
    recorded = read_record(out)
    if recorded is None:
        if out.exists() and not out.is_dir():
            raise UserError(f"{out} is a file; name a folder for the data set")
        if out.is_dir() and any(out.iterdir()):
            raise UserError(f"{out} is not empty and is not a data set made by coview prepare; choose a new folder")
    elif (out / INFO_NAME).exists() or any((out / WORK_FOLDER).glob("outcomes*.jsonl")):
        _check_same(out, recorded, wanted)


def write_record(out: Path, wanted: Mapping[str, Any]) -> None:
    """Remember the settings in `out`, unless they are there already."""
    recorded = read_record(out)
    earlier_views = recorded["views"] if recorded is not None else {}
    record = {**wanted, "views": {**earlier_views, **wanted["views"]}}
    if record != recorded or not (out / WORK_FOLDER).is_dir():
        (out / WORK_FOLDER).mkdir(parents=True, exist_ok=True)
        with atomic_path(out / WORK_FOLDER / _RECORD) as aside:
            aside.write_text(yaml.safe_dump(record, sort_keys=False), encoding="utf-8")


def read_record(out: Path) -> dict[str, Any] | None:
    """Return source, layout, folds, storage and views that `out` was begun or made with; None for a new folder."""
    keys = ("source", "layout", "lists", "storage", "views")
    for path in (out / WORK_FOLDER / _RECORD, out / INFO_NAME):
        if path.is_file():
            values = read_yaml(path)
            if not all(key in values for key in keys):
                raise UserError(f"{path} is damaged; prepare into a new folder")
            return {**{key: values[key] for key in keys}, "folds": values.get("folds")}
    return None


def _check_same(out: Path, recorded: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Compare what both name; a view that is new to `out` may have any options."""
    differences = _differences(recorded["storage"], wanted["storage"], prefix="")
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


def _differences(before: Mapping[str, Any], now: Mapping[str, Any], *, prefix: str) -> list[str]:
    return [
        f"{prefix}{key} was {before[key]}, now {value}" for key, value in now.items() if before.get(key, value) != value
    ]
