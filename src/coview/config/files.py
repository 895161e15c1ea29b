"""The configs that come with coview: one YAML an experiment, its first line the command that runs it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from coview.config import RunConfig, override, parse, read_yaml
from coview.errors import UserError
from coview.registry import did_you_mean

FOLDER = Path(__file__).parent / "presets"
BASE = "base"
"""A config's key for another that it changes: a name, or a path from its own folder."""


def config_names() -> list[str]:
    """Return the names of the configs that come with coview."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def find_config(given: str) -> Path:
    """Return the file a command line means: a path, or the name of a config that comes with coview.

    Raises:
        UserError: neither.
    """
    path = Path(given)
    if path.is_file():
        return path
    shipped = FOLDER / f"{path.name.removesuffix('.yaml')}.yaml"
    if shipped.is_file() and len(path.parts) == 1:
        return shipped
    hint = did_you_mean(path.name.removesuffix(".yaml"), config_names())
    raise UserError(f"no config file {given}{hint or '.'} Known by name: {', '.join(config_names())}")


def load_config(path: Path, assignments: Sequence[tuple[str, str]] = ()) -> RunConfig:
    """Read a run's YAML file on top of its base, apply overrides, check it.

    Raises:
        UserError: the file, its base or a setting cannot be used.
    """
    return parse(RunConfig, override(read_with_base(path), assignments), source=str(path))


def read_with_base(path: Path, *, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Read a config's settings merged into those of its base, table by table; what the file itself says counts.

    Args:
        path: the YAML file.
        above: the files that led to this one.

    Raises:
        UserError: a base that is not there, or that is based on this file.
    """
    chain = (*above, path.resolve())
    if chain[-1] in above:
        raise UserError(f"{above[0]}: its bases go round in a circle: {' -> '.join(file.name for file in chain)}")
    own = read_yaml(path)
    base = own.pop(BASE, None)
    if base is None:
        return own
    if not isinstance(base, str):
        raise UserError(f"{path}: {BASE} is {base!r}, expected the name or the path of one config")
    try:
        found = find_config(str(path.parent / base) if (path.parent / base).is_file() else base)
    except UserError as error:
        raise UserError(f"{path}: {BASE}: {error}") from None
    return _merged(read_with_base(found, above=chain), own)


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return `below` with what `above` says in its place; tables that both have are merged."""
    merged = dict(below)
    for key, value in above.items():
        other = merged.get(key)
        if isinstance(other, Mapping) and isinstance(value, Mapping):
            merged[key] = _merged(other, value)
        else:
            merged[key] = value
    return merged
