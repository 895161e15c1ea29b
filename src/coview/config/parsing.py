"""Plain values <-> settings: YAML files, dotted overrides, strict checks with suggestions."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import pydantic
import yaml

from coview.errors import UserError
from coview.files import short, write_text
from coview.registry import did_you_mean

S = TypeVar("S")


def parse(kind: type[S], given: Mapping[str, Any], *, source: str, prefix: str = "") -> S:
    """Build a settings dataclass from plain values.

    Args:
        kind: a settings dataclass.
        given: keys and values as read from YAML.
        source: where they come from, for messages.
        prefix: dotted place of `given` in that source, such as "method.".

    Raises:
        UserError: an unknown key (with the closest known one), a missing one, or a value out of range; all of
            them at once.
    """
    config = pydantic.ConfigDict(extra="forbid")
    adapter = pydantic.TypeAdapter(_forbidding_extras(kind), config=None if dataclasses.is_dataclass(kind) else config)
    try:
        return cast(S, adapter.validate_python(dict(given)))
    except pydantic.ValidationError as error:
        lines = [_explain(kind, detail, prefix) for detail in error.errors()]
        raise UserError(f"{source}: " + "; ".join(lines)) from None


def _forbidding_extras(kind: type[Any], seen: set[type[Any]] | None = None) -> type[Any]:
    """Mark a dataclass, and those its fields hold, as refusing unknown keys."""
    seen = set() if seen is None else seen
    if dataclasses.is_dataclass(kind) and kind not in seen:
        seen.add(kind)
        kind.__pydantic_config__ = pydantic.ConfigDict(extra="forbid")  # type: ignore[attr-defined]
        for setting in dataclasses.fields(kind):
            for inner in (setting.type, *getattr(setting.type, "__args__", ())):
                if isinstance(inner, type):
                    _forbidding_extras(inner, seen)
    return kind


def _explain(kind: type[Any], detail: Any, prefix: str) -> str:
    place = prefix + ".".join(str(part) for part in detail["loc"])
    if detail["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        siblings = _known_keys(kind, detail["loc"][:-1])
        hint = did_you_mean(str(detail["loc"][-1]), siblings)
        return f"unknown setting {place!r}{hint or '.'} Known here: {', '.join(siblings)}"
    return f"{place}: {detail['msg']}, got {detail['input']!r}"


def _known_keys(kind: type[Any], place: Sequence[str | int]) -> list[str]:
    """Return the names of the settings at `place` inside a settings dataclass."""
    for part in place:
        if dataclasses.is_dataclass(kind):
            found = next((f.type for f in dataclasses.fields(kind) if f.name == part), None)
        else:
            found = next((a for a in getattr(kind, "__args__", ()) if dataclasses.is_dataclass(a)), None)
        if found is None:
            return []
        kind = cast(type[Any], found)
    return [f.name for f in dataclasses.fields(kind)] if dataclasses.is_dataclass(kind) else []


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds settings.

    Raises:
        UserError: no such file, not YAML, or not a table of settings.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not valid YAML: {error}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise UserError(f"{path} holds a {type(values).__name__}, expected settings as 'name: value' lines")
    return values


def override(values: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return `values` with settings replaced; tables that both have are merged.

    Args:
        values: nested settings.
        settings: dotted names or nested tables, such as {"training.batch_size": 16, "views": {"flow": {"size": 64}}}.

    Raises:
        TypeError: `settings` is no table of names and values.
    """
    if not isinstance(settings, Mapping):
        raise TypeError(
            f'settings is {short(settings)}, expected names and values, such as {{"training.max_steps": 2}}'
        )
    result = _copy(values)
    for key, value in settings.items():
        if not isinstance(key, str):
            raise TypeError(f"settings: {short(key)} is no name of a setting; a name is such as 'training.batch_size'")
        first, *rest = key.split(".")
        first = first.replace("-", "_")
        num_names = 1 if first in ("views", "start_from") else 0  # the name of a view stays as it is
        *parents, last = first, *rest[:num_names], *(part.replace("-", "_") for part in rest[num_names:])
        place = result
        for parent in parents:
            child = place.get(parent)
            if not isinstance(child, dict):
                child = place[parent] = {}
            place = child
        before = place.get(last)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            value = merge(before, value)
        place[last] = value
    return result


def merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return `below` with what `above` says in its place; tables that both have are merged."""
    merged = dict(below)
    for key, value in above.items():
        other = merged.get(key)
        if isinstance(other, Mapping) and isinstance(value, Mapping):
            value = merge(other, value)
        merged[key] = value
    return merged


def _copy(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _copy(value) if isinstance(value, Mapping) else value for key, value in values.items()}


def read_value(text: str) -> Any:
    """Read the value of a setting as it is typed on a command line: a number, a text, a list, null.

    Raises:
        UserError: not a value.
    """
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise UserError(f"{text!r} is not a value; quote texts that hold ':' or brackets") from None
    if isinstance(value, str):  # YAML 1.1 reads 1e-3 as a text
        try:
            return float(value)
        except ValueError:
            return value
    return value


def as_plain(settings: Any) -> Any:
    """Return settings as dicts, lists and scalars, ready for YAML or JSON."""
    if dataclasses.is_dataclass(settings) and not isinstance(settings, type):
        return {f.name: as_plain(getattr(settings, f.name)) for f in dataclasses.fields(settings)}
    if isinstance(settings, Mapping):
        return {str(key): as_plain(value) for key, value in settings.items()}
    if isinstance(settings, (list, tuple)):
        return [as_plain(value) for value in settings]
    if isinstance(settings, Path):
        return str(settings)
    return settings


def write_yaml(path: Path, values: Mapping[str, Any], *, first_line: str = "") -> None:
    """Write settings as YAML, in their own order, atomically."""
    text = (f"# {first_line}\n" if first_line else "") + yaml.safe_dump(as_plain(values), sort_keys=False)
    write_text(path, text)
