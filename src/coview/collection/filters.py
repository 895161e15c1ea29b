"""Which videos and times a search looks at: labels, paths, times, and fields of the user's own.

Conditions are applied before anything is ranked, so that a filter never costs a hit.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coview.errors import UserError
from coview.registry import did_you_mean

NAMES = ("id", "label", "group", "path", "time", "duration")
"""Conditions that every index knows; other names are fields of its own."""
_SHAPES = (
    "label=Basketball, label=[a, b], path='cam1/*', time=10..60, duration=..30, or a field of your own: camera=3, "
    "temperature=20..25"
)


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both counted."""

    low: float
    high: float


@dataclass(frozen=True)
class Filter:
    """Conditions that all hold.

    Attributes:
        texts: column of a video or name of an own field -> any of these texts.
        globs: patterns, of which a path matches one.
        ranges: "duration" or an own field -> numbers.
        time: windows that reach into these seconds of their video.
    """

    texts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    globs: tuple[str, ...] = ()
    ranges: Mapping[str, Range] = field(default_factory=dict)
    time: Range | None = None


def parse_filter(where: Mapping[str, Any] | None, *, folder: Path, fields: Sequence[str]) -> Filter:
    """Read conditions.

    Args:
        where: name -> a text or number; several of them, any of which fits; or a range: (low, high) with None for no
            bound, or the text "low..high".
        folder: of the index; an absolute pattern of paths is made relative to it.
        fields: names of own fields.

    Raises:
        TypeError: `where` is no mapping.
        UserError: an unknown name, or a value that does not fit; says what is allowed.
    """
    if where is not None and not isinstance(where, Mapping):
        raise TypeError(f"where is {where!r:.60}, expected names and values, such as {{'label': 'wave'}}")
    texts: dict[str, tuple[str, ...]] = {}
    ranges: dict[str, Range] = {}
    globs: tuple[str, ...] = ()
    time = None
    for name, value in (where or {}).items():
        if name not in (*NAMES, *fields):
            hint = did_you_mean(name, (*NAMES, *fields)) or "."
            own = f"; fields of this index: {', '.join(fields)}" if fields else "; it has no fields of its own"
            raise UserError(f"cannot filter by {name!r}{hint} Known: {', '.join(NAMES)}{own}")
        bounds = None if name in ("id", "label", "group", "path") else _read_range(name, value)
        if name in ("time", "duration") and bounds is None:
            raise UserError(f"{name} is {value!r}, expected seconds from..to, such as 10..60 or ..60")
        if name == "time":
            time = bounds
        elif bounds is not None:
            ranges[name] = bounds
        else:
            several = value if isinstance(value, list | tuple | set | frozenset) else [value]
            if not several or not all(isinstance(one, str | int | float) for one in several):
                raise UserError(f"{name} is {value!r:.60}; allowed are {_SHAPES}")
            chosen = tuple(str(one) for one in several)
            if name == "path":
                globs = tuple(_relative(pattern, folder) for pattern in chosen)
            else:
                texts[name] = chosen
    return Filter(texts, globs, ranges, time)


def _read_range(name: str, value: Any) -> Range | None:
    """Return a range, None where the value is something else."""
    if isinstance(value, str) and ".." in value:
        ends: Sequence[Any] = [part.strip() or None for part in value.split("..", 1)]
    elif isinstance(value, tuple) and len(value) == 2 and not any(isinstance(end, str) for end in value):
        ends = value
    else:
        return None
    try:
        low, high = (None if end is None else float(end) for end in ends)
    except (TypeError, ValueError):
        return None
    low, high = -float("inf") if low is None else low, float("inf") if high is None else high
    if not low <= high:
        raise UserError(f"{name} is {value!r}: from must not be above to")
    return Range(low, high)


def _relative(pattern: str, folder: Path) -> str:
    return os.path.relpath(pattern, folder.resolve()) if os.path.isabs(pattern) else pattern  # noqa: PTH117


def parse_words(words: Sequence[str]) -> dict[str, Any]:
    """Read conditions from a command line: ["label=wave", "label=run", "time=10..60"]; a repeated name means any.

    Raises:
        UserError: a word without "=".
    """
    found: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name or not value:
            raise UserError(f"--where {word}: expected NAME=VALUE, such as {_SHAPES}")
        found[name] = [*found[name], value] if name in found else [value]
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}
