"""What `coview prepare` is told: settings, from whatever a caller gave."""

import dataclasses
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from coview.config import PositiveFloat, override, parse
from coview.datasets.folder_labels import LabelRule
from coview.datasets.splits import Folds
from coview.datasets.synthetic import SyntheticSettings
from coview.errors import UserError
from coview.registry import did_you_mean
from coview.views import VIEWS
from coview.views.base import StorageSettings, View


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
    workers: Annotated[int, Field(ge=0, le=1024)] | None = None
    """Processes; not set: one a core; 0: work in this process, unsupervised."""
    cluster: str | None = None
    """Address of a dask scheduler whose workers do the work instead; they must see the same folders."""
    shard: str | None = None
    """"i/n": do the i-th of n shares, for job arrays; the run that finishes the last share writes the manifest."""
    timeout_seconds: PositiveFloat = 120.0
    """A video is given up when no frame came out of it for this long."""
    retry_failed: bool = False
    """Try videos again that failed before. Those whose file has changed are tried in any case."""
    folds: Folds | None = None
    """Add this many splits, fold1 to fold<n>: whole groups, each tested in one of them. Not set: as before."""
    labels: LabelRule | None = None
    """auto: folders are classes where that is evident; folders: they are; none: no labels. Not set: as before."""
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
    if isinstance(chosen.get("views"), str):  # one name is meant as a list of one
        chosen["views"] = (chosen["views"],)
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
        views[name] = view.resolve_for(settings.layout)
    return views
