"""A name in a config -> the object behind it, imported only when it is asked for.

Each folder that holds interchangeable things (encoders, views, methods, layouts, ...) has one `Registry` in its
`__init__.py`. A new thing of ours is one file and one row there. A thing of somebody else's is

- an entry point of the group `coview.methods` (`coview.encoders`, ...) of an installed package, or
- `@coview.register("method", "simclr")` over a class or function in a module that is imported: by the user's own
  script, or by `--plugin my_package` on the command line.

A name never imports anything but a row of ours or an entry point of an installed package. The contract tests run over
all rows, those of plugins too.
"""

import contextlib
import difflib
import importlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from coview.errors import UserError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

T = TypeVar("T")

GROUPS = {
    "method": "coview.methods",
    "encoder": "coview.encoders",
    "view": "coview.views",
    "layout": "coview.layouts",
    "protocol": "coview.protocols",
    "metric": "coview.metrics",
    "analysis": "coview.analyses",
    "augmentation": "coview.augmentations",
}
"""Kind of thing that other packages can add -> its entry-point group."""
_NAME = re.compile(r"[\w@+-]+")


@dataclass(frozen=True)
class _Row:
    """One registered thing.

    Attributes:
        place: "package.module:attribute", for messages and for loading.
        plugin: the module or installed package that brings it; empty for our own.
        loaded: the object, where a decorator gave it.
        entry_point: where an installed package names it.
    """

    place: str
    plugin: str = ""
    loaded: Any = None
    entry_point: "EntryPoint | None" = None


_decorated: dict[str, dict[str, _Row]] = {}
_registries: dict[str, "Registry[Any]"] = {}
_plugins: list[str] = []
_importing: list[str] = []
"""Plugins whose import has begun and not ended, the innermost last."""


def did_you_mean(word: str, choices: Iterable[str], *, most: int = 1) -> str:
    """Return `"; did you mean 'x'?"` for the choices closest to `word`, at most so many, or an empty string."""
    close = [repr(choice) for choice in difflib.get_close_matches(word, list(choices), n=most, cutoff=0.5)]
    return f"; did you mean {' or '.join([', '.join(close[:-1]), close[-1]] if close[1:] else close)}?" if close else ""


class Registry(Generic[T]):
    """Names of one kind of thing: our own rows, those that decorators added, those of installed packages.

    Args:
        kind: what they are, in the singular ("encoder"); a key of `GROUPS` where other packages can add to them.
        rows: our own, name -> "package.module:attribute".

    Raises:
        UserError: a plugin registered one of these names before.
    """

    def __init__(self, kind: str, rows: Mapping[str, str]) -> None:
        self.kind = kind
        self._rows = {name: _Row(place) for name, place in rows.items()}
        for name, row in _decorated.get(kind, {}).items():
            if name in self._rows:
                raise _taken_twice(kind, name, self._rows[name], row)
        _registries[kind] = self

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __contains__(self, name: object) -> bool:
        return name in self._rows or name in _decorated.get(self.kind, {}) or name in self._all()

    def load(self, name: str) -> T:
        """Import and return the object called `name`.

        Raises:
            UserError: no such name (the message lists the names and suggests the closest), or the package that brings
                it cannot be imported.
        """
        row = self._find(name)
        if row.loaded is not None:
            return cast(T, row.loaded)
        if row.entry_point is not None:
            with _imports_of(row.plugin, named=f"the package {row.plugin}, which brings the {self.kind} {name!r},"):
                return cast(T, row.entry_point.load())
        module, _, attribute = row.place.partition(":")
        return cast(T, getattr(importlib.import_module(module), attribute))

    def plugin_of(self, name: str) -> str:
        """Return the plugin that brings a name: a module or package; empty for our own.

        Raises:
            UserError: no such name.
        """
        return self._find(name).plugin

    def _find(self, name: str) -> _Row:
        row = self._rows.get(name) or _decorated.get(self.kind, {}).get(name) or self._all().get(name)
        if row is None:
            known = ", ".join(self._all())
            hint = did_you_mean(str(name), self._all())
            more = " Those of a plugin need --plugin MODULE, or in Python its import." if self.kind in GROUPS else ""
            raise UserError(f"unknown {self.kind} {name!r}{hint or '.'} Known: {known}.{more}")
        return row

    def _all(self) -> dict[str, _Row]:
        """Return every row, those of installed packages looked up now."""
        rows = self._rows | _decorated.get(self.kind, {})
        for name, row in _installed(self.kind).items():
            if name in rows and rows[name].place != row.place:
                raise _taken_twice(self.kind, name, rows[name], row)
            rows.setdefault(name, row)
        return rows


