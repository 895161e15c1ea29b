"""Plain values <-> settings: dotted overrides, strict checks with suggestions."""

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import pydantic

from coview.errors import UserError
from coview.registry import did_you_mean
from coview.wording import short

S = TypeVar("S")
_STRICT = pydantic.ConfigDict(extra="forbid", allow_inf_nan=False)
_MOST_TOLD = 20
"""Mistakes told at once."""


def parse(kind: type[S], given: Mapping[str, Any], *, source: str, prefix: str = "") -> S:
    """Build a settings dataclass from plain values.

    Strict: `true` is no number and "8" neither, nan and infinities are refused, as is a whole number too large to be
    meant. What JSON does not know apart is taken one for the other: 4.0 for 4, a list for a tuple, a text for a path.

    Args:
        kind: a settings dataclass.
        given: keys and values as read from YAML.
        source: where they come from, for messages.
        prefix: dotted place of `given` in that source, such as "method.".

    Raises:
        UserError: an unknown key (with the closest known one), a missing one, or a value out of range; all of
            them at once.
    """
    own = None if dataclasses.is_dataclass(kind) else _STRICT
    adapter = pydantic.TypeAdapter(_made_strict(kind), config=own)
    try:
        text = json.dumps(_whole_numbers(as_plain(given)), default=short)
        return cast(S, adapter.validate_json(text, strict=True))
    except pydantic.ValidationError as error:
        lines = [_explain(kind, detail, prefix) for detail in error.errors()]
        shown = [*lines[:_MOST_TOLD], *([f"and {len(lines) - _MOST_TOLD} more"] if len(lines) > _MOST_TOLD else [])]
        raise UserError(f"{source}: " + "; ".join(shown)) from None
    except (RecursionError, UnicodeEncodeError, ValueError) as error:  # such as half a character, or endless nesting
        raise UserError(f"{source}: a setting cannot be read: {short(error)}") from None


def _whole_numbers(values: Any) -> Any:
    """Return plain values with 4 for 4.0: a setting that takes fractions takes whole numbers too."""
    if isinstance(values, dict):
        return {key: _whole_numbers(value) for key, value in values.items()}
    if isinstance(values, list):
        return [_whole_numbers(value) for value in values]
    is_whole = isinstance(values, float) and math.isfinite(values) and values == int(values) and abs(values) < 2**53
    return int(values) if is_whole else values


def _made_strict(kind: type[Any], seen: set[type[Any]] | None = None) -> type[Any]:
    """Mark a dataclass, and those its fields hold, as refusing unknown keys and numbers that are not finite."""
    seen = set() if seen is None else seen
    if dataclasses.is_dataclass(kind) and kind not in seen:
        seen.add(kind)
        kind.__pydantic_config__ = _STRICT  # type: ignore[attr-defined]
        for setting in dataclasses.fields(kind):
            for inner in (setting.type, *getattr(setting.type, "__args__", ())):
                if isinstance(inner, type):
                    _made_strict(inner, seen)
    return kind


def _explain(kind: type[Any], detail: Any, prefix: str) -> str:
    place = prefix + ".".join(str(part) for part in detail["loc"])
    if detail["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        siblings = _known_keys(kind, detail["loc"][:-1])
        hint = did_you_mean(str(detail["loc"][-1]), siblings)
        return f"unknown setting {place!r}{hint or '.'} Known here: {', '.join(siblings)}"
    shown = place if place.isprintable() else ascii(place)
    return f"{shown}: {detail['msg']}, got {_given(detail['input'])}"


def _given(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:60]}... ({type(value).__name__})"


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