def register(kind: str, name: str) -> Callable[[T], T]:
    """Make a class or function known under a name; a decorator.

    Example:
        @coview.register("method", "simclr")
        class SimCLR(Method): ...

    Args:
        kind: method, encoder, view, layout, protocol, metric, analysis or augmentation.
        name: what configs and commands call it.

    Raises:
        UserError: no such kind, not a name, or a name that another thing has.
    """
    if kind not in GROUPS:
        raise UserError(
            f"cannot register a {kind!r}{did_you_mean(str(kind), GROUPS) or '.'} Known: {', '.join(GROUPS)}."
        )
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise UserError(f"cannot register a {kind} called {name!r}: a name is letters, digits, '-', '_', '+' and '@'")

    def add(thing: T) -> T:
        module = str(getattr(thing, "__module__", "__main__"))
        place = f"{module}:{getattr(thing, '__qualname__', repr(thing))}"
        plugin = _importing[-1] if _importing else module
        rows = _decorated.setdefault(kind, {})
        others = _registries[kind]._rows if kind in _registries else {}
        row = _Row(place, plugin, loaded=thing)
        for known in (rows, others):
            if name in known and known[name].place != place:  # the same place again: a module or notebook cell run anew
                raise _taken_twice(kind, name, known[name], row)
        rows[name] = row
        return thing

    return add


def load_plugins(names: Iterable[str]) -> None:
    """Import modules that register things; one that was loaded before is left alone.

    Raises:
        UserError: one that cannot be imported.
    """
    for name in names:
        if name in _plugins:
            continue
        with _imports_of(name, named=f"the plugin {name!r}"):
            importlib.import_module(name)
        _plugins.append(name)


def loaded_plugins() -> tuple[str, ...]:
    """Return the modules that `load_plugins` imported, for a worker process to import as well."""
    return tuple(_plugins)


def has_plugins() -> bool:
    """Say whether anything is registered that is not a row of ours, here or by an installed package."""
    from importlib.metadata import entry_points

    return any(_decorated.values()) or not entry_points().groups.isdisjoint(GROUPS.values())


def record_plugins(names: Mapping[str, Iterable[str]]) -> list[dict[str, str]]:
    """Return which of some names plugins bring, as plain values for a run's file.

    Args:
        names: kind -> names in use, such as {"method": ["simclr"], "view": ["rgb", "depth"]}.
    """
    found = []
    for kind, used in names.items():
        for name in used:
            row = _registries[kind]._find(name)
            if row.plugin:
                how = "installed package" if row.entry_point is not None else "module"
                found.append({"kind": kind, "name": name, "plugin": row.plugin, "how": how})
    return found


def require_plugins(recorded: Iterable[Mapping[str, str]], *, source: str) -> None:
    """Check that what plugins brought when a run was made is known now; nothing is imported.

    Args:
        recorded: what `record_plugins` gave then.
        source: the run, for the message.

    Raises:
        UserError: something is not known; the message says which plugin brought it.
    """
    for row in recorded:
        kind, name = row["kind"], row["name"]
        if kind not in _registries or name not in _registries[kind]:
            plugin = row["plugin"]
            remedy = f"pass --plugin {plugin}, or in Python import {plugin} before you load the run"
            if row["how"] == "installed package":
                remedy = f"install the package {plugin}"
            elif plugin == "__main__":
                remedy = "load the run from the script that registers it"
            raise UserError(
                f"{source} was made with the {kind} {name!r} of {plugin}, which is not loaded; "
                f"what a run's file names is never imported. If you trust it, {remedy}"
            )


@cache
def _installed(kind: str) -> Mapping[str, _Row]:
    """Return the rows that installed packages name in their entry points."""
    from importlib.metadata import entry_points  # costs a tenth of the start-up, and few commands need it

    rows: dict[str, _Row] = {}
    for point in entry_points(group=GROUPS[kind]) if kind in GROUPS else ():
        package = point.dist.name if point.dist is not None else point.module
        row = _Row(point.value, package, entry_point=point)
        if point.name in rows and rows[point.name].place != row.place:
            raise _taken_twice(kind, point.name, rows[point.name], row)
        rows[point.name] = row
    return rows


def _taken_twice(kind: str, name: str, one: _Row, other: _Row) -> UserError:
    return UserError(f"two things are called {kind} {name!r}: {one.place} and {other.place}; rename one of them")


@contextlib.contextmanager
def _imports_of(plugin: str, *, named: str) -> Iterator[None]:
    """Know inside the block whose registrations these are; a failure is told with the plugin's name."""
    _importing.append(plugin)
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        place = "; is it installed, or in the folder you are in?" if isinstance(error, ModuleNotFoundError) else ""
        raise UserError(f"{named} cannot be imported ({type(error).__name__}: {error}){place}") from error
    finally:
        _importing.pop()
